"""Shampoo: the step L^(-1/4) G R^(-1/4) of each weight matrix (Gupta, Koren & Singer 2018, algorithm 1).

L = eps I + sum_t G_t G_t^T and R = eps I + sum_t G_t^T G_t; a bias is a tensor of order one (their algorithm 2), with
(eps I + sum_t g_t g_t^T)^(-1/2) g. The sums grow at every step; the roots, which cost far more, are computed when `due`
says. Roots that lag behind bound the learning rate: they take a direction that is new in the gradients for one of eps.
"""

import torch
from torch import Tensor

from featurelearning.networks import dense
from featurelearning.networks.dense import Params
from featurelearning.networks.layers import layers
from featurelearning.optimizers.problem import Problem, State

LABEL = "Shampoo"
EAGER = True
INTERVAL = 128
EPSILON = 1e-4


def init(params: Params, problem: Problem) -> State:
    """Return eps I as the sums, zeros in the place of the roots, and the number of updates made."""
    state = {name: {} for name in ("left", "right", "left_root", "right_root")}
    weights = {layer.weight for layer in layers(params)}
    for key, value in params.items():
        for side, size in (("left", value.shape[1]), ("right", value.shape[2])):
            if side == "right" or key in weights:
                eye = torch.eye(size, dtype=value.dtype, device=value.device)
                state[side][key] = EPSILON * eye.repeat(len(value), 1, 1)
                state[f"{side}_root"][key] = torch.zeros_like(state[side][key])
    return {**state, "count": {"updates": dense.counts(params)}}


def update(gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
    """Return the step, by sums that hold the present gradients and roots that may be older."""
    sums = {
        "left": {key: value + gradients[key] @ gradients[key].mT for key, value in state["left"].items()},
        "right": {key: value + gradients[key].mT @ gradients[key] for key, value in state["right"].items()},
    }
    roots = {f"{side}_root": state[f"{side}_root"] for side in sums}
    if due(state["count"]["updates"]):
        for side, values in sums.items():
            orders = {key: 4 if key in sums["left"] else 2 for key in values}
            roots[f"{side}_root"] = {key: inverse_root(value, orders[key]) for key, value in values.items()}
    step = {}
    for key, gradient in gradients.items():
        left = (gradient.mT @ roots["left_root"][key]).mT if key in sums["left"] else gradient
        step[key] = left @ roots["right_root"][key]
    return step, {**sums, **roots, "count": {"updates": state["count"]["updates"] + 1}}


def due(count: Tensor) -> bool:
    """Return whether the roots are computed in the update that follows `count` [m, 1, 1] others.

    Always in the first 32, then where the count is a multiple of the greatest power of two up to 1/16 of it, or of
    INTERVAL, a power of two, where that is less: early on the sums change fastest. The models of a batch are in step,
    so the first one's count is that of all. Source: chosen here.
    """
    made = int(count.flatten()[0])
    return made % min(INTERVAL, 2 ** max(made.bit_length() - 5, 0)) == 0


def inverse_root(matrix: Tensor, order: int) -> Tensor:
    """Return matrix^(-1/order) of matrices [m, k, k] of least eigenvalue EPSILON, NaN where one is not finite."""
    values, vectors = eigenpairs(matrix)
    powers = values.clamp(min=EPSILON) ** (-1 / order)  # rounding may leave less, even below zero
    return (vectors * powers[:, None]) @ vectors.mT


def eigenpairs(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return ascending eigenvalues [m, k] and eigenvectors of matrices [m, k, k], NaN where one is not finite."""
    good = matrix.isfinite().all(dim=(1, 2))
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    values, vectors = torch.linalg.eigh(torch.where(good[:, None, None], matrix, identity))
    return torch.where(good[:, None], values, torch.nan), torch.where(good[:, None, None], vectors, torch.nan)
