"""Second derivatives of the loss of networks that are piecewise linear: the exact diagonal, Kronecker factors.

The loss is (1/n) sum_i l(f(x_i), y_i). Its curvature in the outputs enters as a root S [o, r] of the Hessian of l at
each sample, S S^T = d2l / df2. A network with ReLU or no activation is piecewise linear in any one layer: in its
parameters the Hessian is, almost everywhere, (1/n) sum_i J_i^T S_i S_i^T J_i, with J_i the Jacobian of the outputs, the
Gauss-Newton matrix. With z_k the inputs of layer k, z~_k = [z_k, 1] where it has a bias, and B_k [fan_out, r] the root
carried back to its pre-activations, B_K = S and B_k = diag(slope(z_{k+1})) W_{k+1} B_{k+1}, that is
    (1/n) sum_i  z~_k z~_k^T (x) B_k B_k^T.
Layout as in `dense`; inputs x [m, n, d]. Source: Martens & Grosse 2015, sections 2 and 6; the case of ReLU is derived
here.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from featurelearning.networks.dense import Network, Params, affine
from featurelearning.networks.layers import Layer, layers

Root = Callable[[Tensor], Tensor]


class Factors(NamedTuple):
    """The Kronecker factors of each layer, the bias last where it has one."""

    input: tuple[Tensor, ...]  # [m, fan_in, fan_in], with a bias [m, fan_in + 1, fan_in + 1]
    output: tuple[Tensor, ...]  # [m, fan_out, fan_out]


class Activations(NamedTuple):
    """What curvature is computed from: the inputs of each layer at some parameters, and the root in the outputs."""

    network: Network
    params: Params
    inputs: list[Tensor]  # of each layer, [m, n, fan_in]
    root: Tensor  # S [m, n, o, r]


def squared_error_root(outputs: Tensor) -> Tensor:
    """Return S [m, n, 1, 1] = sqrt(2) of l = (f - y)^2 for outputs [m, n, 1]."""
    return torch.full_like(outputs, 2**0.5)[..., None]


def cross_entropy_root(outputs: Tensor) -> Tensor:
    """Return S [m, n, o, o] = diag(sqrt p) - p sqrt(p)^T, p = softmax(f): then S S^T = diag(p) - p p^T."""
    p = outputs.softmax(dim=-1)
    return torch.diag_embed(p.sqrt()) - p[..., None] * p.sqrt()[..., None, :]


def activations(network: Network, params: Params, x: Tensor, root: Root) -> Activations:
    """Return the activations for inputs x [m, n, d]."""
    inputs = network.layer_inputs(params, x)
    return Activations(network, params, inputs, root(affine(params, layers(params)[-1], inputs[-1])))


def diagonal(network: Network, params: Params, x: Tensor, root: Root) -> Params:
    """Return the exact diagonal of the Hessian, in the layout of the parameters.

    d2L/dW_k[a,j]^2 = (1/n) sum_i z~_k[a]^2 |B_k[j]|^2 of the samples i.
    """
    at, found = activations(network, params, x, root), {}
    for k, (layer, z) in enumerate(zip(layers(params), at.inputs, strict=True)):
        back = sum(column.square() for column in carried_back(at, k))  # [m, n, fan_out]
        found[layer.weight] = z.square().mT @ back / z.shape[1]
        found |= {layer.bias: back.mean(dim=1, keepdim=True)} if layer.bias else {}
    return found


def with_bias(layer: Layer, z: Tensor) -> Tensor:
    """Return z~ = [z, 1] [m, n, fan_in + 1] of a layer's inputs [m, n, fan_in]; z where it has no bias."""
    return z if layer.bias is None else torch.cat([z, torch.ones_like(z[..., :1])], dim=-1)


def carried_back(at: Activations, k: int) -> Iterator[Tensor]:
    """Yield the columns of B_k [m, n, fan_out], k from 0, of which there are r.

    All at once would take n fan_out r entries a model.
    """
    names = layers(at.params)
    for column in at.root.unbind(dim=-1):
        for layer, z in zip(names[:k:-1], at.inputs[:k:-1], strict=True):
            column = at.network.slope(z) * (column @ at.params[layer.weight].mT)
        yield column


def mean_product(columns: Iterable[Tensor]) -> Tensor:
    """Return the sum of E[z z^T] [m, k, k] over the columns z [m, n, k]."""
    return sum(z.mT @ z / z.shape[1] for z in columns)


def kronecker_factors(network: Network, params: Params, x: Tensor, root: Root) -> Factors:
    """Return E[z~ z~^T] and E[B B^T] of each layer over the samples.

    K-FAC takes the mean of the Kronecker products for the product of these means, which is exact where B is the same
    for every sample (a linear network with squared error).
    """
    at, names = activations(network, params, x, root), layers(params)
    inner = [mean_product([with_bias(layer, z)]) for layer, z in zip(names, at.inputs, strict=True)]
    return Factors(tuple(inner), tuple(mean_product(carried_back(at, k)) for k in range(len(names))))
