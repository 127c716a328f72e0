"""The one training loop: a batch of models, full-batch steps, recorded on a schedule, guarded, compiled, resumable."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from featurelearning.files.checkpoints import Checkpoint
from featurelearning.networks.models import WEIGHTS, Params
from featurelearning.optimizers.problem import Gradients, Optimizer, Problem, State

Advance = Callable[[Params, State, Tensor, int], tuple[Params, State, Tensor]]
Measure = Callable[[Params], dict[str, Tensor]]


class TrainingError(RuntimeError):
    """Training cannot start or go on; the message names the models, the step and the remedy."""


class Position(NamedTuple):
    """Where a training run is: all that its next steps depend on, and what it has recorded."""

    params: Params
    state: State
    updates: Tensor  # [models], finite updates so far
    step: int = 0
    curves: tuple[dict[str, Tensor], ...] = ()  # one a record, each value [models]


class Run(NamedTuple):
    """What a training run leaves behind."""

    params: Params  # final, NaN where a model diverged
    curves: dict[str, np.ndarray]  # [models, records], NaN from the divergence on
    diverged_at: np.ndarray  # [models], number of updates after which a model was not finite; -1: never
    step: str = "eager"  # which code made the steps
    first_layer_change: np.ndarray | None = None  # [models], |W1 - W1(0)| / |W1(0)|


def schedule(steps: int, records: int) -> np.ndarray:
    """Return about `records` recorded steps, log-spaced in 1 .. steps, with 0 (before any update) in front.

    Small integers coincide after rounding, so there are fewer values than `records`; 0 and `steps` are included.
    """
    spaced = np.geomspace(1, steps, max(records - 1, 1)) if steps > 0 else []
    return np.unique(np.concatenate([[0], np.rint(spaced), [steps]])).astype(int)


def decayed(gradients: Params, params: Params, weight_decay: float) -> Params:
    """Add the gradient of weight_decay / 2 * sum of squared weights; biases are free of it."""
    if weight_decay == 0:
        return gradients
    return {key: g + weight_decay * params[key] if key in WEIGHTS else g for key, g in gradients.items()}


def penalised(gradients: Gradients, weight_decay: float) -> Gradients:
    """Return the function of the objective: the data term plus weight_decay / 2 * sum of squared weights."""

    def objective(params: Params) -> tuple[Tensor, Params]:
        losses, found = gradients(params)
        squares = sum(params[key].square().sum(dim=(1, 2)) for key in WEIGHTS)
        return losses + weight_decay / 2 * squares, decayed(found, params, weight_decay)

    return objective


def train(
    params: Params,
    gradients: Gradients,
    optimizer: Optimizer,
    problem: Problem,
    learning_rate: float | Tensor,
    weight_decay: float,
    steps: Sequence[int],
    measure: Measure,
    names: Sequence[str],
    compiled: bool = False,
    progress: Callable[[int], None] = lambda step: None,
    advance: Advance | None = None,
    checkpoint: Checkpoint | None = None,
) -> Run:
    """Run params <- params - learning_rate * step(gradients) for steps[-1] updates and measure at each of `steps`.

    gradients: params -> (losses [m], gradients) of the data term; the L2 term is added here, to the objective or, for
    a method with decoupled weight decay, to the step. optimizer: a module of featurelearning.optimizers. learning_rate:
    one number or one per model [m]. names: a name for every model, for messages. advance: a faster way to make the same
    updates. checkpoint: where the run is saved now and then, and from where it goes on, with the same values bit for
    bit. A model whose gradient is not finite is masked from then on (NaN) and recorded; the others go on. Raises
    TrainingError where a gradient is missing, where names and models differ in number, or where every model has
    diverged.
    """
    weight = params["weight1"]
    rate = torch.as_tensor(learning_rate, dtype=weight.dtype, device=weight.device).reshape(-1, 1, 1)
    if len(names) != len(weight):
        raise TrainingError(f"names: {len(names)} given for {len(weight)} models; allowed: one name per model")
    check_gradients(params, gradients(params)[1])
    decoupled = getattr(optimizer, "DECOUPLED", False)
    problem = problem._replace(objective=penalised(gradients, 0.0 if decoupled else weight_decay))
    advance = advance or stepper(gradients, optimizer, problem, rate, weight_decay, compiled)
    with torch.no_grad():
        start = Position(params, optimizer.init(params, problem), updates_of(params))
        saved = checkpoint and checkpoint.restore(weight.device)
        return follow(Position(**saved) if saved else start, advance, steps, measure, names, progress, checkpoint)


def stepper(
    gradients: Gradients, optimizer: Optimizer, problem: Problem, rate: Tensor, weight_decay: float, compiled: bool
) -> Advance:
    """Return the function that makes `count` updates of all models, the general path; see `train`.

    (params, state, updates, count) -> (params, state, updates); updates [m] counts the finite updates of each model.
    """

    decoupled = getattr(optimizer, "DECOUPLED", False)

    def once(params: Params, state: State, updates: Tensor) -> tuple[Params, State, Tensor]:
        total = gradients(params)[1] if decoupled else decayed(gradients(params)[1], params, weight_decay)
        step, state = optimizer.update(total, state, params, problem)
        step = decayed(step, params, weight_decay) if decoupled else step
        new = {key: value - rate * step[key] for key, value in params.items()}
        alive = finite(new)  # a gradient that is not finite makes its parameter so: one look serves both
        return {key: torch.where(alive[:, None, None], v, torch.nan) for key, v in new.items()}, state, updates + alive

    once = torch.compile(once, dynamic=False) if compiled and not getattr(optimizer, "EAGER", False) else once

    def advance(params: Params, state: State, updates: Tensor, count: int) -> tuple[Params, State, Tensor]:
        for _ in range(count):
            params, state, updates = once(params, state, updates)
        return params, state, updates

    return advance


def updates_of(params: Params) -> Tensor:
    """Return the count of finite updates of each model [m] before the first."""
    weight = params["weight1"]
    return torch.zeros(len(weight), dtype=torch.int32, device=weight.device)


def approach(position: Position, target: int, advance: Advance, checkpoint: Checkpoint | None) -> Position:
    """Advance to the step `target`; with a checkpoint in pieces, after each of which the run may be saved."""
    params, state, updates, step, curves = position
    while step < target:
        count = min(target - step, checkpoint.piece if checkpoint else target)
        begun = time.monotonic()
        params, state, updates = advance(params, state, updates, count)
        step += count
        position = Position(params, state, updates, step, curves)
        if checkpoint:
            checkpoint.paced(count, time.monotonic() - begun)
            checkpoint.offer(position._asdict())
    return position


def follow(
    position: Position,
    advance: Advance,
    steps: Sequence[int],
    measure: Measure,
    names: Sequence[str],
    progress: Callable[[int], None],
    checkpoint: Checkpoint | None,
) -> Run:
    """Apply `advance` up to the last of `steps`, measuring at each that is not recorded yet; see `train`."""
    for target in map(int, steps[len(position.curves) :]):
        position = approach(position, target, advance, checkpoint)
        seen = measure(position.params)
        alive = position.updates == target
        if target == steps[-1]:  # an error that overflows dates no divergence before, but is none to end with
            alive &= finite(seen)
            updates = position.updates
            position = position._replace(updates=torch.where(alive, updates, updates.clamp(max=target - 1)))
        if not alive.any():
            raise TrainingError(
                f"every model diverged, the first in step {int(position.updates.min()) + 1}: {', '.join(names)}; "
                "allowed: a finite gradient in at least one model; lower the learning rate"
            )
        record = {key: torch.where(alive, value, torch.nan) for key, value in seen.items()}
        position = position._replace(curves=(*position.curves, record))
        progress(target)
    if checkpoint:
        checkpoint.save(position._asdict())  # one of several parts, or what is left is removed at once
    params, _, updates, _, curves = position
    alive = updates == steps[-1]
    stacked = {key: torch.stack([record[key] for record in curves], dim=-1).cpu().numpy() for key in curves[0]}
    params = {key: torch.where(alive[:, None, None], value, torch.nan) for key, value in params.items()}
    return Run(params, stacked, torch.where(alive, -1, updates + 1).cpu().numpy())


def finite(tensors: Params) -> Tensor:
    """Return whether all of a model's entries are finite, [m]; tensors have models first."""
    return torch.stack([value.isfinite().reshape(len(value), -1).all(dim=1) for value in tensors.values()]).all(dim=0)


def check_gradients(params: Params, gradients: Params) -> None:
    """Raise TrainingError unless every parameter has a gradient of its own shape."""
    for key, value in params.items():
        if key not in gradients or gradients[key].shape != value.shape:
            found = "none" if key not in gradients else list(gradients[key].shape)
            raise TrainingError(
                f"gradient of {key!r}: found {found}, needed shape {list(value.shape)}; "
                "let the gradient function return one entry per parameter"
            )
