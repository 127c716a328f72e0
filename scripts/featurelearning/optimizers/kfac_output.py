"""K-FAC with its output factors alone, the step G~ (B + damping I)^-1; see `kfac`."""

from featurelearning.models import Params
from featurelearning.optimizers import kfac
from featurelearning.optimizers.kfac import EAGER, HYPERPARAMETERS, update
from featurelearning.optimizers.problem import Problem, State

__all__ = ["EAGER", "HYPERPARAMETERS", "init", "update"]


def init(params: Params, problem: Problem) -> State:
    """Return the state of K-FAC without the input factors, which are then left out of the step."""
    return kfac.init(params, problem, ("output",))
