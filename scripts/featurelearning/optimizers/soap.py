"""SOAP: Adam in the eigenbasis of Shampoo's factors (Vyas et al. 2024, algorithm 3, as in the authors' code).

For a weight matrix with gradient G [fan_in, fan_out], L and R are averages of G G^T and G^T G, Q_L and Q_R their
eigenvectors. With M the average of G and V that of (Q_L^T G Q_R)^2, entry by entry, the step is
Q_L (Q_L^T M Q_R / (sqrt(V) + eps)) Q_R^T, up to the bias correction of M and V. Every PERIOD updates the bases take one
step of orthogonal iteration, and V is only permuted with them. The first update finds the bases: its gradient enters L
and R, not M and V, and only weight decay moves the weights. A bias has no basis: its step is Adam's.

Where a factor has an eigenvalue twice, as zero at the start with fewer inputs than units, rounding chooses its basis:
runs on other machines agree in distribution, not in digits.
"""

import torch
from torch import Tensor

from featurelearning.networks import dense
from featurelearning.networks.dense import Params
from featurelearning.networks.layers import layers
from featurelearning.optimizers import shampoo
from featurelearning.optimizers.problem import Problem, State

LABEL = "SOAP"

BETA1, BETA2, EPSILON, PERIOD = 0.95, 0.95, 1e-8, 10
EAGER = True  # nine updates of ten leave the bases alone
DECOUPLED = True
BASES = {"left": "left_basis", "right": "right_basis"}  # the basis that belongs to each factor


def init(params: Params, problem: Problem) -> State:
    """Return zero averages, no bases yet and, per model, the number of updates made."""
    zeros = {key: torch.zeros_like(value) for key, value in params.items()}
    state = {"mean": zeros, "square": zeros, "count": {"updates": dense.counts(params)}}
    for side, axis in (("left", 1), ("right", 2)):
        weights = {layer.weight: params[layer.weight] for layer in layers(params)}
        empty = {key: w.new_zeros(len(w), w.shape[axis], w.shape[axis]) for key, w in weights.items()}
        state |= {side: empty, BASES[side]: empty}
    return state


def update(gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
    """Return the step in the bases that the gradients before this one have given, and the new state."""
    count = state["count"]["updates"]
    made = int(count[0, 0, 0])  # the models of a batch are in step
    new = {**state, **factors(gradients, state), "count": {"updates": count + 1}}
    if made == 0:
        for side, basis in BASES.items():
            new[basis] = {key: shampoo.eigenpairs(factor)[1].flip(-1) for key, factor in new[side].items()}
        return {key: 0 * g for key, g in gradients.items()}, new  # NaN stays
    step, averages = adam(gradients, state, count)
    new |= averages
    return step, new | (iterated(new) if made % PERIOD == 0 else {})


def adam(gradients: Params, state: State, count: Tensor) -> tuple[Params, State]:
    """Return Adam's step in the bases of the state, and the new averages."""
    bases = {key: (state["left_basis"][key], state["right_basis"][key]) for key in state["left"]}
    correction = (1 - BETA2**count).sqrt() / (1 - BETA1**count)
    mean = {key: BETA1 * state["mean"][key] + (1 - BETA1) * g for key, g in gradients.items()}
    square, step = {}, {}
    for key, g in gradients.items():
        inside, average = (seen_from(value, *bases.get(key, ())) for value in (g, mean[key]))
        square[key] = BETA2 * state["square"][key] + (1 - BETA2) * inside.square()
        scaled = correction * average / (square[key].sqrt() + EPSILON)
        step[key] = seen_from(scaled, *(basis.mT for basis in bases.get(key, ())))
    return step, {"mean": mean, "square": square}


def seen_from(matrix: Tensor, *bases: Tensor) -> Tensor:
    """Return Q_L^T A Q_R, or A itself where there are no bases."""
    return bases[0].mT @ matrix @ bases[1] if bases else matrix


def factors(gradients: Params, state: State) -> State:
    """Return the new averages of G G^T and G^T G of each weight."""
    products = {"left": lambda g: g @ g.mT, "right": lambda g: g.mT @ g}
    return {
        side: {key: BETA2 * old + (1 - BETA2) * product(gradients[key]) for key, old in state[side].items()}
        for side, product in products.items()
    }


def iterated(state: State) -> State:
    """Return the bases after one step of orthogonal iteration, Q R = F Q, and V in their order.

    The columns are sorted first, by falling q^T F q.
    """
    new = {"square": dict(state["square"]), **{basis: {} for basis in BASES.values()}}
    for side, basis in BASES.items():
        for key, factor in state[side].items():
            product = factor @ state[basis][key]
            order = (state[basis][key] * product).sum(dim=1).argsort(dim=1, descending=True)
            new[basis][key] = torch.linalg.qr(product.take_along_dim(order[:, None], dim=2))[0]
            along = order[:, :, None] if side == "left" else order[:, None]
            new["square"][key] = new["square"][key].take_along_dim(along, dim=1 if side == "left" else 2)
    return new
