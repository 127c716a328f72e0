"""One training run from arrays to a trained batch of models, for any task and method.

Training runs in the eigenbasis of the covariance: inputs are rotated, x' = x V, and so are the first-layer weights,
W1' = V^T W1, which leaves every pre-activation as it is and makes P = V diag(lambda^p) V^T diagonal. Final weights
are rotated back. Layout: m models, n samples, d inputs; basis [m, d, d] has eigenvectors in columns.
"""

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from featurelearning.files.checkpoints import Checkpoint
from featurelearning.networks import curvature, models
from featurelearning.networks.models import Params
from featurelearning.optimizers.problem import Gradients, Optimizer, Problem
from featurelearning.training import batches, devices
from featurelearning.training.loop import Advance, Measure, Run, schedule, train

Arrays = Mapping[str, np.ndarray]
Initial = Sequence[dict[str, np.ndarray]]


class Compiled(NamedTuple):
    """What other code than torch's computes of a task, each function with the values of torch's."""

    gradients: Gradients
    hessian_product: Callable[[Params, Params], Params]
    predict: Callable[[Params, Tensor], Tensor]  # outputs [m, n, o] for inputs [m, n, d]


class Task(NamedTuple):
    """What is trained and measured, and what is known of its loss.

    output_root: see `curvature`. On a CPU, where there are such: descent makes the steps of sigma_power, functions
    are what the steps of the other methods and all measures take.
    """

    gradients: Gradients
    measure: Measure
    output_root: curvature.Root
    descent: Callable[[Path, Problem, Tensor, float], Advance | None] = lambda *_: None
    functions: Callable[[Path], Compiled | None] = lambda _: None


def choose_step(
    task: Task, compiled: Path | None, method: str, problem: Problem, rate: Tensor, weight_decay: float
) -> tuple[Advance | None, str]:
    """Return the fastest way to make the steps that there is, and its name: descent, torch.compile or eager.

    None stands for the general path of `training.train`. All make the same updates up to rounding.
    """
    if compiled is None:
        return None, "eager"
    if method == "sigma_power" and rate.device.type == "cpu":
        advance = task.descent(compiled, problem, rate, weight_decay)
        if advance is not None:
            return advance, "descent"
    return None, "torch.compile" if devices.can_compile(rate.device) else "eager"


def faster(task: Task, compiled: Path | None, device: torch.device) -> Compiled | None:
    """Return the task's compiled functions where there are such, which is on a CPU."""
    return None if compiled is None or device.type != "cpu" else task.functions(compiled)


def fit(
    initial: Initial,
    data: Arrays,
    make_task: Callable[[Mapping[str, Tensor]], Task],
    settings: Mapping,
    weight_decay: float,
    learning_rate: float | np.ndarray,
    names: Sequence[str],
    basis: np.ndarray | None = None,
    powers: np.ndarray | None = None,
    hyperparameters: Mapping[str, float | np.ndarray] = MappingProxyType({}),
    streams: np.ndarray | None = None,
    dtype: torch.dtype = torch.float32,
    checkpoint: Checkpoint | None = None,
    memory: int | None = None,
    **shared,
) -> Run:
    """Train models by one method, as one batch or, where the device has too little memory for it, in parts.

    names: one per model. memory: bytes that the device has; None: no bound. For all else see `fit_batch`.
    """
    rates = np.full(len(names), learning_rate, dtype=np.float64)
    each = {name: np.full(len(names), value, dtype=np.float64) for name, value in hyperparameters.items()}
    parts = batches.parts(len(names), batches.bytes_per_model(initial[0], data, dtype.itemsize), memory)
    if len(parts) > 1:
        print(f"memory: {len(names)} models are more than the device holds, they are trained in {len(parts)} parts")
    runs = []
    for part in parts:
        cut = {key: value[part] for key, value in data.items()}
        p, v, words = (value if value is None else value[part] for value in (powers, basis, streams))
        values = {name: value[part] for name, value in each.items()}
        kept = checkpoint and checkpoint.part(f"{part.start}-{part.stop - 1}")
        task = (initial[part], cut, make_task, settings, weight_decay, rates[part], names[part])
        about = {"basis": v, "powers": p, "hyperparameters": values, "streams": words}
        run = fit_batch(*task, **about, dtype=dtype, checkpoint=kept, **shared)
        runs.append(run._replace(params={key: value.cpu() for key, value in run.params.items()}))
    return runs[0] if len(runs) == 1 else joined(runs)


