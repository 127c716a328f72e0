"""SAM beside what theory says of its step; the plain loop is its row in method_table.py."""

import functools

import numpy as np
import pytest
import torch
from torch import Tensor

from featurelearning.networks import dense, two_layer_relu
from featurelearning.optimizers import sam, sgd
from featurelearning.optimizers.problem import Problem
from references import assert_close, random_params

M, D, H, N = 3, 4, 6, 15


@pytest.fixture
def task() -> tuple:
    """Parameters and the gradient function of three networks."""
    rng = np.random.default_rng(40)
    params = random_params(rng, M, D, H)
    x, y = torch.tensor(rng.standard_normal((M, N, D))), torch.tensor(rng.normal(size=(M, N)))
    return params, functools.partial(dense.autograd_gradients, x=x, y=y, loss=two_layer_relu.mean_squared_error)


def step(params, objective, rho, gradients=None) -> dict[str, Tensor]:
    found = objective(params)[1] if gradients is None else gradients
    return sam.update(found, {}, params, Problem(hyperparameters={"rho": rho}, objective=objective))[0]


def row(tree: dict[str, Tensor], model: int) -> np.ndarray:
    return np.concatenate([value[model].numpy().ravel() for value in tree.values()])


def test_rho_zero_is_gradient_descent_bit_for_bit(task):
    params, objective = task
    problem = Problem(hyperparameters={"rho": 0.0}, objective=objective)
    trails = []
    for method in (sam, sgd):
        at, trail = params, []
        for _ in range(20):
            found, _ = method.update(objective(at)[1], {}, at, problem)
            at = {key: value - 0.1 * found[key] for key, value in at.items()}
            trail.append(at)
        trails.append(trail)
    for one, other in zip(*trails, strict=True):
        assert all(torch.equal(one[key], other[key]) for key in other)


def test_on_a_quadratic_the_step_is_known(task):
    """L = w^T H w / 2: the step is H (w + rho H w / |H w|), with the norm over all parameters together."""
    params, rho = task[0], 0.3
    p = len(row(params, 0))
    root = np.random.default_rng(41).standard_normal((M, p, p))
    h = root @ root.swapaxes(1, 2) / p

    def objective(at: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        w = np.stack([row(at, model) for model in range(M)])
        gradients = np.split(np.einsum("mij,mj->mi", h, w), np.cumsum([v[0].numel() for v in at.values()])[:-1], axis=1)
        shaped = {key: torch.tensor(g).reshape(at[key].shape) for key, g in zip(at, gradients, strict=True)}
        return torch.tensor(np.einsum("mi,mij,mj->m", w, h, w) / 2), shaped

    found = step(params, objective, rho)
    for model in range(M):
        w = row(params, model)
        g = h[model] @ w
        assert_close(row(found, model), h[model] @ (w + rho * g / np.linalg.norm(g)))


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own import
def test_to_first_order_the_step_adds_the_hessian_along_the_gradient(task):
    """step - g = rho H g / |g| + O(rho^2): what is left falls fourfold when rho is halved."""
    params, objective = task
    g = objective(params)[1]
    product = dense.gradients_along(objective, params, g)[2]
    rhos = 2.0 ** -np.arange(8, 13)
    left = np.empty((M, len(rhos)))
    for i, rho in enumerate(rhos):
        found = step(params, objective, rho)
        for model in range(M):
            expansion = rho * row(product, model) / np.linalg.norm(row(g, model))
            left[model, i] = np.linalg.norm(row(found, model) - row(g, model) - expansion)
            assert left[model, i] < 0.1 * np.linalg.norm(expansion)
    orders = -np.diff(np.log2(left), axis=1)
    np.testing.assert_allclose(orders, 2, atol=0.05)


def test_each_model_may_have_its_own_rho(task):
    params, objective = task
    rhos = torch.tensor([0.0, 0.05, 0.5], dtype=torch.float64).reshape(M, 1, 1)
    found = step(params, objective, rhos)
    for model, rho in enumerate(rhos.flatten().tolist()):
        for key, wanted in step(params, objective, rho).items():
            assert_close(found[key][model], wanted[model], 1e-14)


def test_a_gradient_of_zero_stays_and_a_nan_stays_in_its_model(task):
    params, objective = task
    gradients = {key: value.clone() for key, value in objective(params)[1].items()}
    for value in gradients.values():
        value[0] = 0
    gradients["weight2"][1, 0] = torch.nan
    found, here, alone = step(params, objective, 0.1, gradients), objective(params)[1], step(params, objective, 0.1)
    for key in params:
        assert torch.equal(found[key][0], here[key][0])
        assert found[key][1].isnan().any()
        assert torch.equal(found[key][2], alone[key][2])


def test_an_update_is_one_graph(task):
    """torch.compile follows the whole update: nothing branches on a tensor."""
    params, objective = task
    whole = torch.compile(functools.partial(step, objective=objective, rho=0.1), backend="eager", fullgraph=True)
    found, wanted = whole(params), step(params, objective, 0.1)
    for key in params:
        assert_close(found[key], wanted[key], 1e-14)
