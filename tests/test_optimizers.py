"""One table of methods, one set of exams: torch's own optimisers and the plain loop are the references."""

import functools
from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from featurelearning import curvature, models, powers
from featurelearning.optimizers import adam, kfac, kfac_input, kfac_output, momentum, sgd, shampoo, sigma_power
from featurelearning.optimizers.problem import Problem
from reference_kronecker import KFAC, Shampoo
from references import assert_close, descend, network, random_params, weights

M, D, H, N, STEPS = 3, 4, 6, 15, 50
RATE = 0.02
STREAMS = torch.tensor(np.random.default_rng(23).integers(-(2**31), 2**31, (M, 2)), dtype=torch.int32)


Loss = Callable[[], Tensor]


class Row(NamedTuple):
    """A method, its hyper-parameters and P, and what a plain loop uses in its place.

    reference: (network, loss, model) -> a torch optimiser of that network, whose loss the function gives; model is the
    number of the network in the batch.
    """

    method: ModuleType
    reference: Callable[[nn.Sequential, Loss, int], torch.optim.Optimizer]
    hyperparameters: dict[str, float] = {}
    preconditioner: Tensor | None = None


def spectrum() -> Tensor:
    return torch.tensor(np.random.default_rng(20).uniform(0.2, 3, (M, D)))


def full() -> Tensor:
    root = torch.tensor(np.random.default_rng(21).standard_normal((M, D, D)))
    return root @ root.mT / D


def of_torch(kind: type[torch.optim.Optimizer], **options) -> Callable[..., torch.optim.Optimizer]:
    """Return the reference that is an optimiser of torch or of a library in its style."""
    return lambda network, loss, model: kind(network.parameters(), lr=RATE, **options)


def of_network(kind: type[torch.optim.Optimizer], **options) -> Callable[..., torch.optim.Optimizer]:
    """Return the reference that is an optimiser of ours, which sees the network and not only its parameters."""
    return lambda network, loss, model: kind(network, RATE, **options)


SGD = of_torch(torch.optim.SGD)
DAMPING = 0.1

TABLE = {
    "sgd": Row(sgd, SGD),
    "momentum": Row(momentum, of_torch(torch.optim.SGD, momentum=0.9), {"momentum": 0.9}),
    "adam": Row(adam, of_torch(torch.optim.Adam)),
    "sigma_power, diagonal": Row(sigma_power, SGD, preconditioner=spectrum()),
    "sigma_power, full": Row(sigma_power, SGD, preconditioner=full()),
    "kfac": Row(kfac, of_network(KFAC, damping=DAMPING), {"damping": DAMPING}),
    "kfac_input": Row(kfac_input, of_network(KFAC, damping=DAMPING, outer=False), {"damping": DAMPING}),
    "kfac_output": Row(kfac_output, of_network(KFAC, damping=DAMPING, inner=False), {"damping": DAMPING}),
    "shampoo": Row(shampoo, of_torch(Shampoo, epsilon=shampoo.EPSILON)),
}


def problem_of(row: Row, x: Tensor, y: Tensor, models_: slice = slice(None)) -> Problem:
    """Return all that a method may ask for, for the chosen models of the batch."""
    gradients = functools.partial(models.autograd_gradients, x=x, y=y, loss=models.mean_squared_error)
    p = row.preconditioner
    return Problem(
        preconditioner=None if p is None else p[models_].to(x.dtype),
        hyperparameters=row.hyperparameters,
        objective=gradients,
        hessian_product=functools.partial(curvature.hessian_product, gradients),
        inputs=x,
        output_root=curvature.squared_error_root,
        streams=STREAMS[models_],
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


def layout(tree: dict[str, Tensor]) -> dict[str, tuple]:
    return {key: (value.shape, value.dtype) for key, value in tree.items()}


def copy(tree: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in tree.items()}


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
    reference = of_torch(Shampoo, epsilon=shampoo.EPSILON, refresh_every=4)
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
    before = row.method.init(params, problem_of(row, x, y))
    trail, after = run(row, params, x, y, steps=2)
    assert layout(trail[-1]) == layout(params)
    assert {key: layout(group) for key, group in after.items()} == {key: layout(group) for key, group in before.items()}


def test_an_update_changes_neither_parameters_nor_gradients_nor_state(row, task):
    params, x, y = task
    problem = problem_of(row, x, y)
    gradients, state = problem.objective(params)[1], row.method.init(params, problem)
    kept = copy(params), copy(gradients), {key: copy(group) for key, group in state.items()}
    row.method.update(gradients, state, params, problem)
    for tree, before in zip((params, gradients, *state.values()), (*kept[:2], *kept[2].values()), strict=True):
        assert all(torch.equal(tree[key], before[key]) for key in before)


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
