"""Muon on one network of torch, slow and plain: singular value decompositions, a sum over all of the past."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor


def spread(singular: np.ndarray) -> np.ndarray:
    """Return what five steps s <- a s + b s^3 + c s^5 make of singular values, divided by their root of squares."""
    s = singular / np.sqrt((singular**2).sum())
    for _ in range(5):
        s = 3.4445 * s - 4.775 * s**3 + 2.0315 * s**5
    return s


class Muon(torch.optim.Optimizer):
    """A bias is a matrix [fan_out, 1], as weights [fan_out, fan_in] are."""

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        super().__init__(parameters, {"lr": lr})
        self.rate, self.parameters, self.past = lr, self.param_groups[0]["params"], []

    def step(self, closure: Callable[[], Tensor]) -> None:
        closure()
        self.past.append([parameter.grad.numpy().copy() for parameter in self.parameters])
        for i, parameter in enumerate(self.parameters):
            gradients = [past[i].reshape(len(parameter), -1) for past in self.past]
            velocity = sum(0.95**age * g for age, g in enumerate(reversed(gradients)))
            u, s, v = np.linalg.svd(gradients[-1] + 0.95 * velocity, full_matrices=False)
            rows, columns = gradients[-1].shape
            step = np.sqrt(max(1, rows / columns)) * (u * spread(s)) @ v
            parameter.data -= self.rate * torch.tensor(step.reshape(parameter.shape))
