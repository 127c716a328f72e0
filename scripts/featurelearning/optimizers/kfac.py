"""K-FAC: in each layer the step (A + damping I)^-1 G~ (B + damping I)^-1 (Martens & Grosse 2015, sections 3 to 5).

G~ [fan_in + 1, fan_out] is the gradient with the bias as last row, A and B are the factors of `curvature`. The batch
is full, so the factors are exact and need no moving average. Damping is added to each factor as it is, as in (Q_G +
lambda I)^-1 of arXiv 2502.01763; Martens & Grosse split its root between the factors by their traces. Their momentum
and rescaling of the step are left out as well: the learning rate is tuned. The step of a model whose damped factor
has no Cholesky factor, by its values or by rounding, is not finite.

The factors are those of the present parameters in every step. With fewer samples than units a factor is zero in most
directions, where a unit that switches turns curvature 0 into one far above the damping: factors that are two steps old
then make learning rates diverge at which fresh ones converge. Only that of the inputs never changes, and is kept.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from featurelearning.networks import curvature
from featurelearning.networks.dense import Params
from featurelearning.networks.two_layer_relu import hidden
from featurelearning.optimizers.problem import Problem, State

LABEL = "K-FAC"
HYPERPARAMETERS = {"damping": (1e-12, None)}
MEANINGS = {"damping": "damping of the curvature"}
NETWORKS = ("two_layer_relu",)
BIASES = {"weight1": "bias1", "weight2": "bias2"}


def init(params: Params, problem: Problem) -> State:
    """Return the inverse (A + damping I)^-1 [m, d + 1, d + 1] of the first layer."""
    root = cholesky(curvature.mean_product([curvature.with_one(problem.inputs)]), problem)
    return {"inverse": {"weight1": torch.cholesky_inverse(root).contiguous()}}


def update(gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
    """Return the step by both factors of each layer."""
    features = hidden(params, problem.inputs)
    return by_output(by_input(gradients, state, features, problem), params, features, problem), state


def cause(params: Params, problem: Problem, kinds: Sequence[str] = curvature.Factors._fields) -> str:
    """Return what a damping that is too small does, by the factors at the start, and that it may be raised."""
    factors = curvature.kronecker_factors(params, problem.inputs, problem.output_root)
    largest = max(float(factor.diagonal(dim1=1, dim2=2).max()) for kind in kinds for factor in getattr(factors, kind))
    damping = float(torch.as_tensor(problem.hyperparameters["damping"]).min())
    return (
        f"raise damping, or lower the learning rate: in directions without curvature a step is the gradient divided by "
        f"the damping, {damping:.3g} given, where the factors have entries up to {largest:.3g}"
    )


def by_input(gradients: Params, state: State, features: Tensor, problem: Problem) -> Params:
    """Return (A + damping I)^-1 G~ of each layer, in the layout of the parameters."""
    first, second = joined(gradients)
    second = divided(second.mT, [curvature.with_one(features)], 1, problem).mT
    return parted(state["inverse"]["weight1"] @ first, second)


def by_output(gradients: Params, params: Params, features: Tensor, problem: Problem) -> Params:
    """Return G~ (B + damping I)^-1 of each layer, in the layout of the parameters."""
    s = problem.output_root(torch.baddbmm(params["bias2"], features, params["weight2"]))
    columns = curvature.carried_back(params, features, s), s.unbind(dim=-1)
    layers = zip(joined(gradients), columns, strict=True)
    return parted(*(divided(layer, column, s.shape[-1], problem) for layer, column in layers))


def joined(gradients: Params) -> list[Tensor]:
    """Return G~ of each layer."""
    return [torch.cat([gradients[weight], gradients[bias]], dim=1) for weight, bias in BIASES.items()]


def parted(*layers: Tensor) -> Params:
    """Return the parameters of layers with the bias as last row."""
    parts = {}
    for (weight, bias), layer in zip(BIASES.items(), layers, strict=True):
        parts[weight], parts[bias] = layer[:, :-1], layer[:, -1:]
    return parts


def divided(left: Tensor, columns: Iterable[Tensor], r: int, problem: Problem) -> Tensor:
    """Return left (F + damping I)^-1 [m, c, k], with F the sum of E[z z^T] over r columns z [m, n, k].

    With Z [m, n r, k] all columns, one below the other, and fewer rows than k, it costs less by Woodbury's identity,
    (Z^T Z / n + damping I)^-1 = (I - Z^T (Z Z^T / n + damping I)^-1 Z / n) / damping.
    """
    n = problem.inputs.shape[1]
    if n * r >= left.shape[2]:
        return torch.cholesky_solve(left.mT, cholesky(curvature.mean_product(columns), problem)).mT
    z = torch.cat(list(columns), dim=1)
    inner = torch.cholesky_solve((left @ z.mT).mT / n, cholesky(z @ z.mT / n, problem))
    return (left - inner.mT @ z) / problem.hyperparameters["damping"]


def cholesky(factor: Tensor, problem: Problem) -> Tensor:
    """Return the lower Cholesky factor of factor + damping I [m, k, k], NaN for a model that has none."""
    identity = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device)
    root, failed = torch.linalg.cholesky_ex(factor + problem.hyperparameters["damping"] * identity)
    return torch.where(failed[:, None, None] > 0, torch.nan, root)
