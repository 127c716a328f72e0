"""Transfer between real data sets: a first layer trained on one, frozen, and a closed-form head fitted on another."""

import numpy as np

from featurelearning.files.image_sets import CLASSES, ImageSet
from featurelearning.networks import two_layer_arrays, two_layer_relu
from featurelearning.seeding import generator
from featurelearning.training import ridge


def initial(master: int, seed: int, d: int, hidden: int) -> dict[str, np.ndarray]:
    """Return the network of a seed before training; it is the same for every arm, and for every set of d pixels."""
    return two_layer_relu.torch_default(generator(master, "initialisation", seed), d, hidden, CLASSES)


def network_accuracy(params: dict[str, np.ndarray], data: ImageSet) -> float:
    """Return the share of the set's test images that a network with its own head classifies correctly."""
    head = ridge.Head(params["weight2"], params["bias2"][0])
    return ridge.accuracy(head, two_layer_arrays.hidden(params, data.test_images), data.test_labels)


def refitted_accuracy(params: dict[str, np.ndarray], data: ImageSet, rows: np.ndarray, penalty: float) -> float:
    """Return the share of the set's test images that a head on the frozen first layer classifies correctly.

    The head is the ridge regression of one-hot labels on the hidden units of the training images in `rows`.
    """
    targets = ridge.one_hot(data.train_labels[rows], CLASSES)
    head = ridge.fit(two_layer_arrays.hidden(params, data.train_images[rows]), targets, penalty)
    return ridge.accuracy(head, two_layer_arrays.hidden(params, data.test_images), data.test_labels)
