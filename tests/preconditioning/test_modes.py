"""Modes of a linear student against torch's own descent and the matrix exponential, which know of no modes."""

import functools

import numpy as np
import pytest
import torch
from scipy import linalg
from torch import nn

from featurelearning.networks import features, two_layer_relu
from featurelearning.optimizers import momentum, sigma_power
from featurelearning.optimizers.problem import Problem
from featurelearning.preconditioning import modes
from references import EXACT, assert_close, random_params

SEEDS, N, D, RATE, STEPS = 2, 12, 3, 0.02, 300
EXPONENTS = (-2, -1.5, -1, -0.5, 0, 0.5, 1)


@functools.cache
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(30)
    mixing = rng.standard_normal((SEEDS, D, D)) * np.geomspace(1, 0.1, D)[:, None]
    return rng.standard_normal((SEEDS, N, D)) @ mixing, rng.standard_normal((SEEDS, D))


@functools.cache
def course(rate: float = RATE, steps: int = STEPS) -> modes.Course:
    return modes.descend(*data(), EXPONENTS, rate, steps)


def powered(seed: int, p: float) -> tuple[np.ndarray, np.ndarray]:
    """Return Sigma^ and Sigma^^p of a seed's inputs."""
    x = data()[0][seed]
    sigma = sum(np.outer(row, row) for row in x) / N
    return sigma, linalg.fractional_matrix_power(sigma, p)


def test_a_trail_is_that_of_torch_with_preconditioned_gradients():
    x, teacher = data()
    y, p = np.einsum("snd,sd->sn", x, teacher), np.stack([powered(seed, 0.5)[1] for seed in range(SEEDS)])
    eta = np.array([0.1, 0.2])
    found = modes.trail(*map(torch.as_tensor, (x, y[..., None], p, eta[:, None, None])), 50)
    assert found.shape == (51, SEEDS, D, 1)
    for seed in range(SEEDS):
        student = nn.Linear(D, 1, bias=False).double()
        nn.init.zeros_(student.weight)
        optimizer = torch.optim.SGD(student.parameters(), lr=eta[seed])
        for w in found[1:, seed, :, 0]:
            optimizer.zero_grad()
            nn.functional.mse_loss(student(torch.tensor(x[seed]))[:, 0], torch.tensor(y[seed])).backward()
            student.weight.grad = student.weight.grad @ torch.tensor(p[seed])
            optimizer.step()
            assert_close(w, student.weight[0].detach())


def test_every_mode_falls_by_its_factor_at_every_exponent():
    found = course()
    assert found.remaining.shape == (STEPS + 1, len(EXPONENTS), SEEDS, D)
    assert (found.apart(found.discrete()) <= EXACT).all()
    assert (np.abs(found.remaining[-1]).min(axis=-1) < 0.1).all()  # the fastest mode of each has learned
    assert_close(found.share.max(axis=-1), np.full((len(EXPONENTS), SEEDS), 2 * RATE))


@pytest.mark.parametrize("p", [-2, -0.5, 0, 1])
def test_shares_are_twice_eta_times_the_eigenvalues_of_p_sigma(p):
    for seed in range(SEEDS):
        sigma, power = powered(seed, p)
        wanted = np.sort(np.linalg.eigvals(power @ sigma).real)
        assert_close(np.sort(course().share[EXPONENTS.index(p), seed]) / (2 * RATE), wanted / wanted.max())


def test_another_law_is_seen():
    found = course()
    x = data()[0]
    values = np.linalg.eigvalsh(x.swapaxes(1, 2) @ x / N)
    for p, share in ((p, found.share * values**0.1) for p in range(len(EXPONENTS))):
        assert (found.apart(found._replace(share=share).discrete())[p] >= 1e-3).all()
    assert (found.apart(found._replace(share=found.share / 2).discrete()) >= 1e-3).all()


@pytest.mark.parametrize("p", [-2, -1, 0, 0.5, 1])
def test_the_flow_is_the_matrix_exponential(p):
    teacher = data()[1]
    for seed in range(SEEDS):
        sigma, power = powered(seed, p)
        vectors = np.linalg.eigh(sigma)[1]
        eta = RATE / np.linalg.eigvals(power @ sigma).real.max()
        for step in (1, 40, STEPS):
            error = linalg.expm(-2 * eta * step * power @ sigma) @ -teacher[seed]
            wanted = (vectors.T @ error) / (vectors.T @ -teacher[seed])
            assert_close(course().flow()[step, EXPONENTS.index(p), seed], wanted)


def test_descent_nears_its_flow_linearly_in_the_rate():
    gaps = [found.apart(found.flow()) for found in (course(RATE / k, STEPS * k) for k in (1, 2, 4))]
    for rate, gap in zip((RATE, RATE / 2, RATE / 4), gaps, strict=True):
        assert_close(gap, np.full_like(gap, rate / np.e), rate)  # the next term is of the order of the rate
    assert_close(gaps[0] / gaps[1], np.full_like(gaps[0], 2), RATE)
    assert_close(gaps[1] / gaps[2], np.full_like(gaps[0], 2), RATE)


def spectral_step(params, problem, optimizer, state) -> tuple[np.ndarray, ...]:
    """Return the first layer's gradient and step [m, d, h] that a method takes next."""
    gradients = problem.objective(params)[1]
    step, _ = optimizer.update(gradients, state, params, problem)
    return gradients["weight1"].cpu().numpy(), step["weight1"].cpu().numpy()


@pytest.mark.parametrize("p", [-1.0, 0.5])
def test_the_spectral_step_of_a_power_has_its_exponent_and_that_of_momentum_none(p):
    rng, values = np.random.default_rng(31), torch.tensor([4.0, 1.0, 0.1], dtype=torch.float64)
    params, x, y = (
        random_params(rng, 2, D, 6),
        torch.tensor(rng.normal(size=(2, N, D))),
        torch.tensor(rng.normal(size=(2, N))),
    )
    objective = functools.partial(two_layer_relu.mse_gradients, x=x, y=y)
    problem = Problem((values**p).expand(2, D), {"momentum": 0.9}, objective)
    for method, wanted in ((sigma_power, p), (momentum, 0.0)):
        state = method.init(params, problem)
        gradients, steps = spectral_step(params, problem, method, state)
        assert_close(gradients, objective(params)[1]["weight1"])
        assert_close(features.effective_exponent(gradients, steps, values.numpy()), np.full(2, wanted))
