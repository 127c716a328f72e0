"""Kronecker factors and K-FAC where theory makes them exact: Hessian blocks, least squares, whitening."""

import functools

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from featurelearning.networks import curvature, two_layer_relu
from featurelearning.optimizers import covariance, kfac, kfac_input, kfac_output, powers, sigma_power
from featurelearning.optimizers.problem import Problem
from featurelearning.training import loop
from reference_kronecker import factors, squared_error
from references import assert_close, network, random_params

M, D, H, N = 3, 4, 5, 40
METHODS = {"kfac": kfac, "kfac_input": kfac_input, "kfac_output": kfac_output}
BIASES = {"weight1": "bias1", "weight2": "bias2"}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(31)


def linear(rng: np.random.Generator, o: int) -> tuple[dict[str, Tensor], Tensor]:
    """Return networks and inputs for which every hidden unit is active, so that the network is linear."""
    params, x = random_params(rng, M, D, H, o), torch.tensor(rng.normal(size=(M, N, D)))
    params["bias1"] = params["bias1"] + 20
    assert (two_layer_relu.hidden(params, x) > 0).all()
    return params, x


def root(outputs: Tensor) -> Tensor:
    """Return sqrt(2) I: the root of the squared error |f - y|^2 of several outputs."""
    return 2**0.5 * torch.eye(outputs.shape[-1], dtype=outputs.dtype).expand(*outputs.shape, -1)


