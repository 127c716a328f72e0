"""AdaHessian (Yao et al. 2021) with any power p of the Hessian's diagonal in place of the inverse (P1).

With bias-corrected averages M of the gradient and V of h^2, h an estimate of the diagonal, the step is
M / (V^(k/2) + eps), k = -p: p = 0 is momentum, p = -1 the usual method. Averages over space are for convolutions.
The state holds sqrt(V): h^2 would be 0 in float32 from |h| < 1e-23 on, where V^(k/2) of a small k is far from eps.
Source: P1; its released scripts draw no signs, see `row_sum_hessian`.
"""

import torch

from featurelearning.networks import dense
from featurelearning.networks.dense import Params
from featurelearning.optimizers import signs
from featurelearning.optimizers.problem import Problem, State

LABEL = "AdaHessian"

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-16
HYPERPARAMETERS = {"p": (None, None)}
DECOUPLED = True


def init(params: Params, problem: Problem) -> State:
    """Return zero averages and, per model, the number of updates made."""
    zeros = {key: torch.zeros_like(value) for key, value in params.items()}
    return {"mean": zeros, "root": zeros, "count": {"updates": dense.counts(params)}}


def update(gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
    """Return the step with Hutchinson's estimate of the diagonal, one draw of signs an update."""
    return scaled(gradients, state, hutchinson(params, probe(state, params, problem), problem), problem)


def probe(state: State, params: Params, problem: Problem) -> Params:
    """Return the signs of the coming update."""
    return signs.rademacher(problem.streams, state["count"]["updates"] + 1, params)


def hutchinson(params: Params, z: Params, problem: Problem) -> Params:
    """Return h = z * (H z) for random signs z, whose mean over draws is the diagonal of H."""
    return {key: z[key] * product for key, product in problem.gradients_along(params, z)[2].items()}


def scaled(gradients: Params, state: State, h: Params, problem: Problem) -> tuple[Params, State]:
    """Return M / (V^(k/2) + eps) and the new state, from the gradient and any estimate h of the diagonal.

    A unit that never was alive has M = V = 0 and stays: its step is 0 / eps, 0 / (1 + eps) or 0 / inf.
    """
    count, k = state["count"]["updates"] + 1, -problem.hyperparameters["p"]
    mean = {key: BETA1 * state["mean"][key] + (1 - BETA1) * g for key, g in gradients.items()}
    root = {key: torch.hypot(BETA2**0.5 * state["root"][key], (1 - BETA2) ** 0.5 * h[key]) for key in gradients}
    correction1, correction2 = 1 - BETA1**count, (1 - BETA2**count).sqrt()
    step = {key: (mean[key] / correction1) / ((root[key] / correction2) ** k + EPSILON) for key in gradients}
    return step, {"mean": mean, "root": root, "count": {"updates": count}}
