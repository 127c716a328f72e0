"""Second derivatives of the loss of two-layer ReLU networks: the exact diagonal, Kronecker factors.

The loss is (1/n) sum_i l(f(x_i), y_i). Its curvature in the outputs enters as a root S_i [o, r] of the Hessian of l at
sample i, S_i S_i^T = d2l / df2. A ReLU network is piecewise linear in any one layer, so that in the entries of one
layer the Hessian is (1/n) sum_i J_i^T S_i S_i^T J_i, with J_i the Jacobian of the outputs: the Gauss-Newton matrix.
With B_i = diag(1[x_i W1 + b1 > 0]) W2 S_i [h, r], the root carried back to the pre-activations, and z~ = [z, 1]:
    first layer   (1/n) sum_i  x~_i x~_i^T (x) B_i B_i^T
    second layer  (1/n) sum_i  h~_i h~_i^T (x) S_i S_i^T,   h_i = relu(x_i W1 + b1)
Layout as in `two_layer_relu`; inputs x [m, n, d]. Source: Martens & Grosse 2015, sections 2 and 6;
the case of ReLU is derived here.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from featurelearning.networks.dense import Params
from featurelearning.networks.two_layer_relu import forward, hidden

Root = Callable[[Tensor], Tensor]


class Factors(NamedTuple):
    """The Kronecker factors of both layers: input [fan_in + 1, the bias last] and output [fan_out], models first."""

    input: tuple[Tensor, Tensor]  # [m, d + 1, d + 1], [m, h + 1, h + 1]
    output: tuple[Tensor, Tensor]  # [m, h, h], [m, o, o]


def squared_error_root(outputs: Tensor) -> Tensor:
    """Return S [m, n, 1, 1] = sqrt(2) of l = (f - y)^2 for outputs [m, n, 1]."""
    return torch.full_like(outputs, 2**0.5)[..., None]


def cross_entropy_root(outputs: Tensor) -> Tensor:
    """Return S [m, n, o, o] = diag(sqrt p) - p sqrt(p)^T, p = softmax(f): then S S^T = diag(p) - p p^T."""
    p = outputs.softmax(dim=-1)
    return torch.diag_embed(p.sqrt()) - p[..., None] * p.sqrt()[..., None, :]


def diagonal(params: Params, x: Tensor, root: Root) -> Params:
    """Return the exact diagonal of the Hessian, in the layout of the parameters.

    d2L/dW1[a,j]^2 = (1/n) sum_i x~[i,a]^2 |B_i[j]|^2 and d2L/dW2[j,k]^2 = (1/n) sum_i h~[i,j]^2 |S_i[k]|^2.
    """
    n, features, s = x.shape[1], hidden(params, x), root(forward(params, x))
    back = torch.stack([(params["weight2"][i] @ s[i]).square().sum(dim=-1) for i in range(len(x))])  # [m, n, h]
    back, s = torch.where(features > 0, back, 0.0), s.square().sum(dim=-1)
    return {
        "weight1": x.square().mT @ back / n,
        "bias1": back.mean(dim=1, keepdim=True),
        "weight2": features.square().mT @ s / n,
        "bias2": s.mean(dim=1, keepdim=True),
    }


def with_one(z: Tensor) -> Tensor:
    """Return z~ = [z, 1] [m, n, k + 1] of a layer's inputs [m, n, k]."""
    return torch.cat([z, torch.ones_like(z[..., :1])], dim=-1)


def carried_back(params: Params, features: Tensor, s: Tensor) -> Iterator[Tensor]:
    """Yield the columns of B [m, n, h], of which there are r; all at once would take n h r entries a model."""
    active = features > 0
    for column in s.unbind(dim=-1):
        yield active * (column @ params["weight2"].mT)


def mean_product(columns: Iterable[Tensor]) -> Tensor:
    """Return the sum of E[z z^T] [m, k, k] over the columns z [m, n, k]."""
    return sum(z.mT @ z / z.shape[1] for z in columns)


def kronecker_factors(params: Params, x: Tensor, root: Root) -> Factors:
    """Return E[x~ x~^T], E[h~ h~^T] and E[B B^T], E[S S^T] over the samples.

    K-FAC takes the mean of the Kronecker products for the product of these means, which is exact where B is the same
    for every sample (a linear network with squared error).
    """
    features, s = hidden(params, x), root(forward(params, x))
    outer = mean_product(carried_back(params, features, s)), mean_product(s.unbind(dim=-1))
    return Factors(tuple(mean_product([with_one(z)]) for z in (x, features)), outer)
