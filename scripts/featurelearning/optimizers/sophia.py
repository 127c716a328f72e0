"""SophiaH (Liu et al. 2023, algorithm 3 with Hutchinson's estimator): a clipped step, scaled by the Hessian's diagonal.

m <- beta1 m + (1 - beta1) g; in updates 1, 11, 21, .. h <- beta2 h + (1 - beta2) z * (H z), else h stays; the step is
clip(m / max(gamma h, eps), -1, 1). As there, both averages start at 0 and have no bias correction, h decays once an
estimate, and a negative h gives the sign of m; unlike there, and unlike P1's OOD script, which takes the normal draws
of pytorch_optimizer, z are signs: h has the same mean, and in each entry 2 H_ii^2 less variance.
"""

import torch

from featurelearning.networks import dense
from featurelearning.networks.dense import Params
from featurelearning.optimizers import signs
from featurelearning.optimizers.adahessian import hutchinson
from featurelearning.optimizers.problem import Problem, State

LABEL = "Sophia"

BETA1, BETA2, GAMMA, EPSILON, PERIOD = 0.96, 0.99, 0.01, 1e-12, 10
EAGER = True  # nine updates of ten need no Hessian product
DECOUPLED = True


def init(params: Params, problem: Problem) -> State:
    """Return zero averages and, per model, the number of updates made."""
    zeros = {key: torch.zeros_like(value) for key, value in params.items()}
    return {"mean": zeros, "diagonal": zeros, "count": {"updates": dense.counts(params)}}


def update(gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
    """Return the clipped step; NaN where an average is not finite, which clipping would hide from the loop."""
    count, h = state["count"]["updates"] + 1, state["diagonal"]
    mean = {key: BETA1 * state["mean"][key] + (1 - BETA1) * g for key, g in gradients.items()}
    if int(count[0, 0, 0]) % PERIOD == 1:
        z = signs.rademacher(problem.streams, count, params)
        h = {key: BETA2 * h[key] + (1 - BETA2) * new for key, new in hutchinson(params, z, problem).items()}
    step = {key: (mean[key] / (GAMMA * h[key]).clamp(min=EPSILON)).clamp(-1, 1) for key in gradients}
    step = {key: torch.where((mean[key] + h[key]).isfinite(), value, torch.nan) for key, value in step.items()}
    return step, {"mean": mean, "diagonal": h, "count": {"updates": count}}
