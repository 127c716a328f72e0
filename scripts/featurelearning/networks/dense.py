"""What all networks of named dense layers share: the names of their parameters, batches of models, losses, gradients.

A network is a module of pure functions on a dict of stacked tensors:
    init(rng, widths, scale) -> one model; widths: inputs, hidden units of each layer, outputs
    layers(params)           -> the names of the weights and biases of each layer, first to last
    layer_inputs(params, x)  -> what each layer is given [m, n, fan_in], first x itself [m, n, d], of m models
    hidden(params, x)        -> what the last layer is given [m, n, h]
    slope(features)          -> the slope of the activation, which is piecewise linear, where it gives these [m, n, h]
    forward(params, x)       -> outputs [m, n, o]
and, where there are closed forms, each tested against the general path, automatic differentiation:
    mse_gradients(params, x, y) what `autograd_gradients` gives of the mean squared error of one output
    cross_entropy_gradients(params, x, y) the same of the mean cross-entropy
    kernels                     compiled code of one output and the squared error, see `two_layer_kernels`
Layer k = 1, 2, .. has weight{k} [m, fan_in, fan_out] and may have bias{k} [m, 1, fan_out]; no parameter has another
name. So `layers` finds them in order, and what is one number a model, [m, 1, 1], goes with every parameter.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from featurelearning.networks.layers import Layer

Params = dict[str, Tensor]
Loss = Callable[[Params, Tensor, Tensor], Tensor]  # (params, x, y) -> loss of each model [m]


class Network(Protocol):
    """A module of this package that is a network; see above."""

    def init(self, rng: np.random.Generator, widths: Sequence[int], scale: float) -> dict[str, np.ndarray]:
        """Draw one model."""

    def layer_inputs(self, params: Params, x: Tensor) -> list[Tensor]:
        """Return what each layer is given [m, n, fan_in], the first x."""

    def hidden(self, params: Params, x: Tensor) -> Tensor:
        """Return what the last layer is given [m, n, h]."""

    def slope(self, features: Tensor) -> Tensor:
        """Return the derivative of the activation from what it gives."""

    def layers(self, params: Iterable[str]) -> tuple[Layer, ...]:
        """Return the names of the layers, first to last."""

    def forward(self, params: Params, x: Tensor) -> Tensor:
        """Return the outputs [m, n, o] for inputs [m, n, d]."""


def leading(params: Params) -> Tensor:
    """Return the first parameter, from which a batch has its models, device and floating-point type."""
    return next(iter(params.values()))


def counts(params: Params) -> Tensor:
    """Return a zero for each model [m, 1, 1], in the type of its parameters."""
    return leading(params).new_zeros(len(leading(params)), 1, 1)


def each(values: Tensor, like: Tensor) -> Tensor:
    """Return one number a model [m], or one for all, in a shape that goes with a parameter [m, ...]."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def stack(models: list[dict[str, np.ndarray]], dtype: torch.dtype, device: torch.device | str = "cpu") -> Params:
    """Return the models as one dict of tensors with a leading model dimension."""
    return {
        key: torch.as_tensor(np.stack([model[key] for model in models]), dtype=dtype, device=device)
        for key in models[0]
    }


def affine(params: Params, layer: Layer, x: Tensor) -> Tensor:
    """Return x W + b [m, n, fan_out] of a layer for its inputs [m, n, fan_in], x W where it has no bias."""
    weight = params[layer.weight]
    return torch.bmm(x, weight) if layer.bias is None else torch.baddbmm(params[layer.bias], x, weight)


def mean_squared_error(outputs: Tensor, y: Tensor) -> Tensor:
    """Return (1/n) sum_i (f(x_i) - y_i)^2 of each model [m] for outputs [m, n, 1] and labels y [m, n]."""
    return ((outputs[..., 0] - y) ** 2).mean(dim=-1)


def cross_entropy(outputs: Tensor, y: Tensor) -> Tensor:
    """Return the mean cross-entropy of each model [m] for outputs [m, n, o] and integer labels y [m, n]."""
    log_p = outputs.log_softmax(dim=-1)
    return -log_p.gather(-1, y[..., None]).mean(dim=(-1, -2))


def loss_of(network: Network, of_outputs: Callable[[Tensor, Tensor], Tensor]) -> Loss:
    """Return the loss of a network's parameters from one of its outputs."""
    return lambda params, x, y: of_outputs(network.forward(params, x), y)


def autograd_gradients(params: Params, x: Tensor, y: Tensor, loss: Loss) -> tuple[Tensor, Params]:
    """Return the losses [m] and, by reverse-mode differentiation, their gradients: the general path.

    The sum of the losses over models has each model's own gradient in that model's slice.
    """

    def total(params: Params) -> tuple[Tensor, Tensor]:
        losses = loss(params, x, y)
        return losses.sum(), losses

    gradients, (_, losses) = torch.func.grad_and_value(total, has_aux=True)(params)
    return losses, gradients


def one_by_one(
    gradients: Callable[[Params, Tensor, Tensor], tuple[Tensor, Params]], params: Params, x: Tensor, y: Tensor
) -> tuple[Tensor, Params]:
    """Return the losses [m] and gradients of models on x [m, n, d] and y, on a CPU of one model after the other.

    A model's hidden layer then stays in the processor's cache; on a GPU all at once are faster.
    """
    if x.device.type != "cpu":
        return gradients(params, x, y)
    ones = [slice(model, model + 1) for model in range(len(x))]
    losses, found = zip(
        *(gradients({key: value[one] for key, value in params.items()}, x[one], y[one]) for one in ones), strict=True
    )
    return torch.cat(losses), {key: torch.cat([each[key] for each in found]) for key in params}


def gradients_along(
    gradients: Callable[[Params], tuple[Tensor, Params]], params: Params, v: Params
) -> tuple[Tensor, Params, Params]:
    """Return the losses [m], their gradients and H v, the derivative of these along v, by forward-mode differentiation.

    gradients: params -> (losses, gradients).
    """
    (losses, found), (_, product) = torch.func.jvp(gradients, (params,), (v,))
    return losses, found, product


def input_gradients(network: Network, params: Params, x: Tensor) -> Tensor:
    """Return grad_x f(x_i) [m, n, d] of networks of one output by reverse-mode differentiation, the general path.

    The sum of the outputs over samples has each sample's own gradient in that sample's slice.
    """
    return torch.func.grad(lambda x: network.forward(params, x).sum())(x)
