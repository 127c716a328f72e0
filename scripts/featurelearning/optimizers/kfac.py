"""K-FAC: in each layer the step (A + damping I)^-1 G~ (B + damping I)^-1 (Martens & Grosse 2015, sections 3 to 5).

G~ [fan_in + 1, fan_out] is the gradient with the bias, where there is one, as last row; A and B are the factors of
`curvature`. The batch is full, so the factors are exact and need no moving average. Damping is added to each factor as
it is, as in (Q_G + lambda I)^-1 of arXiv 2502.01763; Martens & Grosse split its root between the factors by their
traces. Their momentum and rescaling of the step are left out as well: the learning rate is tuned. The step of a model
whose damped factor has no Cholesky factor, by its values or by rounding, is not finite.

The factors are those of the present parameters in every step. With fewer samples than units a factor is zero in most
directions, where a unit that switches turns curvature 0 into one far above the damping: factors that are two steps old
then make learning rates diverge at which fresh ones converge. Only that of the inputs never changes, and is kept.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from featurelearning.networks import curvature
from featurelearning.networks.curvature import Activations
from featurelearning.networks.dense import Params
from featurelearning.networks.layers import layers
from featurelearning.optimizers.problem import Problem, State

LABEL = "K-FAC"
HYPERPARAMETERS = {"damping": (1e-12, None)}
MEANINGS = {"damping": "damping of the curvature"}


def init(params: Params, problem: Problem) -> State:
    """Return the inverse (A + damping I)^-1 of the first layer, [m, d + 1, d + 1] where it has a bias."""
    first = layers(params)[0]
    root = cholesky(curvature.mean_product([curvature.with_bias(first, problem.inputs)]), problem)
    return {"inverse": {first.weight: torch.cholesky_inverse(root).contiguous()}}


def update(gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
    """Return the step by both factors of each layer."""
    at = activations(params, problem)
    return by_output(by_input(gradients, state, at.inputs, problem), at, problem), state


def activations(params: Params, problem: Problem) -> Activations:
    """Return the activations for the training inputs."""
    return curvature.activations(problem.network, params, problem.inputs, problem.output_root)


def cause(params: Params, problem: Problem, kinds: Sequence[str] = curvature.Factors._fields) -> str:
    """Return what a damping that is too small does, by the factors at the start, and that it may be raised."""
    factors = curvature.kronecker_factors(problem.network, params, problem.inputs, problem.output_root)
    largest = max(float(factor.diagonal(dim1=1, dim2=2).max()) for kind in kinds for factor in getattr(factors, kind))
    damping = float(torch.as_tensor(problem.hyperparameters["damping"]).min())
    return (
        f"raise damping, or lower the learning rate: in directions without curvature a step is the gradient divided by "
        f"the damping, {damping:.3g} given, where the factors have entries up to {largest:.3g}"
    )


def by_input(gradients: Params, state: State, inputs: Sequence[Tensor], problem: Problem) -> Params:
    """Return (A + damping I)^-1 G~ of each layer from its inputs, in the layout of the parameters."""
    names, (first, *others) = layers(gradients), joined(gradients)
    steps = [state["inverse"][names[0].weight] @ first]
    for layer, z, gradient in zip(names[1:], inputs[1:], others, strict=True):
        steps.append(divided(gradient.mT, [curvature.with_bias(layer, z)], 1, problem).mT)
    return parted(gradients, steps)


def by_output(gradients: Params, at: Activations, problem: Problem) -> Params:
    """Return G~ (B + damping I)^-1 of each layer, in the layout of the parameters."""
    r = at.root.shape[-1]
    steps = (divided(g, curvature.carried_back(at, k), r, problem) for k, g in enumerate(joined(gradients)))
    return parted(gradients, steps)


def joined(gradients: Params) -> list[Tensor]:
    """Return G~ of each layer."""
    return [
        gradients[weight] if bias is None else torch.cat([gradients[weight], gradients[bias]], dim=1)
        for weight, bias in layers(gradients)
    ]


def parted(gradients: Params, steps: Iterable[Tensor]) -> Params:
    """Return the steps of all layers in the layout of the gradients."""
    parts = {}
    for (weight, bias), step in zip(layers(gradients), steps, strict=True):
        parts |= {weight: step} if bias is None else {weight: step[:, :-1], bias: step[:, -1:]}
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
