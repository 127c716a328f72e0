"""K-FAC with its input factors alone, the step (A + damping I)^-1 G~; see `kfac`."""

import functools

from featurelearning.networks.dense import Params
from featurelearning.networks.two_layer_relu import hidden
from featurelearning.optimizers import kfac
from featurelearning.optimizers.kfac import HYPERPARAMETERS, MEANINGS, NETWORKS, init
from featurelearning.optimizers.problem import Problem, State

LABEL = "K-FAC input"
cause = functools.partial(kfac.cause, kinds=("input",))

__all__ = ["HYPERPARAMETERS", "MEANINGS", "NETWORKS", "init", "update"]


def update(gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
    """Return the step by the input factor of each layer."""
    return kfac.by_input(gradients, state, hidden(params, problem.inputs), problem), state
