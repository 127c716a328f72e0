"""How many models a device holds at once: an estimate of their memory, and the batch cut to fit.

Per model, in numbers, with n samples of a set:
    its data, all sets                                     counted
    parameters, gradients, step, start, new ones           COPIES times the parameters
    the method's state, old and new                        counted, twice
    activations, of the largest set                        LAYERS n times the units of all layers, outputs among them
"""

from collections.abc import Mapping

import numpy as np

from featurelearning.networks.layers import layers

COPIES = 6  # parameters before and after, the start, gradients with and without decay, step
LAYERS = 4  # pre-activation, its mask, the hidden layer and the gradient in it


def bytes_per_model(model: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray], state: int, itemsize: int) -> int:
    """Return the bytes that one model needs on the device in training.

    model: its parameters, data: [m, n, ...], state: how many numbers its method keeps.
    """
    units = sum(model[layer.weight].shape[1] for layer in layers(model))
    parameters = sum(value.size for value in model.values())
    numbers = sum(value[0].size for value in data.values())
    largest = max(value.shape[1] for value in data.values())
    return itemsize * (numbers + COPIES * parameters + 2 * state + LAYERS * largest * units)


def parts(models: int, each: int, memory: int) -> list[slice]:
    """Return the models 0 .. models-1 in as few consecutive parts of nearly equal size as the memory allows.

    each: bytes of a model; memory: bytes in all. A part holds at least one model.
    """
    most = min(max(memory // each, 1), models)
    count = -(-models // most)
    borders = [models * i // count for i in range(count + 1)]
    return [slice(first, last) for first, last in zip(borders, borders[1:], strict=False)]
