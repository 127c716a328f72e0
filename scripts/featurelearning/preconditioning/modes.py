"""Eigenmodes of the inputs: a linear student that learns mode by mode.

The student is f(x) = w^T x, its teacher y = v^T x, L = (1/n) sum (f - y)^2, so dL/dw = 2 S (w - v) with the uncentred
empirical covariance S = sum_k lambda_k u_k u_k^T. With P = S^p no error e_k = u_k^T (w - v) meets another: a step of
descent multiplies e_k by 1 - 2 eta lambda_k^(1 + p), and gradient flow dw/dt = -P dL/dw has e_k(t) = e_k(0) exp(-2 t
lambda_k^(1 + p)), the limit of small eta at t = eta s after s steps. Source: derived here.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from featurelearning.optimizers import powers, sigma_power
from featurelearning.optimizers.problem import Problem


class Course(NamedTuple):
    """What a descent did, every exponent and seed a model."""

    remaining: np.ndarray  # [steps + 1, exponents, seeds, d], e_k(s) / e_k(0)
    share: np.ndarray  # [exponents, seeds, d], 2 eta lambda_k^(1 + p): lost by a mode in a step

    def discrete(self) -> np.ndarray:
        """Return what gradient descent leaves of each mode, (1 - 2 eta lambda_k^(1 + p))^s, in the shape of the run."""
        return (1 - self.share) ** self.step

    def flow(self) -> np.ndarray:
        """Return what gradient flow leaves of each mode, exp(-2 eta s lambda_k^(1 + p)), in the shape of the run."""
        return np.exp(-self.share * self.step)

    @property
    def step(self) -> np.ndarray:
        """Number of updates made [steps + 1, 1, 1, 1]."""
        return np.arange(len(self.remaining))[:, None, None, None]

    def apart(self, wanted: np.ndarray) -> np.ndarray:
        """Return the largest distance over steps and modes [exponents, seeds], in units of a mode's first error."""
        return np.abs(self.remaining - wanted).max(axis=(0, 3))


def descend(x: np.ndarray, teacher: np.ndarray, exponents: Sequence[float], rate: float, steps: int) -> Course:
    """Train w from 0 by sigma_power on inputs x [seeds, n, d] and teachers w* [seeds, d].

    eta of each model is rate / max_k lambda_k^(1 + p), so that the fastest mode of every p loses the share 2 * rate.
    Raises ValueError for a negative p of a covariance that is singular up to rounding.
    """
    d, (values, vectors) = x.shape[-1], np.linalg.eigh(x.swapaxes(1, 2) @ x / x.shape[1])
    values = powers.cleared(values)
    powered = np.stack([powers.power(values, p) for p in exponents])  # [exponents, seeds, d]
    eta = rate / (powered * values).max(axis=-1, keepdims=True)
    p = torch.as_tensor((vectors * powered[..., None, :] @ vectors.swapaxes(1, 2)).reshape(-1, d, d))
    inputs = torch.as_tensor(np.tile(x, (len(exponents), 1, 1)))
    target = torch.as_tensor(np.tile(teacher, (len(exponents), 1)))[..., None]
    errors = trail(inputs, inputs @ target, p, torch.as_tensor(eta.reshape(-1, 1, 1)), steps) - target
    seen = vectors.swapaxes(1, 2) @ errors.numpy().reshape(-1, *powered.shape, 1)
    return Course(seen[..., 0] / seen[0, ..., 0], 2 * eta * powered * values)


def trail(x: Tensor, y: Tensor, preconditioner: Tensor, eta: Tensor, steps: int) -> Tensor:
    """Return w [steps + 1, m, d, 1] before any update and after each; x [m, n, d], y [m, n, 1], eta [m, 1, 1]."""
    params, problem = {"weight1": x.new_zeros(len(x), x.shape[-1], 1)}, Problem(preconditioner)
    state, found = sigma_power.init(params, problem), [params["weight1"]]
    for _ in range(steps):
        gradients = {"weight1": (2 / x.shape[1]) * x.mT @ (x @ params["weight1"] - y)}
        step, state = sigma_power.update(gradients, state, params, problem)
        params = {"weight1": params["weight1"] - eta * step["weight1"]}
        found.append(params["weight1"])
    return torch.stack(found)
