"""K-FAC and Shampoo on one network of torch, slow and plain: loops, autograd's Jacobians, scipy's matrix roots."""

from collections.abc import Callable, Iterable

import numpy as np
import scipy.linalg
import torch
from torch import Tensor, nn
from torch.autograd.functional import hessian, jacobian

SampleLoss = Callable[[Tensor, int], Tensor]


def squared_error(outputs: Tensor, i: int) -> Tensor:
    """Return the loss of a sample whose label is zero: its curvature is that of every label."""
    return (outputs**2).sum()


def factors(network: nn.Sequential, x: Tensor, loss: SampleLoss) -> list[tuple[Tensor, Tensor]]:
    """Return of each linear layer the means over the samples of z~ z~^T and J^T H J.

    J: Jacobian of the outputs in the layer's pre-activations; H: Hessian of loss(outputs, i) of sample i.
    """
    result = []
    for number, layer in enumerate(network):
        if not isinstance(layer, nn.Linear):
            continue
        inner, outer = 0.0, 0.0
        for i, sample in enumerate(x):
            z = network[:number](sample).detach()
            preactivation = layer(z).detach()
            j = jacobian(network[number + 1 :], preactivation)
            h = hessian(lambda outputs, i=i: loss(outputs, i), network(sample).detach())
            z = z if layer.bias is None else torch.cat([z, torch.ones(1, dtype=z.dtype)])
            inner, outer = inner + torch.outer(z, z) / len(x), outer + j.T @ h @ j / len(x)
        result.append((inner, outer))
    return result


class KFAC(torch.optim.Optimizer):
    """Step (B + damping I)^-1 G~ (A + damping I)^-1 in torch's layout, G~ [fan_out, fan_in + 1]."""

    def __init__(
        self, network: nn.Sequential, rate: float, damping: float, inner: bool = True, outer: bool = True
    ) -> None:
        super().__init__(network.parameters(), {"lr": rate})
        self.network, self.rate, self.damping, self.inner, self.outer = network, rate, damping, inner, outer
        network.register_forward_pre_hook(lambda network, arguments: self.look(arguments[0]))

    def look(self, x: Tensor) -> None:
        self.x = x if x.ndim == 2 else self.x  # not at the single samples of the factors

    def step(self, closure: Callable[[], Tensor]) -> None:
        closure()
        self.move(factors(self.network, self.x, squared_error))

    @torch.no_grad()
    def move(self, found: list[tuple[Tensor, Tensor]]) -> None:
        linear = [layer for layer in self.network if isinstance(layer, nn.Linear)]
        for layer, (inner, outer) in zip(linear, found, strict=True):
            step = layer.weight.grad
            step = step if layer.bias is None else torch.cat([step, layer.bias.grad[:, None]], dim=1)
            if self.inner:
                step = torch.linalg.solve(inner + self.damping * torch.eye(len(inner)).to(inner), step, left=False)
            if self.outer:
                step = torch.linalg.solve(outer + self.damping * torch.eye(len(outer)).to(outer), step)
            layer.weight -= self.rate * step[:, : layer.in_features]
            if layer.bias is not None:
                layer.bias -= self.rate * step[:, -1]


class Shampoo(torch.optim.Optimizer):
    """One matrix of sums for each dimension of a tensor, and its power -1 / (2 order).

    The powers are computed in each of the first `fresh` steps, then in every `refresh_every`-th.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, epsilon: float, refresh_every: int, fresh: int) -> None:
        super().__init__(parameters, {"lr": lr})
        self.rate, self.refresh_every, self.fresh, self.made = lr, refresh_every, fresh, 0
        self.parameters = self.param_groups[0]["params"]
        self.sums = [[epsilon * np.eye(size) for size in p.shape] for p in self.parameters]

    def step(self, closure: Callable[[], Tensor]) -> None:
        closure()
        self.gather()
        if self.made < self.fresh or self.made % self.refresh_every == 0:
            self.refresh()
        self.made += 1
        self.move()

    def gather(self) -> None:
        for parameter, sums in zip(self.parameters, self.sums, strict=True):
            for axis, total in enumerate(sums):
                for i, one in enumerate(np.moveaxis(parameter.grad.numpy(), axis, 0)):
                    for j, other in enumerate(np.moveaxis(parameter.grad.numpy(), axis, 0)):
                        total[i, j] += (one * other).sum()

    def refresh(self) -> None:
        sqrtm, inv = scipy.linalg.sqrtm, np.linalg.inv
        self.roots = [
            [inv(sqrtm(total) if len(sums) == 1 else sqrtm(sqrtm(total))) for total in sums] for sums in self.sums
        ]

    @torch.no_grad()
    def move(self) -> None:
        for parameter, roots in zip(self.parameters, self.roots, strict=True):
            step = parameter.grad.numpy()
            for axis, root in enumerate(roots):
                step = np.moveaxis(np.tensordot(root, step, axes=(1, axis)), 0, axis)
            parameter -= self.rate * torch.tensor(step)
