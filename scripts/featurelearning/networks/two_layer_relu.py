"""Batches of two-layer ReLU networks f(x) = relu(x W1 + b1) W2 + b2 as functions of a dict of stacked tensors.

Layout, with m models, d inputs, h hidden units, o outputs and n samples of each model:
weight1 [m, d, h], bias1 [m, 1, h], weight2 [m, h, o], bias2 [m, 1, o]; inputs [m, n, d].
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from featurelearning.networks import dense
from featurelearning.networks import two_layer_kernels as kernels
from featurelearning.networks.deep_relu import slope
from featurelearning.networks.dense import Params
from featurelearning.networks.layers import layers

__all__ = ["forward", "hidden", "init", "kernels", "layer_inputs", "layers", "slope"]


def init(rng: np.random.Generator, widths: Sequence[int], scale: float) -> dict[str, np.ndarray]:
    """Draw one model of widths d, h, o by `kaiming_uniform`."""
    return kaiming_uniform(rng, *widths, scale)


def kaiming_uniform(rng: np.random.Generator, d: int, h: int, o: int, scale: float) -> dict[str, np.ndarray]:
    """Draw one model: weights uniform on +-scale * sqrt(6 / fan_in), the Kaiming law for ReLU; biases zero.

    Source: P1, released scripts (scale 0.001).
    """
    return {
        "weight1": scale * np.sqrt(6 / d) * rng.uniform(-1, 1, (d, h)),
        "bias1": np.zeros((1, h)),
        "weight2": scale * np.sqrt(6 / h) * rng.uniform(-1, 1, (h, o)),
        "bias2": np.zeros((1, o)),
    }


def torch_default(rng: np.random.Generator, d: int, h: int, o: int) -> dict[str, np.ndarray]:
    """Draw one model by torch.nn.Linear's law: weights and biases uniform on +-1 / sqrt(fan_in)."""
    return {
        "weight1": rng.uniform(-1, 1, (d, h)) / np.sqrt(d),
        "bias1": rng.uniform(-1, 1, (1, h)) / np.sqrt(d),
        "weight2": rng.uniform(-1, 1, (h, o)) / np.sqrt(h),
        "bias2": rng.uniform(-1, 1, (1, o)) / np.sqrt(h),
    }


def hidden(params: Params, x: Tensor) -> Tensor:
    """Return the features relu(x W1 + b1) [m, n, h]."""
    return torch.baddbmm(params["bias1"], x, params["weight1"]).relu()


def layer_inputs(params: Params, x: Tensor) -> list[Tensor]:
    """Return the inputs and the features."""
    return [x, hidden(params, x)]


def forward(params: Params, x: Tensor) -> Tensor:
    """Return the outputs [m, n, o] for inputs [m, n, d]."""
    return torch.baddbmm(params["bias2"], hidden(params, x), params["weight2"])


def mean_squared_error(params: Params, x: Tensor, y: Tensor) -> Tensor:
    """Return (1/n) sum_i (f(x_i) - y_i)^2 of each model [m] for labels y [m, n]."""
    return dense.mean_squared_error(forward(params, x), y)


def cross_entropy(params: Params, x: Tensor, y: Tensor) -> Tensor:
    """Return the mean cross-entropy of each model [m] for integer labels y [m, n]."""
    return dense.cross_entropy(forward(params, x), y)


def mse_gradients(params: Params, x: Tensor, y: Tensor) -> tuple[Tensor, Params]:
    """Return the losses [m] and gradients of the mean squared error of one-output networks in closed form.

    With X~ = [X, 1], residual r = 2 (f - y) / n and M = 1[X~ W~ > 0], the one product S = X~^T diag(r) M serves both
    layers: dL/dW~ = S * w2 and dL/dw2 = column sums of W~ * S. Same values as `dense.autograd_gradients`, at two
    batched products a step. x [m, n, d], y [m, n]. Source: derived here.
    """
    weight1, bias1, weight2 = params["weight1"], params["bias1"], params["weight2"].transpose(1, 2)
    preactivation = torch.baddbmm(bias1, x, weight1)
    error = (preactivation.clamp(min=0) * weight2).sum(dim=-1) + params["bias2"][:, 0] - y
    residual = error * (2 / y.shape[-1])
    masked = torch.where(preactivation > 0, residual[..., None], 0.0)
    s = torch.bmm(x.transpose(1, 2), masked)
    s_bias = masked.sum(dim=1, keepdim=True)
    gradients = {
        "weight1": s * weight2,
        "bias1": s_bias * weight2,
        "weight2": ((weight1 * s).sum(dim=1, keepdim=True) + bias1 * s_bias).transpose(1, 2),
        "bias2": residual.sum(dim=-1)[:, None, None],
    }
    return (error**2).mean(dim=-1), gradients


def cross_entropy_gradients(params: Params, x: Tensor, y: Tensor) -> tuple[Tensor, Params]:
    """Return the losses [m] and gradients of the mean cross-entropy in closed form.

    With features H, p = softmax(f), e = (p - onehot(y)) / n and e1 = 1[H > 0] * (e W2^T): dL/dW2 = H^T e and
    dL/dW1 = X^T e1; the biases have the sums of e and e1 over samples. Same values as `dense.autograd_gradients`.
    x [m, n, d], y [m, n] integers. Source: the chain rule.
    """
    features = hidden(params, x)
    log_p = torch.baddbmm(params["bias2"], features, params["weight2"]).log_softmax(dim=-1)
    error = (log_p.exp() - functional.one_hot(y, log_p.shape[-1])) / y.shape[-1]
    # Many times as fast as a mask and a product.
    back = torch.ops.aten.threshold_backward(torch.bmm(error, params["weight2"].mT), features, 0)
    gradients = {
        "weight1": torch.bmm(x.mT, back),
        "bias1": back.sum(dim=1, keepdim=True),
        "weight2": torch.bmm(features.mT, error),
        "bias2": error.sum(dim=1, keepdim=True),
    }
    return -log_p.gather(-1, y[..., None]).mean(dim=(-1, -2)), gradients
