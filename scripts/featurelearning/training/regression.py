"""The regression task of the synthetic studies: one output, mean squared error."""

import functools
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from featurelearning.networks import curvature, models
from featurelearning.optimizers.problem import Problem
from featurelearning.training import descent, experiments, measures
from featurelearning.training.experiments import Arrays, Compiled, Initial, Task
from featurelearning.training.loop import Advance, Run


def fit(initial: Initial, data: Arrays, settings: Mapping, **context) -> Run:
    """Train one-output networks on the mean squared error and record training, test and clean error.

    data: x_train [m, n, d], y_train [m, n], x_test, y_test, clean_test. settings: steps, records, learning_rate,
    weight_decay (gradient term weight_decay * w / n; decoupled decay is not divided). context: see `experiments.fit`.
    Source: P1, synthetic data.
    """
    decoupled = getattr(experiments.optimizer(context["method"]), "DECOUPLED", False)
    weight_decay = settings["weight_decay"] / (1 if decoupled else data["x_train"].shape[1])
    return experiments.fit(initial, data, task, settings, weight_decay, settings["learning_rate"], **context)


def task(tensors: Mapping[str, Tensor]) -> Task:
    """Return the gradients in closed form, the errors that are recorded, its curvature, and the compiled C++."""
    x, y = tensors["x_train"], tensors["y_train"]
    gradients = functools.partial(models.mse_gradients, x=x, y=y)
    return Task(
        gradients,
        functools.partial(measures.regression, **tensors),
        curvature.squared_error_root,
        functools.partial(descend, x, y),
        functools.partial(functions, x, y),
    )


def descend(x: Tensor, y: Tensor, folder: Path, problem: Problem, rate: Tensor, weight_decay: float) -> Advance | None:
    """Return the compiled descent on the training set, or None where it cannot be built."""
    library = descent.build(folder)
    return library and descent.stepper(library, x, y, problem.preconditioner, rate, weight_decay)


def functions(x: Tensor, y: Tensor, folder: Path) -> Compiled | None:
    """Return the compiled gradients, Hessian products and predictions, or None where they cannot be built."""
    about = {"folder": folder, "x": x, "y": y}
    found = [functools.partial(function, **about) for function in (descent.gradients, descent.hessian_product)]
    return descent.build(folder) and Compiled(*found, functools.partial(descent.predict, folder=folder))
