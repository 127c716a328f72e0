"""K-FAC with its input factors alone, the step (A + damping I)^-1 G~; see `kfac`."""

import functools

from featurelearning.networks.dense import Params
from featurelearning.optimizers import kfac
from featurelearning.optimizers.kfac import HYPERPARAMETERS, MEANINGS, init
from featurelearning.optimizers.problem import Problem, State

LABEL = "K-FAC input"
cause = functools.partial(kfac.cause, kinds=("input",))

__all__ = ["HYPERPARAMETERS", "MEANINGS", "init", "update"]


def update(gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
    """Return the step by the input factor of each layer."""
    inputs = problem.network.layer_inputs(params, problem.inputs)
    return kfac.by_input(gradients, state, inputs, problem), state
