"""One training run from arrays to a trained batch of models, for any task and method.

Training runs in the eigenbasis of the covariance: inputs are rotated, x' = x V, and so are the first-layer weights,
W1' = V^T W1, which leaves every pre-activation as it is and makes P = V diag(lambda^p) V^T diagonal. Final weights
are rotated back. Layout: m models, n samples, d inputs; basis [m, d, d] has eigenvectors in columns.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from featurelearning.files.checkpoints import Checkpoint
from featurelearning.networks import dense
from featurelearning.networks.curvature import Root
from featurelearning.networks.dense import Network, Params
from featurelearning.optimizers.problem import Gradients, GradientsAlong, Problem, check_hyperparameters
from featurelearning.training import batches, compiling, inputs, methods
from featurelearning.training.loop import Advance, Measure, Record, Rule, Run, compiled_stepper, schedule, train

Arrays = Mapping[str, np.ndarray]


class Models(NamedTuple):
    """What is trained: m networks, each from its own start and on its own data.

    network: a module of featurelearning.networks. initial: the start of each. data: name -> [m, n, ...], inputs under
    names that begin with x_. names: one for each model, for messages.
    """

    network: Network
    initial: Sequence[dict[str, np.ndarray]]
    data: Arrays
    names: Sequence[str]


class Recipe(NamedTuple):
    """How it is trained: numbers are one for all models or one for each, [m].

    method: a module of featurelearning.optimizers. steps, records: see `loop.schedule`. weight_decay: a method that has
    a hyper-parameter of that name has no other. hyperparameters: of a method with a CLASS anything, or arrays [m].
    basis [m, d, d], whose columns are eigenvectors, and powers [m, d]: the first layer's preconditioner, where the
    method takes one. streams [m, 2]: of random numbers, see `Problem`.
    """

    method: str
    learning_rate: float | np.ndarray
    steps: int
    records: int
    weight_decay: float = 0.0
    hyperparameters: Mapping[str, float | np.ndarray] = MappingProxyType({})
    basis: np.ndarray | None = None
    powers: np.ndarray | None = None
    streams: np.ndarray | None = None


class Place(NamedTuple):
    """Where it is trained.

    compiled: folder for compiled code; None: nothing is compiled. memory: bytes that the device has; None: no bound.
    checkpoint: where the run is saved, and from where it goes on.
    """

    device: torch.device | str = "cpu"
    dtype: torch.dtype = torch.float32
    compiled: Path | None = None
    memory: int | None = None
    checkpoint: Checkpoint | None = None
    progress: Callable[[int], None] = lambda step: None


class Compiled(NamedTuple):
    """What other code than torch's computes of a task, each function with the values of torch's."""

    gradients: Gradients
    gradients_along: GradientsAlong
    predict: Callable[[Params, Tensor], Tensor]  # outputs [m, n, o] for inputs [m, n, d]


class Task(NamedTuple):
    """What is trained and measured, and what is known of its loss.

    output_root: see `curvature`. On a CPU, where there are such: descent makes the steps of sigma_power, functions
    are what the steps of the other methods and all measures take.
    """

    gradients: Gradients
    measure: Measure
    output_root: Root
    descent: Callable[[Path, Problem, Tensor, float], Advance | None] = lambda *_: None
    functions: Callable[[Path], Compiled | None] = lambda _: None


MakeTask = Callable[[Network, Mapping[str, Tensor]], Task]


def choose_step(
    task: Task, compiled: Path | None, method: str, problem: Problem, rate: Tensor, weight_decay: float
) -> tuple[Advance | None, str]:
    """Return the fastest way to make the steps that there is, and its name: descent, torch.compile or eager.

    None stands for the general path of `training.train`. All make the same updates up to rounding.
    """
    if compiled is None:
        return None, "eager"
    if method == "sigma_power" and rate.device.type == "cpu" and problem.preconditioner is not None:
        advance = task.descent(compiled, problem, rate, weight_decay)
        if advance is not None:
            return advance, "descent"
    return None, "torch.compile" if compiling.possible(rate.device) else "eager"


def faster(task: Task, compiled: Path | None, device: torch.device) -> Compiled | None:
    """Return the task's compiled functions where there are such, which is on a CPU."""
    return None if compiled is None or device.type != "cpu" else task.functions(compiled)


