"""One table of methods, one set of exams: torch's own optimisers and the plain loop are the references."""

import functools

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._pytree import tree_leaves, tree_map

from featurelearning.networks import curvature, dense, two_layer_relu
from featurelearning.optimizers import (
    adahessian,
    diagonal_hessian,
    powers,
    row_sum_hessian,
    shampoo,
    sigma_power,
    sophia,
)
from featurelearning.optimizers.problem import Problem
from method_table import RATE, SGD, STREAMS, TABLE, D, M, Row, of_estimates, of_torch, sampled, spectrum, summed
from reference_kronecker import Shampoo
from reference_optimizers import SophiaH, weighted_mean
from references import EXACT, assert_close, descend, network, random_params, weights

H, N, STEPS = 6, 15, 50


def problem_of(row: Row, x: Tensor, y: Tensor, models_: slice = slice(None)) -> Problem:
    """Return all that a method may ask for, for the chosen models of the batch."""
    gradients = functools.partial(dense.autograd_gradients, x=x, y=y, loss=two_layer_relu.mean_squared_error)
    p = row.preconditioner
    return Problem(
        preconditioner=None if p is None else p[models_].to(x.dtype),
        hyperparameters=row.hyperparameters,
        objective=gradients,
        gradients_along=functools.partial(dense.gradients_along, gradients),
        network=two_layer_relu,
        inputs=x,
        output_root=curvature.squared_error_root,
        streams=STREAMS[models_],
        learning_rate=RATE,
    )


@pytest.fixture(params=TABLE)
def row(request) -> Row:
    return TABLE[request.param]


@pytest.fixture
def task() -> tuple[dict[str, Tensor], Tensor, Tensor]:
    rng = np.random.default_rng(22)
    return (
        random_params(rng, M, D, H),
        torch.tensor(rng.standard_normal((M, N, D))),
        torch.tensor(rng.normal(size=(M, N))),
    )


def run(row: Row, params, x: Tensor, y: Tensor, steps: int = STEPS, models_: slice = slice(None)) -> tuple:
    """Return the parameters after every step of the loop that the contract states, and the last state."""
    method, problem, trail = row.method, problem_of(row, x, y, models_), []
    state = method.init(params, problem)
    for _ in range(steps):
        gradients = problem.objective(params)[1]
        step, state = method.update(gradients, state, params, problem)
        params = {key: value - RATE * step[key] for key, value in params.items()}
        trail.append(params)
    return trail, state


def matrix(preconditioner: Tensor | None, model: int) -> Tensor | None:
    if preconditioner is None:
        return None
    return torch.diag(preconditioner[model]) if preconditioner.ndim == 2 else preconditioner[model]


def layout(tree: dict) -> dict:
    return tree_map(lambda leaf: (leaf.shape, leaf.dtype) if isinstance(leaf, Tensor) else type(leaf), tree)


def copy(tree: dict) -> dict:
    return tree_map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, tree)


def assert_fifty_steps_are_those_of_the_reference(row: Row, task: tuple) -> None:
    params, x, y = task
    trail, _ = run(row, params, x, y)
    for model in range(M):
        net = network(params, model)
        loss = functools.partial(functional.mse_loss, target=y[model][:, None])
        optimizer = row.reference(net, lambda net=net, loss=loss, x=x[model]: loss(net(x)), model)
        descend(net, loss, optimizer, x[model], STEPS, matrix(row.preconditioner, model))
        for key, wanted in weights(net).items():
            assert_close(trail[-1][key][model], wanted)


def test_fifty_steps_are_those_of_torch(row, task):
    assert_fifty_steps_are_those_of_the_reference(row, task)


def test_fifty_steps_with_older_roots_are_those_of_a_reference_with_older_roots(task, monkeypatch):
    monkeypatch.setattr(shampoo, "due", lambda count: int(count[0]) % 4 == 0)
    reference = of_torch(Shampoo, epsilon=shampoo.EPSILON, refresh_every=4, fresh=0)
    assert_fifty_steps_are_those_of_the_reference(Row(shampoo, reference), task)