def error(params: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
    return (two_layer_relu.forward(params, x) - y).square().sum(dim=-1).mean(dim=-1)


def layer(params: dict[str, Tensor], weight: str) -> Tensor:
    """Return weights and bias of a layer as one matrix, the bias last."""
    return torch.cat([params[weight], params[BIASES[weight]]], dim=1)


def with_layer(params: dict[str, Tensor], weight: str, whole: Tensor) -> dict[str, Tensor]:
    return {**params, weight: whole[:, :-1], BIASES[weight]: whole[:, -1:]}


def hessian_block(params: dict[str, Tensor], weight: str, loss) -> Tensor:
    """Return the Hessian of one model's loss in one layer, a square matrix, by autograd."""
    whole = layer(params, weight)
    block = torch.autograd.functional.hessian(lambda w: loss(with_layer(params, weight, w)).sum(), whole)
    return block.reshape(whole.numel(), whole.numel())


def problem_of(damping: float | Tensor, x: Tensor, output_root=root) -> Problem:
    """Return the problem of two-layer ReLU networks on inputs."""
    return Problem(None, {"damping": damping}, network=two_layer_relu, inputs=x, output_root=output_root)


def one_step(method, gradients, params, problem: Problem) -> dict[str, Tensor]:
    return method.update(gradients, method.init(params, problem), params, problem)[0]


def test_the_factors_are_means_over_samples_of_outer_products(rng):
    params, x = random_params(rng, M, D, H, 3), torch.tensor(rng.normal(size=(M, N, D)))
    found = curvature.kronecker_factors(two_layer_relu, params, x, curvature.cross_entropy_root)
    for i in range(M):
        labels = torch.tensor(rng.integers(0, 3, N))

        def loss(outputs: Tensor, sample: int, labels=labels) -> Tensor:
            return functional.cross_entropy(outputs, labels[sample])

        for number, (inner, outer) in enumerate(factors(network(params, i), x[i], loss)):
            assert_close(found.input[number][i], inner)
            assert_close(found.output[number][i], outer)


def test_the_factors_of_the_squared_error_are_means_too(rng):
    params, x = random_params(rng, M, D, H), torch.tensor(rng.normal(size=(M, N, D)))
    found = curvature.kronecker_factors(two_layer_relu, params, x, curvature.squared_error_root)
    for i in range(M):
        for number, (inner, outer) in enumerate(factors(network(params, i), x[i], squared_error)):
            assert_close(found.input[number][i], inner)
            assert_close(found.output[number][i], outer)


@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_the_step_is_the_same_with_fewer_samples_than_units(rng, n):
    """The step goes another way where a factor has fewer rows than columns: compared with plain solutions."""
    params, x = random_params(rng, M, D, H, 2), torch.tensor(rng.normal(size=(M, n, D)))
    gradients = {key: torch.tensor(rng.normal(size=value.shape)) for key, value in params.items()}
    problem = problem_of(0.1, x)
    step = one_step(kfac, gradients, params, problem)
    for i in range(M):
        for weight, pair in zip(BIASES, factors(network(params, i), x[i], squared_error), strict=True):
            inner, outer = (np.linalg.inv(np.asarray(factor) + 0.1 * np.eye(len(factor))) for factor in pair)
            assert_close(layer(step, weight)[i], inner @ np.asarray(layer(gradients, weight)[i]) @ outer)


@pytest.mark.parametrize("o", [1, 3])
def test_on_a_linear_network_the_product_of_the_factors_is_the_hessian_block(rng, o):
    params, x = linear(rng, o)
    y = torch.tensor(rng.normal(size=(M, N, o)))
    found = curvature.kronecker_factors(two_layer_relu, params, x, root)
    for i in range(M):
        one = {key: value[i : i + 1] for key, value in params.items()}
        for number, weight in enumerate(BIASES):
            block = hessian_block(one, weight, lambda at, i=i: error(at, x[i : i + 1], y[i : i + 1]))
            assert_close(np.kron(found.input[number][i], found.output[number][i]), block)


def step_of_squared_error(params: dict[str, Tensor], x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Return K-FAC's first step on the squared error, without damping."""
    gradients = torch.func.grad(lambda at: error(at, x, y).sum())(params)
    return one_step(kfac, gradients, params, problem_of(0.0, x))


def least_squares(z: Tensor, y: Tensor) -> np.ndarray:
    return np.linalg.lstsq(np.c_[z, np.ones(len(z))], y, rcond=None)[0]


def test_one_step_without_damping_lands_on_the_least_squares_minimum_of_the_second_layer(rng):
    params, x, y = random_params(rng, M, D, H, 3), *(torch.tensor(rng.normal(size=(M, N, k))) for k in (D, 3))
    reached = layer(params, "weight2") - layer(step_of_squared_error(params, x, y), "weight2")
    for i in range(M):
        assert_close(reached[i], least_squares(two_layer_relu.hidden(params, x)[i], y[i]))


def test_one_step_without_damping_lands_on_the_least_squares_minimum_of_a_linear_first_layer(rng):
    """With as many outputs as units W2 is invertible, so that the minimum is that of z~ W~1 on (y - b2) W2^-1."""
    params, x = linear(rng, H)
    y = torch.tensor(rng.normal(size=(M, N, H)))
    reached = layer(params, "weight1") - layer(step_of_squared_error(params, x, y), "weight1")
    for i in range(M):
        labels = (y[i] - params["bias2"][i]) @ torch.linalg.inv(params["weight2"][i])
        assert_close(reached[i], least_squares(x[i], labels))


def test_input_factors_of_centred_inputs_precondition_by_the_inverse_covariance(rng):
    """A = diag(Sigma, 1) for inputs of mean zero: weights take Sigma^-1, the bias its plain gradient."""
    params, x = random_params(rng, M, D, H), rng.normal(size=(M, N, D))
    x = torch.tensor(x - x.mean(axis=1, keepdims=True))
    gradients = {key: torch.tensor(rng.normal(size=value.shape)) for key, value in params.items()}
    damping = 0.3  # (Sigma + damping I)^-1, and the bias is divided by 1 + damping
    found = one_step(kfac_input, gradients, params, problem_of(damping, x))
    undamped = one_step(kfac_input, gradients, params, problem_of(0.0, x))
    for ridge, step in ((0.0, undamped), (damping, found)):
        pairs = [covariance.eigenpairs(np.asarray(one.T @ one) / N + ridge * np.eye(D)) for one in x]
        p = torch.tensor(np.stack([(v * powers.power(values, -1)) @ v.T for values, v in pairs]))
        wanted = sigma_power.update(gradients, {}, params, Problem(preconditioner=p))[0]
        assert_close(step["weight1"], wanted["weight1"])
        assert_close(step["bias1"], wanted["bias1"] / (1 + ridge))


def test_input_factors_of_other_inputs_precondition_by_the_centred_covariance(rng):
    """By elimination of the bias: weights take (Sigma - mu mu^T)^-1 (G - mu g^T), g the gradient of the bias."""
    params, x = random_params(rng, M, D, H), torch.tensor(rng.normal(1, 1, (M, N, D)))
    gradients = {key: torch.tensor(rng.normal(size=value.shape)) for key, value in params.items()}
    found = one_step(kfac_input, gradients, params, problem_of(0.0, x))
    for i in range(M):
        mean = x[i].mean(dim=0)
        g, bias = gradients["weight1"][i], gradients["bias1"][i]
        step = np.linalg.solve(np.cov(x[i].T, bias=True), g - mean[:, None] * bias)
        assert_close(found["weight1"][i], step)
        assert_close(found["bias1"][i], bias - mean @ step)


@pytest.fixture(params=METHODS)
def method(request):
    return METHODS[request.param]


@pytest.fixture
def situation(rng) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
    params, x = random_params(rng, M, D, H, 3), torch.tensor(rng.normal(size=(M, N, D)))
    return params, {key: torch.tensor(rng.normal(size=value.shape)) for key, value in params.items()}, x


def test_each_model_may_have_its_own_damping(method, situation):
    params, gradients, x = situation
    several = torch.tensor([0.01, 0.1, 1.0], dtype=torch.float64)[:, None, None]
    together = one_step(method, gradients, params, problem_of(several, x))
    for i, damping in enumerate([0.01, 0.1, 1.0]):
        problem = problem_of(damping, x)
        alone = one_step(method, gradients, params, problem)
        for key in params:
            assert_close(together[key][i], alone[key][i])


def test_steps_become_plain_gradients_over_the_damping_where_it_is_large(method, situation):
    params, gradients, x = situation
    powers = 2 if method is kfac else 1
    step = one_step(method, gradients, params, problem_of(1e14, x))
    for key in params:
        assert_close(step[key] * 1e14**powers, gradients[key])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e200])