def fit(models: Models, make_task: MakeTask, recipe: Recipe, place: Place) -> Run:
    """Train models by one method, as one batch or, where the device has too little memory for it, in parts.

    Raises ValueError or TypeError, before anything is trained, for a method that there is none of, for hyper-parameters
    that are missing, unknown or out of their range, and for arrays that are not finite numbers or do not fit together;
    see `inputs`.
    """
    models, recipe = plain(models, recipe, place.dtype)
    check_hyperparameters(recipe.method, methods.load(recipe.method), recipe.hyperparameters)
    recipe = recipe._replace(weight_decay=0.0) if "weight_decay" in recipe.hyperparameters else recipe
    count = len(models.names)
    parts = [slice(0, count)] if place.memory is None else parts_of(models, recipe, place)
    if len(parts) > 1:
        print(f"memory: {count} models are more than the device holds, they are trained in {len(parts)} parts")
    runs = []
    for part in parts:
        kept = place.checkpoint and place.checkpoint.part(f"{part.start}-{part.stop - 1}")
        run = fit_batch(
            part_of(models, part), make_task, recipe_of(recipe, part, count), place._replace(checkpoint=kept)
        )
        runs.append(run._replace(params={key: value.cpu() for key, value in run.params.items()}))
    return runs[0] if len(runs) == 1 else joined(runs)


def parts_of(models: Models, recipe: Recipe, place: Place) -> list[slice]:
    """Return the models in as few parts as the memory allows."""
    state = state_size(models, recipe)
    each = batches.bytes_per_model(models.initial[0], models.data, state, place.dtype.itemsize)
    return batches.parts(len(models.names), each, place.memory)


def state_size(models: Models, recipe: Recipe) -> int:
    """Return how many numbers the method keeps of one model, by making its state on a device without memory."""
    nowhere, first = Place("meta"), slice(0, 1)
    problem = problem_of(recipe_of(recipe, first, len(models.names)), nowhere)
    problem = problem._replace(network=models.network, inputs=tensor(models.data["x_train"][first], nowhere))
    state = methods.load(recipe.method).init(dense.stack(models.initial[first], nowhere.dtype, "meta"), problem)
    return sum(value.numel() for part in state.values() for value in part.values())


def plain(models: Models, recipe: Recipe, dtype: torch.dtype) -> tuple[Models, Recipe]:
    """Return models and recipe with plain arrays that fit together; raises as `fit`."""
    largest = inputs.largest_of(dtype)
    initial = inputs.starts(models.initial, largest)
    m, d = len(initial), len(initial[0]["weight1"])
    names, data = inputs.names(models.names, m), inputs.sets(models.data, m, d, largest)
    of_class = hasattr(methods.load(recipe.method), "CLASS")
    return models._replace(initial=initial, data=data, names=names), inputs.recipe(recipe, m, d, largest, of_class)


def labelled(models: Models, labels: Sequence[str], place: Place, classes: bool) -> Models:
    """Return the models with the data of a task as plain arrays; see `inputs.labelled`."""
    initial = inputs.starts(models.initial, inputs.largest_of(place.dtype))
    return models._replace(data=inputs.labelled(models.data, labels, inputs.outputs(initial[0]), classes))


def part_of(models: Models, part: slice) -> Models:
    """Return some of the models."""
    network, initial, data, names = models
    return Models(network, initial[part], {key: value[part] for key, value in data.items()}, names[part])