def test_models_of_a_batch_do_not_meet(row, task):
    params, x, y = task
    together, _ = run(row, params, x, y)
    for model in range(M):
        one = slice(model, model + 1)
        alone, _ = run(row, {k: v[one] for k, v in params.items()}, x[one], y[one], models_=one)
        for key, wanted in alone[-1].items():
            assert_close(together[-1][key][one], wanted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_steps_and_state_keep_shape_and_type(row, task, dtype):
    params, x, y = ({k: v.to(dtype) for k, v in task[0].items()}, task[1].to(dtype), task[2].to(dtype))
    start = row.method.init(params, problem_of(row, x, y))
    _, before = run(row, params, x, y, steps=1)
    trail, after = run(row, params, x, y, steps=2)
    assert layout(trail[-1]) == layout(params)
    assert layout(after) == layout(before) == layout(before | start)  # a part of it may be made in the first step


def test_an_update_changes_neither_parameters_nor_gradients_nor_state(row, task):
    params, x, y = task
    problem = problem_of(row, x, y)
    gradients, state = problem.objective(params)[1], row.method.init(params, problem)
    _, state = row.method.update(gradients, state, params, problem)
    given = params, gradients, state
    kept = copy(given)
    row.method.update(gradients, state, params, problem)
    for leaf, before in zip(tree_leaves(given), tree_leaves(kept), strict=True):
        assert torch.equal(leaf, before) if isinstance(leaf, Tensor) else leaf == before


@pytest.mark.parametrize(
    "ones", [torch.ones(M, D, dtype=torch.float64), torch.eye(D, dtype=torch.float64).expand(M, D, D)]
)
def test_sigma_to_the_power_zero_is_gradient_descent_step_for_step(task, ones):
    wanted, _ = run(TABLE["sgd"], *task)
    found, _ = run(Row(sigma_power, SGD, preconditioner=ones), *task)
    for one, other in zip(found, wanted, strict=True):
        for key in other:
            assert_close(one[key], other[key], 1e-14)


@pytest.mark.parametrize("p", [-2.0, -0.5, 1.0])
def test_identity_covariance_makes_every_exponent_equal(task, p):
    wanted, _ = run(TABLE["sgd"], *task)
    found, _ = run(Row(sigma_power, SGD, preconditioner=torch.tensor(powers.power(np.ones((M, D)), p))), *task)
    for key in wanted[-1]:
        assert torch.equal(found[-1][key], wanted[-1][key])


def test_a_diagonal_preconditioner_is_the_full_matrix_with_that_diagonal(task):
    wanted, _ = run(Row(sigma_power, SGD, preconditioner=torch.diag_embed(spectrum())), *task)
    found, _ = run(TABLE["sigma_power, diagonal"], *task)
    for key in wanted[-1]:
        assert_close(found[-1][key], wanted[-1][key])


@pytest.mark.parametrize(
    "wrong, found",
    [
        (None, "none"),
        (torch.ones(M, D + 1, dtype=torch.float64), "[3, 5] of torch.float64"),
        (torch.ones(M, D, D + 1, dtype=torch.float64), "[3, 4, 5] of torch.float64"),
        (torch.ones(M + 1, D, dtype=torch.float64), "[4, 4] of torch.float64"),
        (torch.ones(D, dtype=torch.float64), "[4] of torch.float64"),
        (torch.ones(M, D, dtype=torch.float32), "[3, 4] of torch.float32"),  # would turn the weights into float64 later
    ],
)
def test_a_preconditioner_that_does_not_fit_is_refused(task, wrong, found):
    with pytest.raises(ValueError) as caught:
        sigma_power.init(task[0], Problem(wrong))
    wanted = f"preconditioner: found {found}; sigma_power needs [3, 4] or [3, 4, 4] of torch.float64"
    assert str(caught.value) == wanted


def quadratic() -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor], Problem]:
    """Return places w, minima c, curvatures a of both signs of sum a (w - c)^2 / 2, and its problem."""
    rng = np.random.default_rng(24)
    places, minima, curvatures = (random_params(rng, M, D, H) for _ in range(3))
    along = lambda params, v: (None, None, {key: curvatures[key] * v[key] for key in v})  # noqa: E731
    return places, minima, curvatures, Problem(gradients_along=along, streams=STREAMS)


