"""The one training loop: a batch of models, full-batch steps, recorded on a schedule, guarded, compiled, resumable."""

import functools
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from featurelearning.files.checkpoints import Checkpoint
from featurelearning.networks import dense
from featurelearning.networks.dense import Params
from featurelearning.networks.layers import layers
from featurelearning.optimizers.problem import Gradients, Optimizer, Problem, State, require_hyperparameters
from featurelearning.training import compiling
from featurelearning.training.methods import decoupled, name_of

Advance = Callable[[Params, State, Tensor, int], tuple[Params, State, Tensor]]
Measure = Callable[[Params], dict[str, Tensor]]
SLOWER = 1e-6  # a part of the learning rate at which a step that can be finite is


class TrainingError(RuntimeError):
    """Training cannot start or go on; the message names the models, the step and the remedy."""


class Rule(NamedTuple):
    """How parameters are updated.

    gradients: params -> (losses [m], gradients) of the data term; the L2 term is added by the loop, to the objective
    or, for a method with decoupled weight decay, to the step. optimizer: a module of featurelearning.optimizers.
    learning_rate: one number or one per model [m]. compiled: the step is, by torch.compile. advance: a faster way to
    make the same updates.
    """

    gradients: Gradients
    optimizer: Optimizer
    problem: Problem
    learning_rate: float | Tensor
    weight_decay: float = 0.0
    compiled: bool = False
    advance: Advance | None = None


class Record(NamedTuple):
    """What is recorded: measures at some steps, the last of which ends the run; names: one for every model."""

    steps: Sequence[int]
    measure: Measure
    names: Sequence[str]
    progress: Callable[[int], None] = lambda step: None  # is told each of the steps


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
    weights = {layer.weight for layer in layers(params)}
    return {key: g + weight_decay * params[key] if key in weights else g for key, g in gradients.items()}


def penalised(gradients: Gradients, weight_decay: float) -> Gradients:
    """Return the function of the objective: the data term plus weight_decay / 2 * sum of squared weights."""

    def objective(params: Params) -> tuple[Tensor, Params]:
        losses, found = gradients(params)
        squares = sum(params[layer.weight].square().sum(dim=(1, 2)) for layer in layers(params))
        return losses + weight_decay / 2 * squares, decayed(found, params, weight_decay)

    return objective


def train(params: Params, rule: Rule, record: Record, checkpoint: Checkpoint | None = None) -> Run:
    """Run params <- params - learning_rate * step(gradients) up to the last of the recorded steps, and measure at each.

    params: of any network of named dense layers, see `dense`. checkpoint: where the run is saved now and then, and from
    where it goes on, with the same values bit for bit. A model whose gradient is not finite is masked from then on
    (NaN) and recorded; the others go on. Raises TrainingError where a loss, a gradient or a measure is missing or of
    another shape, where names or learning rates and models differ in number, or where every model has diverged, with
    the cause as far as it is known; ValueError where a hyper-parameter is missing.
    """
    first = dense.leading(params)
    if len(record.names) != len(first):
        raise TrainingError(f"names: {len(record.names)} given for {len(first)} models; allowed: one name per model")
    rule = prepared(rule, first)
    rate = rule.learning_rate
    if rate.numel() not in (1, len(first)) or not rate.isfinite().all():
        raise TrainingError(
            f"learning_rate: {rate.tolist()} given for {len(first)} models; allowed: finite numbers, one or one each"
        )
    require_hyperparameters(name_of(rule.optimizer), rule.optimizer, rule.problem.hyperparameters)
    check_gradients(params, *rule.gradients(params))
    advance = rule.advance or stepper(rule)
    with torch.no_grad():
        start = Position(params, rule.optimizer.init(params, rule.problem), updates_of(params))
        saved = checkpoint and checkpoint.restore(first.device)
        why = functools.partial(cause, start, rule.optimizer, rule.problem)
        return follow(Position(**saved) if saved else start, advance, record, checkpoint, why)


def prepared(rule: Rule, first: Tensor) -> Rule:
    """Return the rule as `stepper` takes it: its learning rate a tensor like the first, its problem complete."""
    penalty = 0.0 if decoupled(rule.optimizer) else rule.weight_decay
    rate = torch.as_tensor(rule.learning_rate, dtype=first.dtype, device=first.device)
    problem = rule.problem._replace(objective=penalised(rule.gradients, penalty), learning_rate=rate)
    return rule._replace(problem=problem, learning_rate=rate)


def compiled_stepper(params: Params, rule: Rule) -> Advance | None:
    """Return the general path with a compiled step; None, and a line that says why, where it cannot be compiled here.

    It is tried on one update of the models, which nobody keeps.
    """
    rule = prepared(rule, dense.leading(params))._replace(compiled=True)

    @torch.no_grad()
    def tried() -> Advance:
        advance = stepper(rule)
        advance(params, rule.optimizer.init(params, rule.problem), updates_of(params), 1)
        return advance

    return compiling.attempt(tried)


def stepper(rule: Rule) -> Advance:
    """Return the function that makes `count` updates of all models, the general path; see `train`.

    (params, state, updates, count) -> (params, state, updates); updates [m] counts the finite updates of each model.
    The rule's learning rate is a tensor, and its problem has the objective where the method asks for it.
    """
    optimizer, rate, weight_decay = rule.optimizer, rule.learning_rate, rule.weight_decay
    apart = decoupled(optimizer)

    def once(params: Params, state: State, updates: Tensor) -> tuple[Params, State, Tensor]:
        total, problem = derivatives(rule, state, params)
        total = total if apart else decayed(total, params, weight_decay)
        step, state = optimizer.update(total, state, params, problem)
        step = decayed(step, params, weight_decay) if apart else step
        new = {key: value - dense.each(rate, value) * step[key] for key, value in params.items()}
        alive = finite(new)  # a gradient that is not finite makes its parameter so: one look serves both
        masked = {key: torch.where(dense.each(alive, v), v, torch.nan) for key, v in new.items()}
        return masked, state, updates + alive

    once = torch.compile(once, dynamic=False) if rule.compiled and not getattr(optimizer, "EAGER", False) else once

    def advance(params: Params, state: State, updates: Tensor, count: int) -> tuple[Params, State, Tensor]:
        for _ in range(count):
            params, state, updates = once(params, state, updates)
        return params, state, updates

    return advance


