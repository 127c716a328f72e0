"""One table of methods, one set of exams: torch's own optimisers and the plain loop are the references."""

import functools
from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from featurelearning import models, powers
from featurelearning.optimizers import adam, momentum, sgd, sigma_power
from featurelearning.optimizers.problem import Problem
from references import assert_close, descend, network, random_params, weights

M, D, H, N, STEPS = 3, 4, 6, 15, 50
RATE = 0.02


class Row(NamedTuple):
    """A method, and the torch optimiser that a plain loop uses in its place."""

    method: ModuleType
    problem: Callable[[], Problem]
    reference: Callable[[list], torch.optim.Optimizer]


def spectrum() -> Tensor:
    return torch.tensor(np.random.default_rng(20).uniform(0.2, 3, (M, D)))


def full() -> Tensor:
    root = torch.tensor(np.random.default_rng(21).standard_normal((M, D, D)))
    return root @ root.mT / D


def plain(parameters) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=RATE)


TABLE = {
    "sgd": Row(sgd, Problem, plain),
    "momentum": Row(momentum, lambda: Problem(momentum=0.9), lambda p: torch.optim.SGD(p, lr=RATE, momentum=0.9)),
    "adam": Row(adam, Problem, lambda p: torch.optim.Adam(p, lr=RATE)),
    "sigma_power, diagonal": Row(sigma_power, lambda: Problem(spectrum()), plain),
    "sigma_power, full": Row(sigma_power, lambda: Problem(full()), plain),
}


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


def run(method: ModuleType, problem: Problem, params, x: Tensor, y: Tensor, steps: int = STEPS) -> list[dict]:
    """Return the parameters after every step of the loop that the contract states, and the last state."""
    state, trail = method.init(params, problem), []
    for _ in range(steps):
        gradients = models.autograd_gradients(params, x, y, models.mean_squared_error)[1]
        step, state = method.update(gradients, state, params, problem)
        params = {key: value - RATE * step[key] for key, value in params.items()}
        trail.append(params)
    return trail, state


def matrix(preconditioner: Tensor | None, model: int) -> Tensor | None:
    if preconditioner is None:
        return None
    return torch.diag(preconditioner[model]) if preconditioner.ndim == 2 else preconditioner[model]


def layout(tree: dict[str, Tensor]) -> dict[str, tuple]:
    return {key: (value.shape, value.dtype) for key, value in tree.items()}


def copy(tree: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in tree.items()}


def part(problem: Problem, model: int) -> Problem:
    p = problem.preconditioner
    return problem if p is None else problem._replace(preconditioner=p[model : model + 1])


def test_fifty_steps_are_those_of_torch(row, task):
    params, x, y = task
    trail, _ = run(row.method, row.problem(), params, x, y)
    for model in range(M):
        net = network(params, model)
        loss = functools.partial(functional.mse_loss, target=y[model][:, None])
        precondition = matrix(row.problem().preconditioner, model)
        descend(net, loss, row.reference(net.parameters()), x[model], STEPS, precondition)
        for key, wanted in weights(net).items():
            assert_close(trail[-1][key][model], wanted)


def test_models_of_a_batch_do_not_meet(row, task):
    params, x, y = task
    together, _ = run(row.method, row.problem(), params, x, y)
    for model in range(M):
        one = slice(model, model + 1)
        alone, _ = run(row.method, part(row.problem(), model), {k: v[one] for k, v in params.items()}, x[one], y[one])
        for key, wanted in alone[-1].items():
            assert_close(together[-1][key][one], wanted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_steps_and_state_keep_shape_and_type(row, task, dtype):
    params, x, y = ({k: v.to(dtype) for k, v in task[0].items()}, task[1].to(dtype), task[2].to(dtype))
    p = row.problem().preconditioner
    problem = row.problem()._replace(preconditioner=None if p is None else p.to(dtype))
    before = row.method.init(params, problem)
    trail, after = run(row.method, problem, params, x, y, steps=2)
    assert layout(trail[-1]) == layout(params)
    assert {key: layout(group) for key, group in after.items()} == {key: layout(group) for key, group in before.items()}


def test_an_update_changes_neither_parameters_nor_gradients_nor_state(row, task):
    params, x, y = task
    gradients = models.autograd_gradients(params, x, y, models.mean_squared_error)[1]
    state = row.method.init(params, row.problem())
    kept = copy(params), copy(gradients), {key: copy(group) for key, group in state.items()}
    row.method.update(gradients, state, params, row.problem())
    for tree, before in zip((params, gradients, *state.values()), (*kept[:2], *kept[2].values()), strict=True):
        assert all(torch.equal(tree[key], before[key]) for key in before)


@pytest.mark.parametrize(
    "ones", [torch.ones(M, D, dtype=torch.float64), torch.eye(D, dtype=torch.float64).expand(M, D, D)]
)
def test_sigma_to_the_power_zero_is_gradient_descent_step_for_step(task, ones):
    wanted, _ = run(sgd, Problem(), *task)
    found, _ = run(sigma_power, Problem(ones), *task)
    for one, other in zip(found, wanted, strict=True):
        for key in other:
            assert_close(one[key], other[key], 1e-14)


@pytest.mark.parametrize("p", [-2.0, -0.5, 1.0])
def test_identity_covariance_makes_every_exponent_equal(task, p):
    wanted, _ = run(sgd, Problem(), *task)
    found, _ = run(sigma_power, Problem(torch.tensor(powers.power(np.ones((M, D)), p))), *task)
    for key in wanted[-1]:
        assert torch.equal(found[-1][key], wanted[-1][key])


def test_a_diagonal_preconditioner_is_the_full_matrix_with_that_diagonal(task):
    wanted, _ = run(sigma_power, Problem(torch.diag_embed(spectrum())), *task)
    found, _ = run(sigma_power, Problem(spectrum()), *task)
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
