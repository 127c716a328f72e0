"""One table of methods: of each, its hyper-parameters and a plain optimiser of one torch network that it must equal."""

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from featurelearning.optimizers import (
    adahessian,
    adam,
    diagonal_hessian,
    kfac,
    kfac_input,
    kfac_output,
    lbfgs,
    momentum,
    muon,
    row_sum_hessian,
    sam,
    sgd,
    shampoo,
    sigma_power,
    sophia,
    torch_optimizer,
)
from reference_kronecker import KFAC, Shampoo
from reference_lbfgs import LBFGS
from reference_muon import Muon
from reference_optimizers import AdaHessian, SophiaH, hutchinson, of_hessian
from reference_sam import SAM
from references import NADAM

M, D = 3, 4  # models, inputs
RATE = 0.02
STREAMS = torch.tensor(np.random.default_rng(23).integers(-(2**31), 2**31, (M, 2)), dtype=torch.int32)

Loss = Callable[[], Tensor]


class Row(NamedTuple):
    """A method, its hyper-parameters and P, and what a plain loop uses in its place.

    reference: (network, loss, model) -> a torch optimiser of that network, whose loss the function gives; model is the
    number of the network in the batch.
    """

    method: ModuleType
    reference: Callable[[nn.Sequential, Loss, int], torch.optim.Optimizer]
    hyperparameters: dict[str, Any] = {}
    preconditioner: Tensor | None = None


def spectrum() -> Tensor:
    return torch.tensor(np.random.default_rng(20).uniform(0.2, 3, (M, D)))


def full() -> Tensor:
    root = torch.tensor(np.random.default_rng(21).standard_normal((M, D, D)))
    return root @ root.mT / D


def of_torch(kind: type[torch.optim.Optimizer], **options) -> Callable[..., torch.optim.Optimizer]:
    """Return the reference that is an optimiser of torch or of a library in its style."""
    return lambda network, loss, model: kind(network.parameters(), lr=RATE, **options)


def of_estimates(kind: type[torch.optim.Optimizer], estimate: Callable, **options) -> Callable:
    """Return the reference that asks for an estimate of the Hessian's diagonal: (network, loss, model, update)."""
    return lambda network, loss, model: kind(
        network.parameters(), RATE, estimate=functools.partial(estimate, network, loss, model), **options
    )


def sampled(network: nn.Sequential, loss: Loss, model: int, update: int) -> list[Tensor]:
    return hutchinson(network, loss, STREAMS[model], update)


def exact(network: nn.Sequential, loss: Loss, model: int, update: int) -> list[Tensor]:
    return of_hessian(network, loss, torch.diag)


def summed(network: nn.Sequential, loss: Loss, model: int, update: int) -> list[Tensor]:
    return of_hessian(network, loss, lambda hessian: hessian.sum(dim=1))


def of_network(kind: type[torch.optim.Optimizer], **options) -> Callable[..., torch.optim.Optimizer]:
    """Return the reference that is an optimiser of ours, which sees the network and not only its parameters."""
    return lambda network, loss, model: kind(network, RATE, **options)


SGD = of_torch(torch.optim.SGD)
DAMPING = 0.1

TABLE = {
    "sgd": Row(sgd, SGD),
    "momentum": Row(momentum, of_torch(torch.optim.SGD, momentum=0.9), {"momentum": 0.9}),
    "adam": Row(adam, of_torch(torch.optim.Adam)),
    "sigma_power, diagonal": Row(sigma_power, SGD, preconditioner=spectrum()),
    "sigma_power, full": Row(sigma_power, SGD, preconditioner=full()),
    **{f"adahessian {p}": Row(adahessian, of_estimates(AdaHessian, sampled, k=-p), {"p": p}) for p in (-1.0, 0.0, 0.5)},
    **{f"diagonal {p}": Row(diagonal_hessian, of_estimates(AdaHessian, exact, k=-p), {"p": p}) for p in (-1.0, 0.5)},
    **{f"row sums {p}": Row(row_sum_hessian, of_estimates(AdaHessian, summed, k=-p), {"p": p}) for p in (-1.0, 0.5)},
    "sophia": Row(sophia, of_estimates(SophiaH, sampled, gamma=0.01)),
    "kfac": Row(kfac, of_network(KFAC, damping=DAMPING), {"damping": DAMPING}),
    "kfac_input": Row(kfac_input, of_network(KFAC, damping=DAMPING, outer=False), {"damping": DAMPING}),
    "kfac_output": Row(kfac_output, of_network(KFAC, damping=DAMPING, inner=False), {"damping": DAMPING}),
    "sam": Row(sam, of_torch(SAM, rho=0.05), {"rho": 0.05}),
    "lbfgs": Row(lbfgs, of_torch(LBFGS)),
    "muon": Row(muon, of_torch(Muon)),
    "torch_optimizer": Row(torch_optimizer, of_torch(torch.optim.NAdam, betas=NADAM["betas"]), NADAM),
    "shampoo": Row(shampoo, of_torch(Shampoo, epsilon=shampoo.EPSILON, refresh_every=2, fresh=32)),
}
