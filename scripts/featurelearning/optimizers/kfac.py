"""K-FAC: in each layer the step (A + damping I)^-1 G~ (B + damping I)^-1 (Martens & Grosse 2015, sections 3 to 5).

G~ [fan_in + 1, fan_out] is the gradient with the bias as last row, A and B are the factors of `curvature`. The batch is
full, so the factors are exact and need no moving average. Damping is added to each factor as it is, as in P2's
(Q_G + lambda I)^-1; Martens & Grosse split its root between the factors by their traces. Their momentum and rescaling
of the step are left out as well: the learning rate is tuned. Where a damped factor is not positive definite, in exact
or in working precision, or not finite, the step of that model is NaN.
"""

import torch
from torch import Tensor

from featurelearning import curvature, refreshing
from featurelearning.models import Params, hidden
from featurelearning.optimizers.problem import Problem, State

HYPERPARAMETERS = ("damping",)
EAGER = True
INTERVAL = 128
BIASES = {"weight1": "bias1", "weight2": "bias2"}


def init(params: Params, problem: Problem, sides: tuple[str, ...] = ("input", "output")) -> State:
    """Return the inverse of the inputs' factor, which never changes, room for the others, and the count of updates.

    sides: the factors that the step is divided by.
    """
    state = {"count": {"updates": params["bias2"].new_zeros(len(params["bias2"]), 1, 1)}}
    for side, axis, extra in (("input", 1, 1), ("output", 2, 0)):
        if side in sides:
            sizes = {key: params[key].shape[axis] + extra for key in BIASES}
            state[side] = {key: params[key].new_zeros(len(params[key]), size, size) for key, size in sizes.items()}
    if "input" in sides:
        state["input"]["weight1"] = inverse(curvature.input_factor(problem.inputs), problem)
    return state


def update(gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
    """Return the step by the factors that the state has; their inverses are computed anew when `refreshing` says."""
    if refreshing.due(state["count"]["updates"], INTERVAL):
        state = refreshed(state, params, problem)
    step = {}
    for weight, bias in BIASES.items():
        layer = torch.cat([gradients[weight], gradients[bias]], dim=1)
        layer = (layer.mT @ state["input"][weight]).mT if "input" in state else layer
        layer = layer @ state["output"][weight] if "output" in state else layer
        step[weight], step[bias] = layer[:, :-1], layer[:, -1:]
    return step, {**state, "count": {"updates": state["count"]["updates"] + 1}}


def refreshed(state: State, params: Params, problem: Problem) -> State:
    """Return the state with the inverses at params."""
    if "input" in state:
        second = inverse(curvature.input_factor(hidden(params, problem.inputs)), problem)
        state = {**state, "input": {**state["input"], "weight2": second}}
    if "output" in state:
        factors = curvature.output_factors(params, problem.inputs, problem.output_root)
        state = {**state, "output": {key: inverse(b, problem) for key, b in zip(BIASES, factors, strict=True)}}
    return state


def inverse(factor: Tensor, problem: Problem) -> Tensor:
    """Return (factor + damping I)^-1 [m, k, k], NaN for a model where there is no Cholesky factor."""
    identity = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device)
    root, failed = torch.linalg.cholesky_ex(factor + problem.hyperparameters["damping"] * identity)
    return torch.cholesky_inverse(torch.where(failed[:, None, None] > 0, torch.nan, root)).contiguous()
