"""Closed-form linear heads on frozen features."""

from typing import NamedTuple

import numpy as np
from scipy.linalg import solve


class Head(NamedTuple):
    """A linear readout f(z) = z . weight + bias."""

    weight: np.ndarray  # [features]
    bias: float


def fit(features: np.ndarray, y: np.ndarray, ridge: float) -> Head:
    """Return the head that minimises (1/n) |y - Z w - b|^2 + ridge |w|^2 for features Z [n, h], labels y [n].

    Features and labels are centred, so the bias is free of the penalty: (Zc^T Zc + ridge n I) w = Zc^T yc. With more
    features than samples the equal n x n system is solved: w = Zc^T (Zc Zc^T + ridge n I)^{-1} yc.
    Features that are not finite, those of a diverged model, give a head of NaN.
    Source: P1, forward transfer (released scripts).
    """
    if not np.isfinite(features).all():
        return Head(np.full(features.shape[1], np.nan), np.nan)
    mean, y_mean = features.mean(axis=0), y.mean()
    z, residual = features - mean, y - y_mean
    n, h = z.shape
    if h <= n:
        weight = solve(z.T @ z + ridge * n * np.eye(h), z.T @ residual, assume_a="pos")
    else:
        weight = z.T @ solve(z @ z.T + ridge * n * np.eye(n), residual, assume_a="pos")
    return Head(weight, float(y_mean - mean @ weight))


def mean_squared_error(head: Head, features: np.ndarray, y: np.ndarray) -> float:
    """Return mean((y - Z w - b)^2)."""
    return float(np.mean((y - features @ head.weight - head.bias) ** 2))
