"""Second derivatives against those of torch's own networks: double backward passes, whole Hessians, differences."""

import functools

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from featurelearning.networks import curvature, dense, two_layer_relu
from reference_optimizers import hessian_product, of_hessian
from references import DIFFERENCES, assert_close, network, random_params

M, D, H, N = 3, 4, 6, 15
PRECISE = 1e-12  # a handful of operations


def closed_form(x: Tensor, y: Tensor):
    return functools.partial(two_layer_relu.mse_gradients, x=x, y=y)


def general(loss, x: Tensor, y: Tensor):
    return functools.partial(dense.autograd_gradients, x=x, y=y, loss=loss)


def one_by_one(params: dict[str, Tensor], x: Tensor, y: Tensor):
    return dense.one_by_one(two_layer_relu.cross_entropy_gradients, params, x, y)


def squared(f: Tensor, y: Tensor) -> Tensor:
    return functional.mse_loss(f[:, 0], y)


SQUARED = 1, squared, curvature.squared_error_root
CLASSES = functional.cross_entropy, curvature.cross_entropy_root
LOSSES = {  # name: outputs, torch's loss, our root, our gradients
    "squared error, closed form": (*SQUARED, closed_form),
    "squared error, general": (*SQUARED, functools.partial(general, two_layer_relu.mean_squared_error)),
    "three classes": (3, *CLASSES, functools.partial(general, two_layer_relu.cross_entropy)),
    "three classes, closed form": (3, *CLASSES, lambda x, y: functools.partial(one_by_one, x=x, y=y)),
    "two classes": (2, *CLASSES, functools.partial(general, two_layer_relu.cross_entropy)),
}


@pytest.fixture(params=LOSSES)
def loss(request):
    return LOSSES[request.param]


@pytest.fixture(params=["generic", "dead units"])
def task(request, loss) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Parameters, inputs and labels; of the dead units one is off for every sample, and all of the first model are."""
    o, rng = loss[0], np.random.default_rng(40)
    params = random_params(rng, M, D, H, o)
    if request.param == "dead units":
        params["bias1"][:, 0, 1] = params["bias1"][0] = -100.0
    y = rng.integers(o, size=(M, N)) if o > 1 else rng.standard_normal((M, N))
    return params, torch.tensor(rng.standard_normal((M, N, D))), torch.tensor(y)


def ours(tensors: list[Tensor]) -> dict[str, Tensor]:
    """Return what belongs to the parameters of a torch network in the layout of one model of a batch."""
    weight1, bias1, weight2, bias2 = tensors
    return {"weight1": weight1.T, "bias1": bias1[None], "weight2": weight2.T, "bias2": bias2[None]}


def torchs(tree: dict[str, Tensor]) -> list[Tensor]:
    return [tree["weight1"].T, tree["bias1"][0], tree["weight2"].T, tree["bias2"][0]]


def test_hessian_products_are_those_of_a_double_backward_pass(loss, task):
    _, reference, _, gradients = loss
    params, x, y = task
    v = random_params(np.random.default_rng(41), M, D, H, loss[0])
    found = dense.gradients_along(gradients(x, y), params, v)[2]
    for model in range(M):
        net = network(params, model)
        value = functools.partial(lambda net, x, y: reference(net(x), y), net, x[model], y[model])
        wanted = ours(hessian_product(net, value, torchs({key: one[model] for key, one in v.items()})))
        for key in params:
            assert_close(found[key][model], wanted[key])


def test_hessian_products_are_the_slopes_of_the_gradients(loss, task):
    params, x, y = task
    v = random_params(np.random.default_rng(42), M, D, H, loss[0])
    gradients, step = loss[3](x, y), 1e-6
    found = dense.gradients_along(gradients, params, v)[2]
    up, down = (gradients({key: params[key] + sign * step * v[key] for key in v})[1] for sign in (1, -1))
    for key in params:
        assert_close(found[key], (up[key] - down[key]) / (2 * step), DIFFERENCES)


def test_hessian_products_need_no_gradients_switched_on(loss, task):
    """The loop trains under no_grad."""
    params, x, y = task
    v = random_params(np.random.default_rng(43), M, D, H, loss[0])
    wanted = dense.gradients_along(loss[3](x, y), params, v)[2]
    with torch.no_grad():
        found = dense.gradients_along(loss[3](x, y), params, v)[2]
    assert all(torch.equal(found[key], wanted[key]) for key in params)


def test_the_diagonal_is_that_of_the_whole_hessian(loss, task):
    _, reference, root, _ = loss
    params, x, y = task
    found = curvature.diagonal(two_layer_relu, params, x, root)
    assert {key: value.shape for key, value in found.items()} == {key: value.shape for key, value in params.items()}
    for model in range(M):
        net = network(params, model)
        value = functools.partial(lambda net, x, y: reference(net(x), y), net, x[model], y[model])
        wanted = ours(of_hessian(net, value, torch.diag))
        for key in params:
            assert_close(found[key][model], wanted[key])


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_the_root_is_one_of_the_hessian_in_the_outputs(loss, scale):
    o, reference, root, _ = loss
    rng = np.random.default_rng(44)
    outputs = torch.tensor(scale * rng.standard_normal((M, N, o)))
    y = torch.tensor(rng.integers(o, size=(M, N)) if o > 1 else rng.standard_normal((M, N)))
    s = root(outputs)
    assert s.shape == (M, N, o, o)
    for model, sample in np.ndindex(M, N):
        label = y[model, sample][None]
        wanted = torch.autograd.functional.hessian(
            lambda f, label=label: reference(f[None], label), outputs[model, sample]
        )
        found = s[model, sample] @ s[model, sample].T
        np.testing.assert_allclose(found, wanted, rtol=0, atol=PRECISE)


def test_the_root_of_a_certain_prediction_is_zero():
    outputs = torch.tensor([[[0.0, 1e4, -1e4]]], dtype=torch.float64)
    assert not curvature.cross_entropy_root(outputs).any()