def derivatives(rule: Rule, state: State, params: Params) -> tuple[Params, Problem]:
    """Return the gradients of the data term and the problem, which knows H v where the method says for which v."""
    probe, problem = getattr(rule.optimizer, "probe", None), rule.problem
    if probe is None:
        return rule.gradients(params)[1], problem
    known = problem.gradients_along(params, probe(state, params, problem))
    return known[1], problem._replace(gradients_along=lambda *_: known)


def updates_of(params: Params) -> Tensor:
    """Return the count of finite updates of each model [m] before the first."""
    first = dense.leading(params)
    return torch.zeros(len(first), dtype=torch.int32, device=first.device)


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


def cause(start: Position, optimizer: Optimizer, problem: Problem) -> str:
    """Return why every model of a run has diverged, as far as its start tells, and what helps."""
    losses, gradients = problem.objective(start.params)
    if not finite({"loss": losses, **gradients}).any():
        return (
            "the loss or its gradient is not finite before the first update, so no learning rate helps: mend the "
            "inputs, labels or initial parameters, which are not finite or overflow when multiplied"
        )
    slow = problem._replace(learning_rate=SLOWER * problem.learning_rate)  # some steps depend on the rate
    if not finite(optimizer.update(gradients, start.state, start.params, slow)[0]).any():
        found = problem.hyperparameters.items()
        given = ", ".join(f"{name} {value}" for name, values in found for value in distinct(values)) or "none"
        return (
            f"the first step of {name_of(optimizer)} is not finite where the gradient is, so no learning rate helps: "
            f"change its hyper-parameters ({given}) or the scale of the inputs"
        )
    return getattr(optimizer, "cause", lambda *_: "lower the learning rate")(start.params, problem)


def distinct(value: object) -> list[str]:
    """Return the values of a hyper-parameter, one or one per model, each once, as a message shows them."""
    numbers = isinstance(value, int | float | Tensor)
    return [f"{each:.3g}" for each in torch.as_tensor(value).unique().tolist()] if numbers else [str(value)]


def follow(
    position: Position,
    advance: Advance,
    record: Record,
    checkpoint: Checkpoint | None,
    why: Callable[[], str] = lambda: "lower the learning rate",
) -> Run:
    """Apply `advance` up to the last step of the record, measuring at each that is not recorded yet; see `train`."""
    steps = record.steps
    for target in map(int, steps[len(position.curves) :]):
        position = approach(position, target, advance, checkpoint)
        seen = record.measure(position.params)
        alive = position.updates == target
        if not position.curves:
            check_measures(seen, len(alive))
        if target == steps[-1]:  # an error that overflows dates no divergence before, but is none to end with
            alive &= finite(seen)
            updates = position.updates
            position = position._replace(updates=torch.where(alive, updates, updates.clamp(max=target - 1)))
        if not alive.any():
            raise TrainingError(
                f"every model diverged, the first in step {int(position.updates.min()) + 1}: {', '.join(record.names)}"
                f"; allowed: a finite gradient in at least one model; {why()}"
            )
        curve = {key: torch.where(alive, value, torch.nan) for key, value in seen.items()}
        position = position._replace(curves=(*position.curves, curve))
        record.progress(target)
    if checkpoint:
        checkpoint.save(position._asdict())  # one of several parts, or what is left is removed at once
    params, _, updates, _, curves = position
    alive = updates == steps[-1]
    stacked = {key: torch.stack([curve[key] for curve in curves], dim=-1).cpu().numpy() for key in curves[0]}
    params = {key: torch.where(dense.each(alive, value), value, torch.nan) for key, value in params.items()}
    return Run(params, stacked, torch.where(alive, -1, updates + 1).cpu().numpy())


def finite(tensors: Params) -> Tensor:
    """Return whether all of a model's entries are finite, [m]; tensors have models first."""
    return torch.stack([value.isfinite().reshape(len(value), -1).all(dim=1) for value in tensors.values()]).all(dim=0)


def check_measures(seen: Params, m: int) -> None:
    """Raise TrainingError unless every measure has one number for each model."""
    for key, value in seen.items():
        if value.shape != (m,):
            raise TrainingError(
                f"measure {key!r}: shape {list(value.shape)} found, needed [{m}], one number per model; look at the "
                "shapes of labels [models, samples] and outputs [models, samples, outputs]"
            )


def check_gradients(params: Params, losses: Tensor, gradients: Params) -> None:
    """Raise TrainingError unless each model has a loss, and every parameter a gradient of its own shape."""
    m = len(dense.leading(params))
    if losses.shape != (m,):
        raise TrainingError(
            f"loss: shape {list(losses.shape)} found, needed [{m}], one number per model; look at the shapes of inputs "
            "[models, samples, inputs] and labels [models, samples]"
        )
    for key, value in params.items():
        if key not in gradients or gradients[key].shape != value.shape:
            found = "none" if key not in gradients else list(gradients[key].shape)
            raise TrainingError(
                f"gradient of {key!r}: found {found}, needed shape {list(value.shape)}; "
                "let the gradient function return one entry per parameter"
            )
