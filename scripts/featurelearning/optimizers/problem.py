"""The contract of an optimiser: what it is given, and the two functions that it is."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np
from torch import Tensor

from featurelearning.networks.dense import Network, Params

State = dict[str, Params]
Gradients = Callable[[Params], tuple[Tensor, Params]]
GradientsAlong = Callable[[Params, Params], tuple[Tensor, Params, Params]]


class Problem(NamedTuple):
    """The fixed part of a training problem, of which each method takes what it needs.

    preconditioner: P of the first layer, [m, d] where it is diagonal (the run is in its eigenbasis) or [m, d, d].
    hyperparameters: by name, what a method lists in HYPERPARAMETERS; one number, or one per model [m, 1, 1]. Those of a
    method with a CLASS may be anything.
    objective: params -> (values [m], gradients) of what is minimised, for methods that look beside the present place.
    gradients_along: (params, v) -> (losses [m], gradients, H v), with H the Hessian of each model's data term.
    network, inputs: what is trained, on which inputs x [m, n, d]. output_root: outputs [m, n, o] -> S [m, n, o, r] with
    S S^T the Hessian of a sample's loss in its outputs. These are for curvature in closed form, see `curvature`.
    streams: two words [m, 2] (int32) per model, which its random numbers come from.
    learning_rate: what the loop multiplies the step with, one number or one per model [m].
    """

    preconditioner: Tensor | None = None
    hyperparameters: Mapping[str, float | Tensor] = MappingProxyType({})
    objective: Gradients | None = None
    gradients_along: GradientsAlong | None = None
    network: Network | None = None
    inputs: Tensor | None = None
    output_root: Callable[[Tensor], Tensor] | None = None
    streams: Tensor | None = None
    learning_rate: float | Tensor | None = None


class Optimizer(Protocol):
    """A module of this package: the loop does params - learning_rate * step, so step size and method are apart.

    It may hold HYPERPARAMETERS, the names that it reads from the problem, each with the least and the largest value
    allowed (None: no bound); MEANINGS, what each of them is in words; EAGER = True where its update branches on its
    state, which torch.compile cannot follow; DECOUPLED = True where weight decay is no part of the objective, but is
    added to the step (Loshchilov & Hutter 2019); LABEL, how figures name it, in plain text or as a formula; CLASS, the
    name of a hyper-parameter that names a class, package.module:Class, whose arguments all other hyper-parameters are,
    with faults(hyperparameters), a line for each that is wrong;
    probe(state, params, problem), the v for which every update asks for H v, which is then computed together with
    the gradients; cause(params, problem), which says for a start from which every model has diverged why that may be
    and what helps.
    """

    def init(self, params: Params, problem: Problem) -> State:
        """Return the state before the first update."""

    def update(self, gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
        """Return the step and the new state, from the gradients of the objective at params; nothing is changed."""


def require_hyperparameters(method: str, optimizer: Optimizer, given: Mapping[str, float | Tensor]) -> None:
    """Raise ValueError with a line for each hyper-parameter that a method reads and is not given.

    Those of a method with a CLASS are checked altogether.
    """
    declared = getattr(optimizer, "HYPERPARAMETERS", {})
    missing = [f"{name}: missing; allowed: {interval(*declared[name])}; add it" for name in declared.keys() - given]
    refuse(method, missing + (optimizer.faults(given) if hasattr(optimizer, "CLASS") else []))


def check_hyperparameters(method: str, optimizer: Optimizer, given: Mapping[str, float | np.ndarray]) -> None:
    """Raise ValueError with a line for each hyper-parameter that is missing, unknown or out of its range."""
    require_hyperparameters(method, optimizer, given)
    if hasattr(optimizer, "CLASS"):
        return
    declared = getattr(optimizer, "HYPERPARAMETERS", {})
    known = ", ".join(declared) or "none"
    problems = [f"{name}: unknown; allowed: {known}; remove it" for name in given.keys() - declared]
    for name, bounds in declared.items():
        values, (least, most) = np.asarray(given[name], dtype=np.float64), limits(*bounds)
        if not (np.isfinite(values) & (values >= least) & (values <= most)).all():
            problems.append(f"{name}: {values.tolist()} given; allowed: {interval(*bounds)}; change it")
    refuse(method, problems)


def refuse(method: str, problems: list[str]) -> None:
    """Raise ValueError of what is wrong with a method's hyper-parameters, if anything is."""
    if problems:
        raise ValueError("\n".join(f"hyperparameters of {method}: {problem}" for problem in sorted(problems)))


def limits(least: float | None, most: float | None) -> tuple[float, float]:
    """Return the ends of a range, infinite where it has no bound."""
    return -math.inf if least is None else least, math.inf if most is None else most


def interval(least: float | None, most: float | None) -> str:
    """Return a range in words."""
    if least is None and most is None:
        return "any finite number"
    if most is None:
        return f"{least:g} or more"
    return f"at most {most:.10g}" if least is None else f"{least:g} to {most:.10g}"
