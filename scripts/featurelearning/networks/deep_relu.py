"""Batches of ReLU networks of any depth, with biases or without; layout as in `dense`."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from featurelearning.networks.dense import Params, affine
from featurelearning.networks.layers import layers

__all__ = ["forward", "hidden", "init", "layers"]


def init(rng: np.random.Generator, widths: Sequence[int], scale: float, biases: bool = True) -> dict[str, np.ndarray]:
    """Draw one model: weights uniform on +-scale * sqrt(6 / fan_in), the Kaiming law for ReLU; biases zero, or none.

    widths: inputs, hidden units of each layer, outputs. Raises ValueError for fewer than three.
    """
    if len(widths) < 3:
        raise ValueError(f"widths: {list(widths)} given; allowed: inputs, one hidden layer or more, outputs; add one")
    model = {}
    for k, (fan_in, fan_out) in enumerate(zip(widths, widths[1:], strict=False), 1):
        model[f"weight{k}"] = scale * np.sqrt(6 / fan_in) * rng.uniform(-1, 1, (fan_in, fan_out))
        model |= {f"bias{k}": np.zeros((1, fan_out))} if biases else {}
    return model


def hidden(params: Params, x: Tensor) -> Tensor:
    """Return the features of the last hidden layer [m, n, h]."""
    for layer in layers(params)[:-1]:
        x = affine(params, layer, x).relu()
    return x


def forward(params: Params, x: Tensor) -> Tensor:
    """Return the outputs [m, n, o] for inputs [m, n, d]."""
    return affine(params, layers(params)[-1], hidden(params, x))
