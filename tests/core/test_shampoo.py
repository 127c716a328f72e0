"""Shampoo where it has a closed form, and where its matrices have no root."""

import numpy as np
import pytest
import torch
from torch import Tensor

from featurelearning.optimizers import shampoo
from featurelearning.optimizers.problem import Problem
from references import assert_close, random_params

M, D, H = 3, 4, 5


@pytest.fixture
def situation() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    rng = np.random.default_rng(37)
    return random_params(rng, M, D, H), random_params(rng, M, D, H)


def steps(gradients: dict[str, Tensor], params: dict[str, Tensor], count: int) -> dict[str, Tensor]:
    """Return the last of some steps with the same gradients."""
    state = shampoo.init(params, Problem())
    for _ in range(count):
        step, state = shampoo.update(gradients, state, params, Problem())
    return step


@pytest.mark.parametrize("count", [1, 5])
def test_constant_gradients_keep_their_singular_vectors(situation, count):
    """A singular value s of G becomes s / sqrt(eps + t s^2) after t steps: u s v^T, with u and v kept."""
    params, gradients = situation
    found = steps(gradients, params, count)
    for key, gradient in gradients.items():
        for i in range(M):
            u, s, v = np.linalg.svd(np.asarray(gradient[i]), full_matrices=False)
            assert_close(found[key][i], u * (s / np.sqrt(shampoo.EPSILON + count * s**2)) @ v)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e200])
def test_a_diverged_model_raises_nothing_and_harms_no_other(situation, bad):
    params, gradients = situation
    wanted = steps(gradients, params, 2)
    found = steps({key: value.index_fill(0, torch.tensor([1]), bad) for key, value in gradients.items()}, params, 2)
    for key in params:
        assert_close(found[key][[0, 2]], wanted[key][[0, 2]])
        assert found[key][1].isnan().all()


def test_roots_are_computed_always_at_first_and_rarer_up_to_the_interval():
    count = torch.ones(M, 1, 1)
    found = [step for step in range(20_000) if shampoo.due(step * count)]
    assert found[:34] == [*range(32), 32, 34]
    assert found[-3:] == [19_712, 19_840, 19_968]
    for last, new in zip(found, found[1:], strict=False):
        assert new - last <= min(shampoo.INTERVAL, max(1, last / 16))


def test_rounding_below_the_least_eigenvalue_gives_no_larger_root():
    """In single precision eps is below the rounding of a large sum, whose eigenvalues may then be negative."""
    g = torch.tensor(np.random.default_rng(38).normal(0, 1e3, (1, 8, 2)), dtype=torch.float32)
    matrix = g @ g.mT + shampoo.EPSILON * torch.eye(8)
    assert torch.linalg.eigvalsh(matrix).min() < 0
    largest = torch.linalg.eigvalsh(shampoo.inverse_root(matrix, 4)).max()
    assert_close(largest, shampoo.EPSILON**-0.25, 1e-5)