def test_a_diverged_model_raises_nothing_and_harms_no_other(method, situation, bad):
    params, gradients, x = situation
    problem = problem_of(0.1, x)
    wanted = one_step(method, gradients, params, problem)
    broken = {key: value.index_fill(0, torch.tensor([1]), bad) for key, value in params.items()}
    gradients = {key: value.index_fill(0, torch.tensor([1]), bad) for key, value in gradients.items()}
    found = one_step(method, gradients, broken, problem)
    for key in params:
        assert_close(found[key][[0, 2]], wanted[key][[0, 2]])
    assert not all(value[1].isfinite().all() for value in found.values())


def test_a_factor_without_inverse_makes_that_step_nan(situation):
    params, gradients, x = situation
    x = x.clone()
    x[1, :, 0] = 0
    problem = problem_of(0.0, x)
    step = one_step(kfac_input, gradients, params, problem)["weight1"]
    assert step[1].isnan().all()
    assert step[[0, 2]].isfinite().all()


@pytest.mark.parametrize("name", METHODS)
def test_a_damping_that_is_too_small_is_named_as_the_cause_of_a_divergence(name):
    """Beside the learning rate, which was the only advice."""
    rng = np.random.default_rng(1)
    params, x = random_params(rng, 1, D, 30), torch.tensor(rng.normal(size=(1, 12, D)))
    params = {key: value / 100 for key, value in params.items()}
    y = torch.sin(x[..., 0])
    problem = problem_of(1e-12, x, curvature.squared_error_root)
    gradients = functools.partial(two_layer_relu.mse_gradients, x=x, y=y)
    record = loop.Record([0, 400], lambda params: {"mse": two_layer_relu.mean_squared_error(params, x, y)}, ["one"])
    with pytest.raises(loop.TrainingError, match=r"raise damping, or lower the learning rate: .* 1e-12 given, where"):
        loop.train(params, loop.Rule(gradients, METHODS[name], problem, 1e3), record)


def test_a_first_step_that_is_not_finite_is_no_fault_of_the_learning_rate(monkeypatch):
    """As where no factor has a Cholesky factor, by rounding."""
    rng = np.random.default_rng(1)
    params, x = random_params(rng, 1, D, 5), torch.tensor(rng.normal(size=(1, 12, D)))
    problem = problem_of(1e-12, x, curvature.squared_error_root)
    monkeypatch.setattr(kfac, "cholesky", lambda factor, problem: torch.full_like(factor, torch.nan))
    gradients = functools.partial(two_layer_relu.mse_gradients, x=x, y=x[..., 0])
    record = loop.Record(
        [0, 3], lambda params: {"mse": two_layer_relu.mean_squared_error(params, x, x[..., 0])}, ["one"]
    )
    message = r"the first step of kfac is not finite where the gradient is, .* hyper-parameters \(damping 1e-12\)"
    with pytest.raises(loop.TrainingError, match=message):
        loop.train(params, loop.Rule(gradients, kfac, problem, 0.1), record)
