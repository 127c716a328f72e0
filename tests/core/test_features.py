"""Feature measures against loops over samples, units and directions, and against autograd."""

import numpy as np
import pytest
import torch

from featurelearning.networks import features, two_layer_arrays
from featurelearning.optimizers import covariance
from references import EXACT, assert_close, network, random_params

M, D, H, N = 3, 5, 8, 20


@pytest.fixture
def params() -> dict[str, torch.Tensor]:
    return random_params(np.random.default_rng(6), M, D, H)


@pytest.fixture
def arrays(params) -> dict[str, np.ndarray]:
    return {key: value.numpy() for key, value in params.items()}


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(7).standard_normal((M, N, D)) * np.geomspace(3, 0.1, D)


@pytest.fixture
def basis() -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(8).standard_normal((D, D)))[0]


def autograd_input_gradients(params, x: np.ndarray, model: int) -> np.ndarray:
    inputs = torch.tensor(x[model], requires_grad=True)
    return torch.autograd.grad(network(params, model)(inputs).sum(), inputs)[0].numpy()


def test_energy_is_each_directions_share_of_the_squared_weights(arrays, basis):
    found = features.energy(arrays["weight1"], basis)
    for model, weight in enumerate(arrays["weight1"]):
        wanted = [sum((u @ weight[:, unit]) ** 2 for unit in range(H)) for u in basis.T]
        assert_close(found[model], np.array(wanted) / (weight**2).sum())
    assert_close(found.sum(axis=-1), np.ones(M))


def test_energy_of_a_rotated_layer_in_its_basis_is_unchanged(arrays, basis):
    rotated = features.energy(basis @ arrays["weight1"], basis)
    assert_close(rotated, features.energy(arrays["weight1"], np.eye(D)))


def test_energy_of_one_model_and_of_a_part_of_the_basis(arrays, basis):
    found = features.energy(arrays["weight1"][1], basis[:, :2])
    assert_close(found, features.energy(arrays["weight1"], basis)[1, :2])


def test_input_gradients_are_those_of_autograd(params, arrays, x):
    found = two_layer_arrays.input_gradients(arrays, x)
    for model in range(M):
        assert_close(found[model], autograd_input_gradients(params, x, model))


def test_sensitivity_is_the_diagonal_of_the_average_gradient_outer_product(params, arrays, x, basis):
    found = features.sensitivity(two_layer_arrays.input_gradients(arrays, x), basis)
    for model in range(M):
        outer = sum(np.outer(g, g) for g in autograd_input_gradients(params, x, model)) / N
        assert_close(found[model], np.diag(basis.T @ outer @ basis))
        one = two_layer_arrays.input_gradients({key: value[model] for key, value in arrays.items()}, x[model])
        alone = features.sensitivity(one, basis)
        assert_close(alone, found[model])


@pytest.mark.parametrize("p", [-2.0, -0.5, 0.0, 1.0])
def test_the_gram_spectrum_is_that_of_the_gram_matrix(x, p):
    values, vectors = covariance.eigenpairs(x[0].T @ x[0] / N)
    preconditioner = (vectors * values**p) @ vectors.T
    wanted = np.linalg.eigvalsh(x[0] @ preconditioner @ x[0].T)[::-1][:D]
    assert_close(features.gram_spectrum(x[0], preconditioner), wanted)


@pytest.mark.parametrize("p", [-2.0, -1.5, -1.0, 0.0, 1.0])
def test_the_gram_spectrum_of_a_power_of_the_empirical_covariance_is_a_power_law(x, p):
    """With X = U S V^T and P = (X^T X / n)^p the eigenvalues are s^(2(p + 1)) / n^p: M2 of P1."""
    values, vectors = covariance.eigenpairs(x[0].T @ x[0] / N)
    singular = np.linalg.svd(x[0], compute_uv=False)
    found = features.gram_spectrum(x[0], (vectors * values**p) @ vectors.T)
    np.testing.assert_allclose(np.sort(found), np.sort(singular ** (2 * (p + 1)) / N**p), rtol=1e-8)


@pytest.mark.parametrize("slope", [-2.0, 0.0, 0.5, 4.0])
def test_the_slope_of_an_exact_power_law_is_its_exponent(slope):
    x = np.geomspace(1e-3, 1e3, 9)
    assert abs(features.log_log_slope(x, 7 * x**slope) - slope) < 1e-12