@pytest.mark.parametrize("p", [-2.0, -1.0, -0.5, 0.0, 0.5, 1.0])
def test_on_a_separable_quadratic_adahessian_steps_by_the_gradient_times_the_power_of_its_curvature(p):
    """Any draw gives the diagonal there: p = -1 is Newton's step, which saddles repel (Yao et al. 2021)."""
    params, minima, curvatures, problem = quadratic()
    gradients = {key: a * (params[key] - minima[key]) for key, a in curvatures.items()}
    problem = problem._replace(hyperparameters={"p": p})
    state = adahessian.init(params, problem)
    for _ in range(3):  # averages of what is constant
        step, state = adahessian.update(gradients, state, params, problem)
        for key, a in curvatures.items():
            assert_close(step[key], a.abs() ** p * gradients[key])


@pytest.mark.parametrize("method", [adahessian, diagonal_hessian, row_sum_hessian])
def test_every_model_has_its_own_power(method, task):
    params, x, y = task
    each = (-1.0, 0.0, 0.5)
    own = {"p": torch.tensor(each, dtype=torch.float64)[:, None, None]}
    trail, _ = run(Row(method, SGD, own), *task, steps=5)
    for model, p in enumerate(each):
        wanted, _ = run(Row(method, SGD, {"p": p}), *task, steps=5)
        for key in params:
            assert_close(trail[-1][key][model], wanted[-1][key][model])


@pytest.mark.parametrize("method", [adahessian, diagonal_hessian, row_sum_hessian])
def test_power_zero_is_momentum_with_bias_correction_whatever_the_hessian(method, task, monkeypatch):
    params, x, y = task
    rng, seen = np.random.default_rng(25), []
    problem = problem_of(Row(method, SGD, {"p": 0.0}), x, y)
    anything = lambda *_: {key: value * 1e9 for key, value in random_params(rng, M, D, H).items()}  # noqa: E731
    monkeypatch.setattr(curvature, "diagonal", anything)
    problem = problem._replace(gradients_along=lambda *_: (None, None, anything()))
    state = method.init(params, problem)
    for _ in range(5):
        seen.append(random_params(rng, M, D, H))
        step, state = method.update(seen[-1], state, params, problem)
        for key in params:
            assert_close(step[key], weighted_mean([past[key] for past in seen], 0.9))


def test_row_sums_are_those_of_the_whole_hessian_with_dead_units_too(task):
    params, x, y = task
    params["bias1"][:, :, 1] = -100.0
    problem = problem_of(Row(row_sum_hessian, SGD, {"p": -1.0}), x, y)
    gradients = problem.objective(params)[1]
    step, state = row_sum_hessian.update(gradients, row_sum_hessian.init(params, problem), params, problem)
    for model in range(M):
        net = network(params, model)
        loss = functools.partial(lambda net, x, y: functional.mse_loss(net(x), y[:, None]), net, x[model], y[model])
        for found, parameter in zip(summed(net, loss, model, 1), net.parameters(), strict=True):
            parameter.data = found
        for key, h in weights(net).items():
            assert_close(state["root"][key][model], 0.001**0.5 * h.abs())
            assert_close(step[key][model], gradients[key][model] / (h.abs() + 1e-16))
        assert not step["weight1"][model, :, 1].any() and not step["weight2"][model, 1].any()


