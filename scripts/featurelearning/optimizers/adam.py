"""Adam (Kingma & Ba 2015, algorithm 1) with its default constants."""

import torch

from featurelearning.networks import dense
from featurelearning.networks.dense import Params
from featurelearning.optimizers.problem import Problem, State

LABEL = "Adam"

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def init(params: Params, problem: Problem) -> State:
    """Return zero moments and, per model, the number of updates made."""
    zeros = {key: torch.zeros_like(value) for key, value in params.items()}
    return {"mean": zeros, "square": zeros, "count": {"updates": dense.counts(params)}}


def update(gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
    """Return M / (sqrt(V) + eps), with bias-corrected averages M of the gradient and V of its square."""
    count = state["count"]["updates"] + 1
    mean = {key: BETA1 * state["mean"][key] + (1 - BETA1) * g for key, g in gradients.items()}
    square = {key: BETA2 * state["square"][key] + (1 - BETA2) * g**2 for key, g in gradients.items()}
    correction1, correction2 = 1 - BETA1**count, 1 - BETA2**count
    step = {key: (mean[key] / correction1) / ((square[key] / correction2).sqrt() + EPSILON) for key in gradients}
    return step, {"mean": mean, "square": square, "count": {"updates": count}}
