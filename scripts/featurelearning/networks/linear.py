"""Batches of linear two-layer networks without biases, f(x) = F G x (P2); layout as in `dense`, W1 = G^T, W2 = F^T."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from featurelearning.networks.dense import Params
from featurelearning.networks.layers import layers

__all__ = ["forward", "hidden", "init", "layer_inputs", "layers", "slope"]


def init(rng: np.random.Generator, widths: Sequence[int], scale: float) -> dict[str, np.ndarray]:
    """Draw one model of widths d, h, o: entries ~ N(0, scale^2 / fan_in), which keeps variances at scale 1."""
    d, h, o = widths
    return {
        "weight1": scale * rng.standard_normal((d, h)) / np.sqrt(d),
        "weight2": scale * rng.standard_normal((h, o)) / np.sqrt(h),
    }


def hidden(params: Params, x: Tensor) -> Tensor:
    """Return the representation x W1 [m, n, h]."""
    return torch.bmm(x, params["weight1"])


def layer_inputs(params: Params, x: Tensor) -> list[Tensor]:
    """Return the inputs and the representation."""
    return [x, hidden(params, x)]


def slope(features: Tensor) -> Tensor:
    """Return ones [m, n, h]."""
    return torch.ones_like(features)


def forward(params: Params, x: Tensor) -> Tensor:
    """Return the outputs [m, n, o] for inputs [m, n, d]."""
    return torch.bmm(hidden(params, x), params["weight2"])
