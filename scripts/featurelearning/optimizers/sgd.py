"""Gradient descent: the step is the gradient. The batch is full, so nothing is stochastic but the name."""

from featurelearning.networks.dense import Params
from featurelearning.optimizers.problem import Problem, State

LABEL = "SGD"


def init(params: Params, problem: Problem) -> State:
    """Return the empty state."""
    return {}


def update(gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
    """Return the gradient as the step."""
    return gradients, state
