"""Networks, losses and gradients against torch's own modules, autograd and finite differences."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional

from featurelearning.networks import dense, two_layer_relu
from references import DIFFERENCES, MONTE_CARLO, assert_close, finite_differences, network, random_params

M, D, H, N, CLASSES = 3, 4, 7, 12, 5


def problem(o: int = 1, seed: int = 0):
    """Parameters, inputs and labels of M networks; labels are classes where there is more than one output."""
    rng = np.random.default_rng(seed)
    y = rng.integers(o, size=(M, N)) if o > 1 else rng.standard_normal((M, N))
    return random_params(rng, M, D, H, o), torch.tensor(rng.standard_normal((M, N, D))), torch.tensor(y)


def with_dead_units(params):
    """Return the networks with units that no sample switches on, that all do, and that sit on the kink at 0."""
    params = {key: value.clone() for key, value in params.items()}
    params["bias1"][:, 0, 0], params["bias1"][:, 0, 1] = -100.0, 100.0
    params["bias1"][0] = -100.0
    return params


def on_the_kink(params):
    params = {key: value.clone() for key, value in params.items()}
    params["weight1"][:, :, 2] = params["bias1"][:, :, 2] = 0.0
    return params


POINTS = {"generic": lambda params: params, "dead units": with_dead_units, "on the kink": on_the_kink}


def torch_gradients(params, x, y, model: int, loss):
    net = network(params, model)
    value = loss(net(x[model]), y[model])
    first, _, second = net
    g1, b1, g2, b2 = torch.autograd.grad(value, [first.weight, first.bias, second.weight, second.bias])
    return value.detach(), {"weight1": g1.T, "bias1": b1[None], "weight2": g2.T, "bias2": b2[None]}


LOSSES = {  # name: outputs, ours, torch's
    "mse": (1, two_layer_relu.mean_squared_error, lambda f, y: functional.mse_loss(f[:, 0], y)),
    "cross entropy": (CLASSES, two_layer_relu.cross_entropy, functional.cross_entropy),
}
CLOSED = {"mse": two_layer_relu.mse_gradients, "cross entropy": two_layer_relu.cross_entropy_gradients}


def test_kaiming_uniform_has_torchs_law_and_zero_biases():
    drawn = two_layer_relu.kaiming_uniform(np.random.default_rng(0), 100, 60, 50, scale=0.001)
    torch.manual_seed(0)
    for key, shape in (("weight1", (100, 60)), ("weight2", (60, 50))):
        wanted = 0.001 * torch.nn.init.kaiming_uniform_(torch.empty(shape[::-1]), nonlinearity="relu").numpy()
        bound = 0.001 * torch.nn.init.calculate_gain("relu") * np.sqrt(3 / shape[0])
        assert drawn[key].shape == shape
        assert 0.99 * bound < np.abs(drawn[key]).max() <= bound
        assert stats.ks_2samp(drawn[key].ravel(), wanted.ravel()).pvalue > MONTE_CARLO
    assert drawn["bias1"].shape == (1, 60) and drawn["bias2"].shape == (1, 50)
    assert not drawn["bias1"].any() and not drawn["bias2"].any()


def test_torch_default_has_the_law_of_linear_layers():
    drawn = two_layer_relu.torch_default(np.random.default_rng(0), 100, 1600, 50)
    torch.manual_seed(0)
    for layer, (fan_in, fan_out) in (("1", (100, 1600)), ("2", (1600, 50))):
        linear = torch.nn.Linear(fan_in, fan_out)
        assert drawn[f"weight{layer}"].shape == (fan_in, fan_out) and drawn[f"bias{layer}"].shape == (1, fan_out)
        for key, wanted in ((f"weight{layer}", linear.weight), (f"bias{layer}", linear.bias)):
            assert np.abs(drawn[key]).max() <= fan_in**-0.5
            assert stats.ks_2samp(drawn[key].ravel(), wanted.detach().numpy().ravel()).pvalue > MONTE_CARLO


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_stack_keeps_each_model_in_its_slice(dtype):
    drawn = [two_layer_relu.torch_default(np.random.default_rng(seed), D, H, 2) for seed in range(M)]
    stacked = dense.stack(drawn, dtype)
    for model, wanted in enumerate(drawn):
        for key, value in wanted.items():
            assert stacked[key].dtype == dtype
            assert torch.equal(stacked[key][model], torch.tensor(value).to(dtype))


@pytest.mark.parametrize("o", [1, CLASSES])
def test_forward_and_features_are_those_of_a_sequential_network(o):
    params, x, _ = problem(o)
    for model in range(M):
        net = network(params, model)
        assert_close(two_layer_relu.forward(params, x)[model], net(x[model]).detach())
        assert_close(two_layer_relu.hidden(params, x)[model], net[:2](x[model]).detach())


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_torchs(name):
    o, loss, reference = LOSSES[name]
    params, x, y = problem(o)
    wanted = [reference(network(params, model)(x[model]), y[model]).item() for model in range(M)]
    assert_close(loss(params, x, y), wanted)


def test_cross_entropy_of_huge_outputs_is_finite():
    params, x, y = problem(CLASSES)
    params["weight2"] *= 1e6
    assert two_layer_relu.cross_entropy(params, x, y).isfinite().all()


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("name", LOSSES)
def test_general_gradients_are_each_models_own(name, point):
    o, loss, reference = LOSSES[name]
    params, x, y = problem(o)
    params = POINTS[point](params)
    losses, gradients = dense.autograd_gradients(params, x, y, loss)
    for model in range(M):
        value, wanted = torch_gradients(params, x, y, model, reference)
        assert_close(losses[model], value)
        for key in params:
            assert_close(gradients[key][model], wanted[key])


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", LOSSES)
def test_the_closed_form_is_autograds(name, point, seed):
    params, x, y = problem(LOSSES[name][0], seed=seed)
    params = POINTS[point](params)
    losses, gradients = CLOSED[name](params, x, y)
    assert gradients.keys() == params.keys()
    for model in range(M):
        value, wanted = torch_gradients(params, x, y, model, LOSSES[name][2])
        assert_close(losses[model], value)
        for key in params:
            assert gradients[key][model].shape == params[key][model].shape
            assert_close(gradients[key][model], wanted[key])


@pytest.mark.parametrize("point", ["generic", "dead units"])
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_the_slopes_of_the_loss(name, point):
    o, loss, _ = LOSSES[name]
    params, x, y = problem(o, seed=4)
    params = POINTS[point](params)
    wanted = finite_differences(lambda moved: loss(moved, x, y).sum(), params)
    paths = [dense.autograd_gradients(params, x, y, loss)]
    paths.append(CLOSED[name](params, x, y))
    for _, gradients in paths:
        for key in params:
            assert_close(gradients[key], wanted[key], DIFFERENCES)


@pytest.mark.parametrize("name", LOSSES)
def test_the_closed_form_is_within_float32_of_float64(name):
    params, x, y = problem(LOSSES[name][0])
    labels = y.float() if name == "mse" else y
    single = CLOSED[name]({key: v.float() for key, v in params.items()}, x.float(), labels)[1]
    for key, wanted in CLOSED[name](params, x, y)[1].items():
        assert single[key].dtype == torch.float32
        assert_close(single[key], wanted, 1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_one_model_after_the_other_has_the_gradients_of_the_batch(name):
    params, x, y = problem(LOSSES[name][0])
    losses, wanted = CLOSED[name](params, x, y)
    found = dense.one_by_one(CLOSED[name], params, x, y)
    assert_close(found[0], losses)
    assert found[1].keys() == wanted.keys()
    for key, value in wanted.items():
        assert_close(found[1][key], value)