def test_the_slope_is_a_least_squares_fit():
    rng = np.random.default_rng(9)
    x, y = rng.uniform(1, 9, 12), rng.uniform(1, 9, 12)
    u, v = np.log(x) - np.log(x).mean(), np.log(y)
    assert_close(features.log_log_slope(x, y), u @ v / (u @ u))


# --- the exponent that explains a method's steps ---

EIGENVALUES = np.geomspace(10, 0.1, D)


@pytest.fixture
def gradients() -> np.ndarray:
    return np.random.default_rng(10).standard_normal((M, D, H))


@pytest.mark.parametrize("p", [-2.0, -1.0, -0.5, 0.0, 0.5, 1.0])
def test_a_power_of_the_covariance_has_its_exponent_whatever_the_scale(gradients, p):
    scale = np.array([1e-8, 1.0, 1e8])[:, None, None]
    steps = scale * EIGENVALUES[:, None] ** p * gradients
    each = np.array([0.1, 1, 10])[:, None] * EIGENVALUES
    for eigenvalues in (EIGENVALUES, each):
        found = features.effective_exponent(gradients, steps, eigenvalues)
        assert found.shape == (M,) and (np.abs(found - p) <= EXACT).all()
    assert abs(features.effective_exponent(gradients[1], steps[1], EIGENVALUES) - p) <= EXACT


def test_the_exponent_is_a_least_squares_fit_over_directions(gradients):
    steps = np.random.default_rng(11).standard_normal((M, D, H))
    found = features.effective_exponent(gradients, steps, EIGENVALUES)
    for model in range(M):
        ratio = [np.sqrt((steps[model, k] ** 2).sum() / (gradients[model, k] ** 2).sum()) for k in range(D)]
        assert_close(found[model], features.log_log_slope(EIGENVALUES, ratio))


def test_two_levels_give_the_slope_through_the_means_of_their_blocks(gradients):
    steps = np.random.default_rng(12).standard_normal((M, D, H))
    ratio = np.log(np.linalg.norm(steps, axis=-1) / np.linalg.norm(gradients, axis=-1))
    wanted = (ratio[:, 0] - ratio[:, 1:].mean(axis=1)) / np.log(10 / 0.1)
    assert_close(features.effective_exponent(gradients, steps, np.array([10] + [0.1] * (D - 1))), wanted)


def test_no_exponent_where_a_direction_has_no_gradient_no_step_or_a_divergence(gradients):
    steps = gradients.copy()
    gradients[0, 1] = 0
    steps[1, 2] = 0
    steps[2, 3, 4] = np.nan
    assert np.isnan(features.effective_exponent(gradients, steps, EIGENVALUES)).all()


def test_equal_eigenvalues_have_no_slope(gradients):
    with pytest.raises(ValueError, match="eigenvalues: all equal; allowed: two or more different ones"):
        features.effective_exponent(gradients, gradients, np.full(D, 0.1))


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: features.energy(np.ones((4, 3)), np.eye(5)),
            r"basis: shape \[5, 5\] given; allowed: \[..., 4, direct",
        ),
        (
            lambda: features.sensitivity(np.ones((7, 4)), np.eye(5)),
            r"basis: shape \[5, 5\] given; allowed: \[..., 4, dir",
        ),
        (
            lambda: features.gram_spectrum(np.ones((7, 4)), np.eye(5)),
            r"preconditioner: shape \[5, 5\] given; .* \[4, 4\]",
        ),
        (
            lambda: features.gram_spectrum(np.ones((7, 2)), -np.eye(2)),
            "preconditioner: eigenvalue -1 given; allowed: 0 or",
        ),
        (
            lambda: features.log_log_slope([1.0, 0], [1.0, 2]),
            "x: 1 of 2 values are not above 0, the least 0; allowed: above",
        ),
        (
            lambda: features.effective_exponent(np.ones((2, 3)), np.ones((2, 3)), [1.0, 0]),
            "eigenvalues: 1 of 2 values are",
        ),
        (
            lambda: features.effective_exponent(np.ones((2, 3)), np.ones((2, 1)), [1.0, 2]),
            r"steps: shape \[2, 1\] given",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_dead_and_diverged_weights_have_no_energy():
    assert np.isnan(features.energy(np.zeros((4, 3)), np.eye(4))).all()
    assert np.isnan(features.energy(np.full((4, 3), np.nan), np.eye(4))).all()