def fit_batch(
    initial: Initial,
    data: Arrays,
    make_task: Callable[[Mapping[str, Tensor]], Task],
    settings: Mapping,
    weight_decay: float,
    learning_rate: np.ndarray,
    names: Sequence[str],
    basis: np.ndarray | None,
    powers: np.ndarray | None,
    hyperparameters: Mapping[str, np.ndarray],
    streams: np.ndarray | None,
    dtype: torch.dtype,
    checkpoint: Checkpoint | None,
    method: str,
    device: torch.device | str = "cpu",
    compiled: Path | None = None,
    progress: Callable[[int], None] = lambda step: None,
) -> Run:
    """Train one batch of models by one method; every name in `data` that begins with x_ is rotated into `basis`.

    settings: steps, records. learning_rate [m]. method: a module of featurelearning.optimizers. powers [m, d]: diagonal
    of P in the basis. hyperparameters: each [m]; streams [m, 2]: of random numbers, both as in `Problem`. checkpoint:
    where the run is saved, and from where it goes on. compiled: folder for compiled code; None: nothing is compiled.
    """
    if basis is not None:
        data = {key: value @ basis if key.startswith("x_") else value for key, value in data.items()}
        initial = [{**model, "weight1": v.T @ model["weight1"]} for model, v in zip(initial, basis, strict=True)]
    place = functools.partial(tensor, dtype=dtype, device=device)
    tensors = {key: place(value) for key, value in data.items()}
    task, rate = make_task(tensors), place(learning_rate)
    module, fast = optimizer(method), faster(task, compiled, rate.device)
    gradients, product, predict = fast or (
        task.gradients,
        functools.partial(curvature.hessian_product, task.gradients),
        None,
    )
    measure = functools.partial(task.measure, predict=predict) if fast else task.measure
    problem = Problem(
        preconditioner=None if powers is None else place(powers),
        hyperparameters={name: place(value)[:, None, None] for name, value in hyperparameters.items()},
        hessian_product=product,
        inputs=tensors["x_train"],
        output_root=task.output_root,
        streams=None if streams is None else torch.as_tensor(streams, dtype=torch.int32, device=device),
    )
    compiled = None if getattr(module, "EAGER", False) else compiled
    advance, step = choose_step(task, compiled, method, problem, rate, weight_decay)
    name = f"{step}, C++ gradients" if fast and step != "descent" else step
    start = models.stack(initial, dtype, device)
    run = train(
        start,
        gradients,
        module,
        problem,
        rate,
        weight_decay,
        schedule(settings["steps"], settings["records"]),
        measure,
        names,
        step == "torch.compile",
        progress,
        advance,
        checkpoint and checkpoint.part(name),  # another way to make the steps rounds differently
    )
    change = relative_change(start["weight1"], run.params["weight1"])
    back = {} if basis is None else {"weight1": place(basis) @ run.params["weight1"]}
    return run._replace(params={**run.params, **back}, step=name, first_layer_change=change)


def optimizer(method: str) -> Optimizer:
    """Return the module of a method."""
    return importlib.import_module(f"featurelearning.optimizers.{method}")


def joined(runs: Sequence[Run]) -> Run:
    """Return the runs of the parts of a batch as one."""
    return Run(
        {key: torch.cat([run.params[key] for run in runs]) for key in runs[0].params},
        {key: np.concatenate([run.curves[key] for run in runs]) for key in runs[0].curves},
        np.concatenate([run.diverged_at for run in runs]),
        runs[0].step,
        np.concatenate([run.first_layer_change for run in runs]),
    )


def relative_change(start: Tensor, end: Tensor) -> np.ndarray:
    """Return |W - W0|_F / |W0|_F of each model [m]."""
    return ((end - start).norm(dim=(1, 2)) / start.norm(dim=(1, 2))).cpu().numpy()


def tensor(array: np.ndarray | float, dtype: torch.dtype, device: torch.device | str) -> Tensor:
    """Return an array on the device: integers as class labels, everything else in the floating-point type."""
    array = np.asarray(array)
    return torch.as_tensor(array, dtype=torch.int64 if array.dtype.kind in "iu" else dtype, device=device)
