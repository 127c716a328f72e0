"""K-FAC with its output factors alone, the step G~ (B + damping I)^-1; see `kfac`."""

import functools

from featurelearning.networks.dense import Params
from featurelearning.optimizers import kfac
from featurelearning.optimizers.kfac import HYPERPARAMETERS, MEANINGS
from featurelearning.optimizers.problem import Problem, State

LABEL = "K-FAC output"
cause = functools.partial(kfac.cause, kinds=("output",))

__all__ = ["HYPERPARAMETERS", "MEANINGS", "init", "update"]


def init(params: Params, problem: Problem) -> State:
    """Return the empty state."""
    return {}


def update(gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
    """Return the step by the output factor of each layer."""
    return kfac.by_output(gradients, kfac.activations(params, problem), problem), state