def recipe_of(recipe: Recipe, part: slice, count: int) -> Recipe:
    """Return the recipe of some of `count` models, all of its numbers one for each of them."""

    def each(value: float | np.ndarray) -> np.ndarray:
        return np.full(count, value, dtype=np.float64)[part]

    arrays = {name: getattr(recipe, name) for name in ("basis", "powers", "streams")}
    return recipe._replace(
        learning_rate=each(recipe.learning_rate),
        hyperparameters={
            name: each(value) if number(value) else value for name, value in recipe.hyperparameters.items()
        },
        **{name: value if value is None else value[part] for name, value in arrays.items()},
    )


def number(value: object) -> bool:
    """Return whether a hyper-parameter of a plain recipe is a number, one or one for each model."""
    return isinstance(value, np.ndarray)


def fit_batch(models: Models, make_task: MakeTask, recipe: Recipe, place: Place) -> Run:
    """Train one batch of models; every name in its data that begins with x_ is rotated into the recipe's basis."""
    models, module = rotated(models, recipe.basis), methods.load(recipe.method)
    tensors = {key: tensor(value, place) for key, value in models.data.items()}
    task, rate = make_task(models.network, tensors), tensor(recipe.learning_rate, place)
    fast = faster(task, place.compiled, rate.device)
    gradients = fast.gradients if fast else task.gradients
    along = fast.gradients_along if fast else functools.partial(dense.gradients_along, gradients)
    problem = problem_of(recipe, place)._replace(
        gradients_along=along, network=models.network, inputs=tensors["x_train"], output_root=task.output_root
    )
    compiled = None if getattr(module, "EAGER", False) else place.compiled
    advance, step = choose_step(task, compiled, recipe.method, problem, rate, recipe.weight_decay)
    start = dense.stack(models.initial, place.dtype, place.device)
    rule = Rule(gradients, module, problem, rate, recipe.weight_decay, advance=advance)
    if step == "torch.compile":
        rule = rule._replace(advance=compiled_stepper(start, rule))
        step = step if rule.advance else "eager"
    name = f"{step}, C++ gradients" if fast and step != "descent" else step
    measure = functools.partial(task.measure, predict=fast.predict) if fast else task.measure
    record = Record(schedule(recipe.steps, recipe.records), measure, models.names, place.progress)
    checkpoint = place.checkpoint and place.checkpoint.part(name)  # another way to make the steps rounds differently
    run = train(start, rule, record, checkpoint)
    change = relative_change(start["weight1"], run.params["weight1"])
    back = {} if recipe.basis is None else {"weight1": tensor(recipe.basis, place) @ run.params["weight1"]}
    return run._replace(params={**run.params, **back}, step=name, first_layer_change=change)


def problem_of(recipe: Recipe, place: Place) -> Problem:
    """Return what a recipe says of the problem, on the device."""
    return Problem(
        preconditioner=None if recipe.powers is None else tensor(recipe.powers, place),
        hyperparameters={
            name: tensor(value, place)[:, None, None] if number(value) else value
            for name, value in recipe.hyperparameters.items()
        },
        streams=None if recipe.streams is None else torch.as_tensor(recipe.streams, dtype=torch.int32).to(place.device),
    )


def rotated(models: Models, basis: np.ndarray | None) -> Models:
    """Return the models in the coordinates of a basis [m, d, d]: inputs x V, first-layer weights V^T W1."""
    if basis is None:
        return models
    data = {key: value @ basis if key.startswith("x_") else value for key, value in models.data.items()}
    pairs = zip(models.initial, basis, strict=True)
    return models._replace(data=data, initial=[{**model, "weight1": v.T @ model["weight1"]} for model, v in pairs])


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


def tensor(array: np.ndarray | float, place: Place) -> Tensor:
    """Return an array on the device: integers as class labels, everything else in the floating-point type."""
    array = np.asarray(array)
    dtype = torch.int64 if array.dtype.kind in "iu" else place.dtype
    return torch.as_tensor(array, dtype=dtype, device=place.device)
