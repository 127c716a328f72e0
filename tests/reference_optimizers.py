"""Slow optimisers that are plainly right: one torch network, its own double backward, sums over all of the past."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from featurelearning.optimizers import signs
from references import of_torch_layout, weights


class Objective(nn.Module):
    """The loss of a network as a function of its parameters."""

    def __init__(self, network: nn.Module, loss: Callable[[], Tensor]) -> None:
        super().__init__()
        self.network, self.loss = network, loss

    def forward(self) -> Tensor:
        return self.loss()


def hessian_product(network: nn.Module, loss: Callable[[], Tensor], v: list[Tensor]) -> list[Tensor]:
    """Return H v by the backward pass of a backward pass."""
    params = list(network.parameters())
    gradients = torch.autograd.grad(loss(), params, create_graph=True)
    return list(torch.autograd.grad(gradients, params, v, materialize_grads=True))


def of_hessian(network: nn.Module, loss: Callable[[], Tensor], reduce: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """Return what `reduce` makes of the whole Hessian, one number a parameter: its diagonal, its row sums."""
    objective = Objective(network, loss)
    names, values = zip(*objective.named_parameters(), strict=True)
    at = [value.detach().flatten() for value in values]

    def function(flat: Tensor) -> Tensor:
        parts = [part.view_as(v) for part, v in zip(flat.split([len(a) for a in at]), values, strict=True)]
        return torch.func.functional_call(objective, dict(zip(names, parts, strict=True)), ())

    whole = torch.autograd.functional.hessian(function, torch.cat(at), vectorize=True)
    parts = reduce(whole).split([len(a) for a in at])
    return [part.view_as(value) for part, value in zip(parts, values, strict=True)]


def drawn_signs(network: nn.Sequential, stream: Tensor, draw: int) -> list[Tensor]:
    """Return the signs of one model (its stream [2]) in the order and layout of the network's parameters."""
    like = {key: value[None] for key, value in weights(network).items()}
    found = signs.rademacher(stream[None], torch.full((1, 1, 1), draw), like)
    return of_torch_layout({key: value[0] for key, value in found.items()})


def hutchinson(network: nn.Sequential, loss: Callable[[], Tensor], stream: Tensor, draw: int) -> list[Tensor]:
    """Return z * (H z), entry by entry."""
    z = drawn_signs(network, stream, draw)
    return [one * product for one, product in zip(z, hessian_product(network, loss, z), strict=True)]


def weighted_mean(past: list[Tensor], beta: float) -> Tensor:
    """Return sum_s beta^(t - s) a_s / sum_s beta^(t - s): the bias-corrected moving average."""
    ages = [beta**age for age in range(len(past))][::-1]
    return sum(weight * value for weight, value in zip(ages, past, strict=True)) / sum(ages)


class AdaHessian(torch.optim.Optimizer):
    """m^ / (v^^(k/2) + 1e-16) for any estimate of the Hessian's diagonal: update number -> one tensor a parameter."""

    def __init__(self, params, lr: float, k: float, estimate: Callable[[int], list[Tensor]]) -> None:
        super().__init__(params, {"lr": lr})
        self.k, self.estimate, self.gradients, self.squares = k, estimate, [], []

    def step(self, closure: Callable[[], Tensor]) -> None:
        closure()
        [group] = self.param_groups
        self.gradients.append([param.grad.clone() for param in group["params"]])
        self.squares.append([h**2 for h in self.estimate(len(self.gradients))])
        for i, param in enumerate(group["params"]):
            mean = weighted_mean([past[i] for past in self.gradients], 0.9)
            square = weighted_mean([past[i] for past in self.squares], 0.999)
            param.data -= group["lr"] * mean / (square ** (self.k / 2) + 1e-16)


class SophiaH(torch.optim.Optimizer):
    """clip(m / max(gamma h, 1e-12), -1, 1), h a sum over the estimates of updates 1, 11, 21, .."""

    def __init__(self, params, lr: float, gamma: float, estimate: Callable[[int], list[Tensor]]) -> None:
        super().__init__(params, {"lr": lr})
        self.gamma, self.estimate, self.gradients, self.estimates = gamma, estimate, [], []
        self.ratios = []  # of every step before it was clipped

    def step(self, closure: Callable[[], Tensor]) -> None:
        closure()
        [group] = self.param_groups
        if len(self.gradients) % 10 == 0:
            self.estimates.append(self.estimate(len(self.gradients) + 1))
        self.gradients.append([param.grad.clone() for param in group["params"]])
        for i, param in enumerate(group["params"]):
            m = sum(0.04 * 0.96**age * past[i] for age, past in enumerate(reversed(self.gradients)))
            h = sum(0.01 * 0.99**age * past[i] for age, past in enumerate(reversed(self.estimates)))
            ratio = m / torch.maximum(self.gamma * h, torch.full_like(h, 1e-12))
            self.ratios.append(ratio.flatten())
            param.data -= group["lr"] * torch.where(ratio.abs() > 1, ratio.sign(), ratio)
