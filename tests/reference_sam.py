"""Sharpness-aware minimisation as a plain torch optimiser of one network."""

import torch


class SAM(torch.optim.Optimizer):
    """Two backward passes a step: climb by rho along the unit gradient, differentiate there, return, descend."""

    def __init__(self, parameters, lr: float, rho: float) -> None:
        super().__init__(parameters, {"lr": lr, "rho": rho})

    def step(self, closure) -> None:
        [group] = self.param_groups
        places, before = group["params"], [place.detach().clone() for place in group["params"]]
        closure()
        everything = torch.cat([place.grad.reshape(-1) for place in places])
        length = torch.linalg.vector_norm(everything)
        with torch.no_grad():
            for place in places:
                place += group["rho"] * place.grad / length
        closure()
        with torch.no_grad():
            for place, old in zip(places, before, strict=True):
                place.copy_(old - group["lr"] * place.grad)
