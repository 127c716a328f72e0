"""The regression task: one output, mean squared error."""

import functools
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from torch import Tensor

from featurelearning.networks import dense
from featurelearning.networks.curvature import squared_error_root
from featurelearning.networks.dense import Network
from featurelearning.optimizers.problem import Problem
from featurelearning.training import descent, experiments, measures, methods
from featurelearning.training.experiments import Compiled, Models, Place, Recipe, Task
from featurelearning.training.loop import Advance, Run

LABELS = ("y_train", "y_test", "clean_test")


def fit(models: Models, recipe: Recipe, place: Place = Place()) -> Run:  # noqa: B008 - it is immutable
    """Train networks of one output on the mean squared error and record training, test and clean error.

    The models' data: x_train [m, n, d], y_train [m, n], x_test, y_test, clean_test. The gradient term of weight decay
    is weight_decay * w / n; decoupled decay is not divided. Errors: see `experiments.fit`. Source: P1, synthetic data.
    """
    models = experiments.labelled(models, LABELS, place, classes=False)
    n = 1 if methods.decoupled(methods.load(recipe.method)) else models.data["x_train"].shape[1]
    return experiments.fit(models, task, recipe._replace(weight_decay=recipe.weight_decay / n), place)


def task(network: Network, tensors: Mapping[str, Tensor]) -> Task:
    """Return the gradients, in closed form where the network has it, the errors to record, and compiled code."""
    x, y, kernels = tensors["x_train"], tensors["y_train"], getattr(network, "kernels", None)
    general = functools.partial(dense.autograd_gradients, loss=dense.loss_of(network, dense.mean_squared_error))
    gradients = functools.partial(getattr(network, "mse_gradients", general), x=x, y=y)
    predict = functools.partial(measures.predict, network.forward)
    found = Task(gradients, functools.partial(measures.regression, predict=predict, **tensors), squared_error_root)
    if kernels is None:
        return found
    compiled = (functools.partial(function, kernels, x, y) for function in (descend, functions))
    return found._replace(**dict(zip(("descent", "functions"), compiled, strict=True)))


def descend(
    kernels: ModuleType, x: Tensor, y: Tensor, folder: Path, problem: Problem, rate: Tensor, weight_decay: float
) -> Advance | None:
    """Return the compiled descent on the training set, or None where it cannot be built."""
    code = kernels.build(folder)
    return code and descent.stepper(kernels, code, x, y, problem.preconditioner, rate, weight_decay)


def functions(kernels: ModuleType, x: Tensor, y: Tensor, folder: Path) -> Compiled | None:
    """Return the compiled gradients, Hessian products and predictions, or None where they cannot be built."""
    about = {"folder": folder, "x": x, "y": y}
    found = [functools.partial(function, **about) for function in (kernels.gradients, kernels.gradients_along)]
    return kernels.build(folder) and Compiled(*found, functools.partial(kernels.predict, folder=folder))
