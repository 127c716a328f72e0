"""Powers of a covariance against scipy's matrix functions, and every refusal."""

import numpy as np
import pytest
import scipy.linalg

from featurelearning.optimizers import covariance, powers
from references import assert_close

EXPONENTS = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.7, 2.0)


@pytest.fixture
def sigma() -> np.ndarray:
    x = np.random.default_rng(5).standard_normal((50, 6)) * np.geomspace(1, 0.1, 6)
    return x.T @ x / 50


def matrix(sigma: np.ndarray, p: float) -> np.ndarray:
    values, vectors = covariance.eigenpairs(sigma)
    return (vectors * powers.power(values, p)) @ vectors.T


@pytest.mark.parametrize("p", EXPONENTS)
def test_powers_are_scipys_fractional_matrix_powers(sigma, p):
    assert_close(matrix(sigma, p), scipy.linalg.fractional_matrix_power(sigma, p), 1e-9)


def test_minus_one_is_the_inverse_zero_the_identity_and_one_the_matrix(sigma):
    assert_close(matrix(sigma, -1.0), np.linalg.inv(sigma))
    assert_close(matrix(sigma, 0.0), np.eye(6))
    assert_close(matrix(sigma, 1.0), sigma)


def test_a_stack_of_spectra_is_raised_entry_by_entry():
    values = np.array([[4.0, 1.0], [9.0, 0.25]])
    assert_close(powers.power(values, -0.5), [[0.5, 1.0], [1 / 3, 2.0]])


def test_a_zero_eigenvalue_has_every_power_that_exists():
    np.testing.assert_array_equal(powers.power(np.array([4.0, 0.0]), 0.0), [1, 1])
    np.testing.assert_array_equal(powers.power(np.array([4.0, 0.0]), 0.5), [2, 0])
    np.testing.assert_array_equal(powers.power(np.array([4.0, 0.0]), 1.0), [4, 0])


@pytest.mark.parametrize("p", [-1.0, -0.5])
def test_a_negative_power_of_zero_is_refused(p):
    with pytest.raises(ValueError) as caught:
        powers.power(np.array([4.0, 0.0]), p)
    assert str(caught.value) == (
        f"eigenvalue 0 has no power p = {p:g}: the covariance is singular, 1 of 2 eigenvalues are zero up to rounding, "
        "as with fewer samples than inputs or with inputs that repeat others; add a ridge (covariance.ridged), "
        "estimate by oas or, from several samples, by ledoit_wolf, or use p = 0 or more"
    )


@pytest.mark.parametrize("value, p", [(-1e-17, 0.5), (-1e-17, -2.0)])
def test_what_is_no_eigenvalue_of_a_covariance_is_refused(value, p):
    with pytest.raises(ValueError) as caught:
        powers.power(np.array([4.0, value]), p)
    assert str(caught.value) == (
        f"eigenvalue {value:.3g} has no power p = {p:g}: a covariance has none below zero but by rounding, which "
        "covariance.eigenpairs sets to 0; give the eigenvalues of a covariance"
    )


@pytest.mark.parametrize("value, p", [(1e-30, -2.0), (1e30, 2.0), (1e-30, 2.0), (1e-200, -2.0), (1e200, -2.0)])
def test_a_power_beyond_float32_is_refused(value, p):
    with pytest.raises(ValueError) as caught:
        powers.power(np.array([1.0, value]), p)
    message = str(caught.value)
    assert message.startswith(f"eigenvalue {value:.3g} to the power p = {p:g} leaves the range of float32 [1.2e-38, ")
    assert message.endswith("use a p nearer to 0 or rescale the inputs")


@pytest.mark.parametrize("p", [-2.0, -1.0, 0.0, 0.5, 1.0])
def test_same_trace_leaves_the_trace_of_p_sigma_and_the_ratios_of_p(p):
    values = np.array([[1.0, 4.0, 2.0], [10.0, 5.0, 0.1]])
    found = powers.same_trace(powers.power(values, p), values)
    assert_close((found * values).sum(axis=1), [7, 15.1])
    assert_close(found / found[:, :1], values**p / values[:, :1] ** p)


@pytest.mark.parametrize(
    "function, message",
    [
        (lambda: powers.power(np.array([1.0, np.nan]), -1.0), "eigenvalues: 1 of 2 values are not finite"),
        (lambda: powers.power(np.ones(2), np.nan), "p: 1 of 1 values are not finite"),
        (lambda: powers.same_trace(np.ones(2), np.ones(3)), r"eigenvalues: shape \[3\] given; allowed: \[2\]"),
        (lambda: powers.same_trace(np.zeros(2), np.ones(2)), "eigenvalues: a trace of 0 cannot be scaled to another"),
        (lambda: powers.unit_mean(np.zeros((2, 3))), "eigenvalues: a trace of 0 cannot be scaled to another"),
    ],
)
def test_what_has_no_power_and_no_scale_is_named(function, message):
    with pytest.raises(ValueError, match=message):
        function()