def test_the_exact_diagonal_minimises_over_any_one_parameter_of_the_second_layer(task):
    """The squared error is a parabola in each of them, whose lowest point is one step of p = -1 and size 1 away."""
    params, x, y = task
    problem = problem_of(Row(diagonal_hessian, SGD, {"p": -1.0}), x, y)
    gradients = problem.objective(params)[1]
    step, _ = diagonal_hessian.update(gradients, diagonal_hessian.init(params, problem), params, problem)
    for key in ("weight2", "bias2"):
        for place in range(params[key].shape[1]):
            moved = {**params, key: params[key].clone()}
            moved[key][:, place] -= step[key][:, place]
            slope = problem.objective(moved)[1][key][:, place]
            assert slope.abs().max() < EXACT * gradients[key].abs().max()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("p", [-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("method", [adahessian, diagonal_hessian, row_sum_hessian])
def test_dead_units_stand_still(method, p, dtype, task):
    params, x, y = task
    params["bias1"][:, :, 1] = -100.0
    params, x, y = {key: value.to(dtype) for key, value in params.items()}, x.to(dtype), y.to(dtype)
    problem = problem_of(Row(method, SGD, {"p": p}), x, y)
    state = method.init(params, problem)
    for _ in range(3):
        step, state = method.update(problem.objective(params)[1], state, params, problem)
        assert all(value.isfinite().all() for value in step.values())
        assert not step["weight1"][:, :, 1].any() and not step["bias1"][:, :, 1].any()
        assert not step["weight2"][:, 1].any() and step["weight2"][:, 0].any()


@pytest.mark.parametrize("p", [-0.5, 0.25])
def test_curvature_whose_square_float32_cannot_hold_still_scales_the_step(p):
    params, _, curvatures, problem = quadratic()
    found, wanted = [], []
    for dtype, steps in ((torch.float32, found), (torch.float64, wanted)):
        tiny = {key: (a * 1e-25).to(dtype) for key, a in curvatures.items()}
        assert dtype == torch.float64 or not any((a**2).any() for a in tiny.values())
        own = problem._replace(
            hyperparameters={"p": p},
            gradients_along=lambda params, v, a=tiny: (None, None, {key: a[key] * v[key] for key in v}),
        )
        ones = {key: torch.ones_like(a) for key, a in tiny.items()}
        step, _ = adahessian.update(ones, adahessian.init(ones, own), ones, own)
        steps.extend(step.values())
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4)  # float32: 1 - 0.999 has four good digits


def test_the_first_step_of_sophia_is_newtons_scaled_and_clipped():
    params, minima, curvatures, problem = quadratic()
    params = {key: c + 0.01 * (params[key] - c) for key, c in minima.items()}
    gradients = {key: a * (params[key] - minima[key]) for key, a in curvatures.items()}
    step, _ = sophia.update(gradients, sophia.init(params, problem), params, problem)
    for key, a in curvatures.items():
        newton = 0.04 / (0.01 * 0.01) * (params[key] - minima[key])
        wanted = torch.where(a > 0, newton.clamp(-1, 1), gradients[key].sign())
        assert_close(step[key], wanted)
        assert key == "bias2" or ((wanted.abs() < 1).any() and (wanted.abs() == 1).any())


def test_sophia_with_a_larger_gamma_clips_some_steps_and_not_others(task, monkeypatch):
    """With the paper's constant nearly all of fifty steps are signs, whatever the estimate."""
    gamma, ratios = 10.0, []
    monkeypatch.setattr(sophia, "GAMMA", gamma)
    row = Row(sophia, of_estimates(SophiaH, sampled, gamma=gamma))
    trail, _ = run(row, *task)
    for model, (x, y) in enumerate(zip(*task[1:], strict=True)):
        net = network(task[0], model)
        loss = functools.partial(functional.mse_loss, target=y[:, None])
        optimizer = row.reference(net, lambda net=net, loss=loss, x=x: loss(net(x)), model)
        descend(net, loss, optimizer, x, STEPS)
        ratios += optimizer.ratios
        for key, wanted in weights(net).items():
            assert_close(trail[-1][key][model], wanted)
    assert 0.2 < (torch.cat(ratios).abs() < 1).double().mean() < 0.8


def test_sophia_asks_for_the_hessian_in_every_tenth_update(task):
    params, x, y = task
    problem, counts, asked = problem_of(TABLE["sophia"], x, y), [], []

    def product(params, v):
        asked.append(len(counts))
        return problem.gradients_along(params, v)

    state = sophia.init(params, problem)
    for _ in range(31):
        _, state = sophia.update(params, state, params, problem._replace(gradients_along=product))
        counts.append(state["count"]["updates"].flatten().tolist())
    assert asked == [0, 10, 20, 30] and counts == [[count] * M for count in range(1, 32)]


@pytest.mark.parametrize("where", ["gradient", "curvature"])
@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan])
def test_clipping_hides_no_value_that_is_not_finite(where, value):
    params, _, curvatures, problem = quadratic()
    gradients = {key: torch.ones_like(a) for key, a in params.items()}
    (gradients if where == "gradient" else curvatures)["weight1"][1, 2, 3] = value
    step, _ = sophia.update(gradients, sophia.init(params, problem), params, problem)
    wanted = torch.zeros_like(params["weight1"], dtype=torch.bool)
    wanted[1, 2, 3] = True
    assert torch.equal(step["weight1"].isnan(), wanted)
