"""K-FAC with its input factors alone, the step (A + damping I)^-1 G~; see `kfac`."""

from featurelearning.networks.models import Params, hidden
from featurelearning.optimizers import kfac
from featurelearning.optimizers.kfac import HYPERPARAMETERS, init
from featurelearning.optimizers.problem import Problem, State

__all__ = ["HYPERPARAMETERS", "init", "update"]


def update(gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
    """Return the step by the input factor of each layer."""
    return kfac.by_input(gradients, state, hidden(params, problem.inputs), problem), state
