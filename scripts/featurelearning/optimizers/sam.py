"""Sharpness-aware minimisation: the gradient at the worst place nearby, to first order (Foret et al. 2021, eq. 2-3)."""

import torch

from featurelearning.networks.dense import Params
from featurelearning.optimizers.problem import Problem, State

LABEL = "SAM"
HYPERPARAMETERS = {"rho": (0, None)}
MEANINGS = {"rho": "radius of SAM's perturbation"}


def init(params: Params, problem: Problem) -> State:
    """Return the empty state."""
    return {}


def update(gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
    """Return the gradient at params + rho g / |g|, |g| over all parameters of a model; g = 0 stays where it is."""
    norm = sum(g.square().sum(dim=(1, 2), keepdim=True) for g in gradients.values()).sqrt()
    scale = torch.where(norm > 0, problem.hyperparameters["rho"] / norm, 0.0)
    return problem.objective({key: value + scale * gradients[key] for key, value in params.items()})[1], state
