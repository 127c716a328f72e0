"""AdaHessian's update with the exact diagonal of the Hessian in place of Hutchinson's estimate; proposed here."""

from featurelearning.networks import curvature
from featurelearning.networks.dense import Params
from featurelearning.optimizers import adahessian
from featurelearning.optimizers.problem import Problem, State

LABEL = "exact diagonal"
HYPERPARAMETERS = {"p": (None, None)}
DECOUPLED = True

init = adahessian.init


def update(gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
    """Return AdaHessian's step with h the exact diagonal at params."""
    h = curvature.diagonal(problem.network, params, problem.inputs, problem.output_root)
    return adahessian.scaled(gradients, state, h, problem)
