"""AdaHessian's update with the row sums of the Hessian, h = H 1, in place of Hutchinson's estimate of its diagonal.

This is what P1's released scripts run: their estimate z * (H z) is that of pytorch_optimizer 3.6.1 to 3.8.0, which
draws signs by randint_like(p, 0, 1) * 2 - 1. The upper end is exclusive, so that every sign is -1 and z * (H z) = H 1.
The package's changelog dates the correction of its draw to 3.11.0 (pull request 575); 4.1.0 draws both signs.
"""

import torch

from featurelearning.networks.dense import Params
from featurelearning.optimizers import adahessian
from featurelearning.optimizers.problem import Problem, State

LABEL = "AdaHessian, row sums"
HYPERPARAMETERS = {"p": (None, None)}
DECOUPLED = True

init = adahessian.init


def update(gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
    """Return AdaHessian's step with h = H 1 at params, over all parameters of a model."""
    row_sums = problem.gradients_along(params, probe(state, params, problem))[2]
    return adahessian.scaled(gradients, state, row_sums, problem)


def probe(state: State, params: Params, problem: Problem) -> Params:
    """Return ones."""
    return {key: torch.ones_like(value) for key, value in params.items()}
