"""The classification task of the studies of MNIST and of real data: cross-entropy, any number of classes."""

import functools
from collections.abc import Mapping

import numpy as np
from torch import Tensor

from featurelearning.networks import curvature, models
from featurelearning.training import experiments, measures
from featurelearning.training.experiments import Arrays, Initial, Task
from featurelearning.training.loop import Run


def fit(initial: Initial, data: Arrays, settings: Mapping, learning_rate: np.ndarray, **context) -> Run:
    """Train networks on the cross-entropy and record training loss and accuracies.

    data: x_train [m, n, d], y_train [m, n] integers, x_validation, y_validation. learning_rate [m]. settings: steps,
    records, weight_decay (gradient term weight_decay * w). context: see `experiments.fit`; on a CPU compiling gains
    little here, as the time goes into matrix products. Source: P1, OOD experiments.
    """
    return experiments.fit(initial, data, task, settings, settings["weight_decay"], learning_rate, **context)


def task(tensors: Mapping[str, Tensor]) -> Task:
    """Return the gradients by automatic differentiation and what is recorded."""
    x, y = tensors["x_train"], tensors["y_train"]
    gradients = functools.partial(models.autograd_gradients, x=x, y=y, loss=models.cross_entropy)
    return Task(gradients, functools.partial(measures.classification, **tensors), curvature.cross_entropy_root)
