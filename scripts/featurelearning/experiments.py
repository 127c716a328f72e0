"""The two training tasks, regression and classification, from arrays to a trained batch of models.

Training runs in the eigenbasis of the covariance: inputs are rotated, x' = x V, and so are the first-layer weights,
W1' = V^T W1, which leaves every pre-activation as it is and makes P = V diag(lambda^p) V^T diagonal. Final weights
are rotated back. Layout: m models, n samples, d inputs; basis [m, d, d] has eigenvectors in columns.
"""

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from featurelearning import descent, devices, measures, models
from featurelearning.optimizers.problem import Problem
from featurelearning.training import Advance, Gradients, Measure, Run, schedule, train

Arrays = Mapping[str, np.ndarray]
Initial = Sequence[dict[str, np.ndarray]]


def regression(initial: Initial, data: Arrays, settings: Mapping, **context) -> Run:
    """Train one-output networks on the mean squared error and record training, test and clean error.

    data: x_train [m, n, d], y_train [m, n], x_test, y_test, clean_test. settings: steps, records, learning_rate,
    weight_decay (gradient term weight_decay * w / n). context: see `fit`. Source: P1, synthetic experiments.
    """

    def task(tensors: Mapping[str, Tensor]) -> Task:
        x, y = tensors["x_train"], tensors["y_train"]
        gradients = functools.partial(models.mse_gradients, x=x, y=y)
        return Task(gradients, functools.partial(measures.regression, **tensors), functools.partial(descend, x, y))

    weight_decay = settings["weight_decay"] / data["x_train"].shape[1]
    return fit(initial, data, task, settings, weight_decay, settings["learning_rate"], **context)


def classification(initial: Initial, data: Arrays, settings: Mapping, learning_rate: np.ndarray, **context) -> Run:
    """Train networks on the cross-entropy and record training loss and validation accuracy.

    data: x_train [m, n, d], y_train [m, n] integers, x_validation, y_validation. learning_rate [m]. settings: steps,
    records, weight_decay (gradient term weight_decay * w). context: see `fit`. Source: P1, OOD experiments.
    """

    def task(tensors: Mapping[str, Tensor]) -> Task:
        x, y = tensors["x_train"], tensors["y_train"]
        gradients = functools.partial(models.autograd_gradients, x=x, y=y, loss=models.cross_entropy)
        return Task(gradients, functools.partial(measures.classification, **tensors))

    return fit(initial, data, task, settings, settings["weight_decay"], learning_rate, **context)


class Task(NamedTuple):
    """What is trained and measured; `fast`, where there is one, makes the steps of sigma_power on a CPU."""

    gradients: Gradients
    measure: Measure
    fast: Callable[..., Advance | None] = lambda *_: None


def descend(x: Tensor, y: Tensor, folder: Path, problem: Problem, rate: Tensor, weight_decay: float) -> Advance | None:
    """Return the compiled descent on a task, or None where it cannot be built."""
    library = descent.library(folder)
    return library and descent.stepper(library, x, y, problem.preconditioner, rate, weight_decay)


def fit(
    initial: Initial,
    data: Arrays,
    task: Callable[[Mapping[str, Tensor]], Task],
    settings: Mapping,
    weight_decay: float,
    learning_rate: float | np.ndarray,
    method: str,
    names: Sequence[str],
    basis: np.ndarray | None = None,
    powers: np.ndarray | None = None,
    momentum: float = 0.0,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    compiled: Path | None = None,
    progress: Callable[[int], None] = lambda step: None,
) -> Run:
    """Train one batch of models by one method; every name in `data` that begins with x_ is rotated into `basis`.

    method: a module of featurelearning.optimizers. names: one per model. powers [m, d]: diagonal of P in the basis.
    compiled: folder for compiled code; None: nothing is compiled.
    """
    if basis is not None:
        data = {key: value @ basis if key.startswith("x_") else value for key, value in data.items()}
        initial = [{**model, "weight1": v.T @ model["weight1"]} for model, v in zip(initial, basis, strict=True)]
    place = functools.partial(tensor, dtype=dtype, device=device)
    gradients, measure, fast = task({key: place(value) for key, value in data.items()})
    problem, rate = Problem(None if powers is None else place(powers), momentum), place(learning_rate)
    fits = compiled is not None and method == "sigma_power" and torch.device(device).type == "cpu"
    advance = fast(compiled, problem, rate, weight_decay) if fits else None
    run = train(
        models.stack(initial, dtype, device),
        gradients,
        importlib.import_module(f"featurelearning.optimizers.{method}"),
        problem,
        rate,
        weight_decay,
        schedule(settings["steps"], settings["records"]),
        measure,
        names,
        compiled is not None and advance is None and devices.can_compile(torch.device(device)),
        progress,
        advance,
    )
    if basis is None:
        return run
    return run._replace(params={**run.params, "weight1": place(basis) @ run.params["weight1"]})


def tensor(array: np.ndarray | float, dtype: torch.dtype, device: torch.device | str) -> Tensor:
    """Return an array on the device: integers as class labels, everything else in the floating-point type."""
    array = np.asarray(array)
    return torch.as_tensor(array, dtype=torch.int64 if array.dtype.kind in "iu" else dtype, device=device)


def choose_rate(accuracy: np.ndarray) -> int:
    """Return the index of the learning rate with the best mean accuracy [rates, seeds]; the smaller one at a tie.

    A diverged model (NaN) counts as worst, with accuracy 0. Source: design rule of this project (P1 is silent).
    """
    return int(np.nan_to_num(accuracy, nan=0.0).mean(axis=1).argmax())
