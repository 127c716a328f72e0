"""The classification task: cross-entropy, any number of classes."""

import functools
from collections.abc import Mapping

from torch import Tensor

from featurelearning.networks import dense
from featurelearning.networks.curvature import cross_entropy_root
from featurelearning.networks.dense import Network
from featurelearning.training import experiments, measures
from featurelearning.training.experiments import Models, Place, Recipe, Task
from featurelearning.training.loop import Run

LABELS = ("y_train", "y_validation")


def fit(models: Models, recipe: Recipe, place: Place = Place()) -> Run:  # noqa: B008 - it is immutable
    """Train networks on the cross-entropy and record training loss and accuracies.

    The models' data: x_train [m, n, d], y_train [m, n] integers, x_validation, y_validation. The gradient term of
    weight decay is weight_decay * w. Errors: see `experiments.fit`; on a CPU compiling gains little here, as the time
    goes into matrix products. Source: P1, OOD experiments.
    """
    models = experiments.labelled(models, LABELS, place, classes=True)
    return experiments.fit(models, task, recipe, place)


def task(network: Network, tensors: Mapping[str, Tensor]) -> Task:
    """Return the gradients, in closed form where the network has it, and what is recorded."""
    x, y = tensors["x_train"], tensors["y_train"]
    general = functools.partial(dense.autograd_gradients, loss=dense.loss_of(network, dense.cross_entropy))
    of_batch = getattr(network, "cross_entropy_gradients", general)
    gradients = functools.partial(dense.one_by_one, of_batch, x=x, y=y)
    predict = functools.partial(measures.predict, network.forward)
    return Task(gradients, functools.partial(measures.classification, predict=predict, **tensors), cross_entropy_root)
