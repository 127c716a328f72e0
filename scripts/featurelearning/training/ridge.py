"""Closed-form linear heads on frozen features."""

from typing import NamedTuple

import numpy as np
from scipy.linalg import solve

from featurelearning import arrays


class Head(NamedTuple):
    """A linear readout f(z) = z . weight + bias, of one output or of several."""

    weight: np.ndarray  # [features] or [features, outputs]
    bias: float | np.ndarray  # [outputs] where there are several


def fit(features: np.ndarray, y: np.ndarray, ridge: float) -> Head:
    """Return the head that minimises (1/n) |y - Z w - b|^2 + ridge |w|^2 for features Z [n, h], labels y [n].

    Features and labels are centred, so the bias is free of the penalty: (Zc^T Zc + ridge n I) w = Zc^T yc. With more
    features than samples the equal n x n system is solved: w = Zc^T (Zc Zc^T + ridge n I)^{-1} yc.
    Several outputs, y [n, o], are as many heads side by side.
    Features that are not finite, those of a diverged model, give a head of NaN. Raises as `arrays.real`, and ValueError
    for a ridge that is not above 0. Source: P1, forward transfer (released scripts).
    """
    features = arrays.real("features Z", features, ("samples", "units"), None)
    y = arrays.numbers("y", y)
    y = arrays.real("y", y, (len(features), "outputs") if y.ndim == 2 else (len(features),))
    if (ridge := arrays.number("ridge", ridge)) <= 0:
        raise ValueError(f"ridge: {ridge:g} given; allowed: above 0, or there may be no solution; raise it")
    if not np.isfinite(features).all():
        return Head(np.full((features.shape[1], *y.shape[1:]), np.nan), np.full(y.shape[1:], np.nan)[()])
    mean, y_mean = features.mean(axis=0), y.mean(axis=0)
    z, residual = features - mean, y - y_mean
    n, h = z.shape
    if h <= n:
        weight = solve(z.T @ z + ridge * n * np.eye(h), z.T @ residual, assume_a="pos")
    else:
        weight = z.T @ solve(z @ z.T + ridge * n * np.eye(n), residual, assume_a="pos")
    bias = y_mean - mean @ weight
    return Head(weight, float(bias) if y.ndim == 1 else bias)


def mean_squared_error(head: Head, features: np.ndarray, y: np.ndarray) -> float:
    """Return mean((y - Z w - b)^2) for features Z [n, h] and labels y of the shape of the outputs; raises otherwise."""
    features = arrays.real("features Z", features, ("samples", len(head.weight)), None)
    y = arrays.real("y", y, (len(features), *np.shape(head.weight)[1:]), None)
    return float(np.mean((y - features @ head.weight - head.bias) ** 2))


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return the targets [n, classes] of a classifying head: 1 at the label, an integer of labels [n], 0 elsewhere."""
    labels = arrays.classes("labels", labels, ("samples",), classes)
    return np.eye(classes)[labels]


def accuracy(head: Head, features: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of samples whose largest output z . weight + bias [n, o] is at the label [n].

    A head of NaN, that of a diverged model, gives NaN.
    """
    features = arrays.real("features Z", features, ("samples", len(head.weight)), None)
    labels = arrays.classes("labels", labels, (len(features),), np.shape(head.weight)[1])
    outputs = features @ head.weight + head.bias
    return float(np.mean(outputs.argmax(axis=1) == labels)) if np.isfinite(outputs).all() else float("nan")
