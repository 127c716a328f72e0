"""The names of a network's parameters and of their dimensions; free of torch, for those who only read results.

Layer k = 1, 2, .. has weight{k} [fan_in, fan_out] and may have bias{k} [1, fan_out]; no parameter has another name.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple


class Layer(NamedTuple):
    """The names of a layer's parameters; bias: None where it has none."""

    weight: str
    bias: str | None


def layers(params: Iterable[str]) -> tuple[Layer, ...]:
    """Return the names of a network's layers, first to last, from those of its parameters."""
    names = set(params)
    numbers = range(1, 1 + sum(name.startswith("weight") for name in names))
    return tuple(Layer(f"weight{k}", f"bias{k}" if f"bias{k}" in names else None) for k in numbers)


def dimensions(params: Iterable[str], inputs: str = "input") -> dict[str, tuple[str, str]]:
    """Return the dimensions of each parameter: inputs, hidden (hidden1, hidden2, .. of several), output."""
    found = layers(params)
    hidden = ["hidden"] if len(found) == 2 else [f"hidden{k}" for k in range(1, len(found))]
    units = [inputs, *hidden, "output"]
    dims = {layer.weight: units[k : k + 2] for k, layer in enumerate(found)}
    dims |= {layer.bias: ("bias", units[k + 1]) for k, layer in enumerate(found) if layer.bias}
    return {name: tuple(dims[name]) for name in params}


def parameters(names: Iterable[str]) -> list[str]:
    """Return those names that are a parameter's, in their order."""
    return [name for name in names if re.fullmatch(r"(weight|bias)\d+", name)]


def long_names(params: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return the long name and unit of each parameter."""
    found = layers(params)
    names = {layer.weight: f"weights of layer {k}" for k, layer in enumerate(found, 1)}
    names |= {layer.bias: f"biases of layer {k}" for k, layer in enumerate(found, 1) if layer.bias}
    return {name: (names[name], "1") for name in params}
