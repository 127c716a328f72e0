"""Batches of ReLU networks of any depth, with biases or without; layout as in `dense`."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from featurelearning.networks.dense import Params, affine
from featurelearning.networks.layers import layers

__all__ = ["forward", "hidden", "init", "layer_inputs", "layers", "slope"]


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


def layer_inputs(params: Params, x: Tensor) -> list[Tensor]:
    """Return the inputs and the features of each hidden layer [m, n, fan_in]."""
    given = [x]
    for layer in layers(params)[:-1]:
        given.append(affine(params, layer, given[-1]).relu())
    return given


def hidden(params: Params, x: Tensor) -> Tensor:
    """Return the features of the last hidden layer [m, n, h]."""
    return layer_inputs(params, x)[-1]


def slope(features: Tensor) -> Tensor:
    """Return where a unit is active [m, n, h], as a mask."""
    return features > 0


def forward(params: Params, x: Tensor) -> Tensor:
    """Return the outputs [m, n, o] for inputs [m, n, d]."""
    return affine(params, layers(params)[-1], hidden(params, x))
