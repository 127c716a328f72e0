"""A fixed part of the gradient as the step; the smallest method with a hyper-parameter."""

from featurelearning.networks.dense import Params
from featurelearning.optimizers.problem import Problem, State

HYPERPARAMETERS = {"factor": (0, 1)}


def init(params: Params, problem: Problem) -> State:
    """Return the empty state."""
    return {}


def update(gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
    """Return factor * gradient."""
    return {key: problem.hyperparameters["factor"] * gradient for key, gradient in gradients.items()}, state
