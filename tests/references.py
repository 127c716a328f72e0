"""Slow formulas that are plainly right, for tests: loops, autograd and torch's own modules, in float64.

Tolerances are declared here once, by kind of test.
"""

import importlib
import threading
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from workflow.core import methods

EXACT = 1e-10  # the same mathematics in another order of operations, relative to the largest entry
DIFFERENCES = 1e-6  # central finite differences with a step of 1e-6
MONTE_CARLO = 1e-4  # chance that a right sampler fails; generators are seeded, so a test either passes or does not

# Every method there is, and a value for each hyper-parameter that one of them has.
METHODS = {name: importlib.import_module(f"featurelearning.optimizers.{name}") for name in methods.HYPERPARAMETERS}
HYPERPARAMETERS = {"momentum": 0.9, "p": -1.0, "rho": 0.05, "damping": 0.1}
NADAM = {"class": "torch.optim:NAdam", "betas": (0.8, 0.99)}  # of the method that runs a class with its arguments


def hyperparameters(optimizer: object) -> dict:
    """Return what a problem holds for a method: values for all of those that declare theirs, or a class."""
    return NADAM if hasattr(optimizer, "CLASS") else HYPERPARAMETERS


torch.set_num_threads(1)  # as in the workflow's jobs; tiny products wait for a second thread on a busy machine


def assert_close(found, wanted, tolerance: float = EXACT) -> None:
    """Assert that two arrays have one shape and differ by at most tolerance times the largest entry wanted."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * max(np.abs(wanted).max(initial=0), 1e-300))


class StopAt(threading.Event):
    """A wish to stop that comes at the n-th look."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    def is_set(self) -> bool:
        self.looks -= 1
        return self.looks <= 0


def random_params(rng: np.random.Generator, m: int, d: int, h: int, o: int = 1) -> dict[str, Tensor]:
    """Return a batch of networks with entries ~ N(0, 1 / fan_in), biases too."""
    shapes = {"weight1": (d, h), "bias1": (1, h), "weight2": (h, o), "bias2": (1, o)}
    fans = {"weight1": d, "bias1": d, "weight2": h, "bias2": h}
    return {key: torch.tensor(rng.normal(0, fans[key] ** -0.5, (m, *shape))) for key, shape in shapes.items()}


def network(params: dict[str, Tensor], model: int) -> nn.Sequential:
    """Return one model of a batch as torch builds it, in its (out, in) layout."""
    one = {key: value[model].detach().clone() for key, value in params.items()}
    layers = [nn.Linear(*one["weight1"].shape), nn.ReLU(), nn.Linear(*one["weight2"].shape)]
    result = nn.Sequential(*layers).to(one["weight1"].dtype)
    result.load_state_dict(
        {
            "0.weight": one["weight1"].T,
            "0.bias": one["bias1"][0],
            "2.weight": one["weight2"].T,
            "2.bias": one["bias2"][0],
        }
    )
    return result


def weights(network: nn.Sequential) -> dict[str, Tensor]:
    """Return a torch network's parameters in the layout of one model of a batch."""
    found = {}
    for k, layer in enumerate((layer for layer in network if isinstance(layer, nn.Linear)), 1):
        found[f"weight{k}"] = layer.weight.T
        found |= {} if layer.bias is None else {f"bias{k}": layer.bias[None]}
    return {key: value.detach().clone() for key, value in found.items()}


def of_torch_layout(tree: dict[str, Tensor]) -> list[Tensor]:
    """Return one model's tensors in the layout of a torch network's parameters."""
    return [value.T if key.startswith("weight") else value[0] for key, value in tree.items()]


def finite_differences(
    function: Callable[[dict[str, Tensor]], Tensor], params: dict[str, Tensor], step: float = 1e-6
) -> dict[str, Tensor]:
    """Return the derivative of a number with respect to every entry, one at a time, by central differences."""
    result = {key: torch.zeros_like(value) for key, value in params.items()}
    for key, value in params.items():
        for index in np.ndindex(*value.shape):
            sides = []
            for sign in (1, -1):
                moved = value.clone()
                moved[index] += sign * step
                sides.append(function({**params, key: moved}))
            result[key][index] = (sides[0] - sides[1]) / (2 * step)
    return result


def descend(
    network: nn.Sequential,
    loss: Callable[[Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    steps: int,
    precondition: Tensor | None = None,
    weight_decay: float = 0.0,
) -> list[float]:
    """Run the plain per-model loop and return the data term of the loss before the first and after every step.

    The L2 term weight_decay / 2 * sum of squared weights leaves biases out; precondition is P, grad <- grad @ P.
    """
    first, _, second = network

    def closure() -> Tensor:
        optimizer.zero_grad()
        penalty = weight_decay / 2 * sum((layer.weight**2).sum() for layer in (first, second))
        total = loss(network(x)) + penalty
        total.backward()
        if precondition is not None:
            first.weight.grad = first.weight.grad @ precondition
        return total

    losses = [loss(network(x)).item()]
    for _ in range(steps):
        optimizer.step(closure)
        losses.append(loss(network(x)).item())
    return losses


def ledoit_wolf(x: np.ndarray) -> np.ndarray:
    """Return the uncentred estimator of Ledoit & Wolf 2004, lemmas 3.2 to 3.5, by a loop over samples."""
    n, d = x.shape
    sample = sum(np.outer(row, row) for row in x) / n
    mean = np.trace(sample) / d
    dispersion = ((sample - mean * np.eye(d)) ** 2).sum()
    error = sum(((np.outer(row, row) - sample) ** 2).sum() for row in x) / n**2
    shrinkage = min(error, dispersion) / dispersion
    return shrinkage * mean * np.eye(d) + (1 - shrinkage) * sample
