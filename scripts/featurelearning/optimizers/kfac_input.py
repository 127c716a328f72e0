"""K-FAC with its input factors alone, the step (A + damping I)^-1 G~; see `kfac`."""

from featurelearning.models import Params
from featurelearning.optimizers import kfac
from featurelearning.optimizers.kfac import EAGER, HYPERPARAMETERS, update
from featurelearning.optimizers.problem import Problem, State

__all__ = ["EAGER", "HYPERPARAMETERS", "init", "update"]


def init(params: Params, problem: Problem) -> State:
    """Return the state of K-FAC without the output factors, which are then left out of the step."""
    return kfac.init(params, problem, ("input",))
