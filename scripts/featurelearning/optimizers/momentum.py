"""Heavy-ball momentum: v <- mu v + g, step v (Polyak 1964, in the form of torch.optim.SGD without dampening)."""

import torch

from featurelearning.networks.dense import Params
from featurelearning.optimizers.problem import Problem, State

HYPERPARAMETERS = {"momentum": (0, 0.999999999)}
MEANINGS = {"momentum": "share of the last step that is kept"}


def init(params: Params, problem: Problem) -> State:
    """Return zero velocities."""
    return {"velocity": {key: torch.zeros_like(value) for key, value in params.items()}}


def update(gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
    """Return the new velocity as the step; a trace, so constant gradients give steps up to g / (1 - mu)."""
    mu = problem.hyperparameters["momentum"]
    velocity = {key: mu * state["velocity"][key] + g for key, g in gradients.items()}
    return velocity, {"velocity": velocity}
