"""Covariance estimators against scikit-learn and plain formulas; eigenpairs by what they must satisfy."""

import numpy as np
import pytest
from scipy import stats
from sklearn import covariance as sklearn_covariance

from featurelearning.optimizers import covariance, powers
from references import EXACT, assert_close, ledoit_wolf


@pytest.fixture
def x() -> np.ndarray:
    """Correlated samples with a mean, so that centring would show."""
    rng = np.random.default_rng(1)
    return rng.standard_normal((40, 6)) @ rng.standard_normal((6, 6)) + 1.5


@pytest.fixture
def sigma(x) -> np.ndarray:
    return x.T @ x / len(x)


def test_empirical_is_the_uncentred_second_moment(x):
    assert_close(covariance.estimate(x, "empirical"), sum(np.outer(row, row) for row in x) / len(x))


def test_ledoit_wolf_is_the_papers_formula(x):
    assert_close(covariance.estimate(x, "ledoit_wolf"), ledoit_wolf(x))


@pytest.mark.parametrize(
    "estimator, model", [("ledoit_wolf", sklearn_covariance.LedoitWolf), ("oas", sklearn_covariance.OAS)]
)
def test_shrinkage_estimators_are_scikit_learns(x, estimator, model):
    wanted = model(assume_centered=True).fit(x).covariance_
    assert_close(covariance.estimate(x, estimator), wanted)
    assert np.abs(wanted - covariance.estimate(x, "empirical")).max() > 1e-3  # it shrinks


@pytest.mark.parametrize("estimator", covariance.ESTIMATORS)
def test_every_estimator_recovers_the_population(estimator):
    values, n = np.array([10.0, 3.0, 1.0, 0.1]), 100_000
    x = np.random.default_rng(0).standard_normal((n, 4)) * np.sqrt(values)
    error = np.abs(covariance.estimate(x, estimator) - np.diag(values))
    spread = np.sqrt(np.outer(values, values) * (1 + np.eye(4)) / n)  # of the entries of a Wishart matrix over n
    assert (error < stats.norm.isf(1e-6) * spread).all()


def test_an_unknown_estimator_is_named_with_those_allowed(x):
    with pytest.raises(ValueError, match=r"estimator: 'sample' is unknown; allowed: empirical, ledoit_wolf, oas"):
        covariance.estimate(x, "sample")


def test_eigenpairs_are_orthonormal_descending_and_rebuild_the_matrix(sigma):
    values, vectors = covariance.eigenpairs(sigma)
    assert (np.diff(values) <= 0).all()
    assert_close(vectors.T @ vectors, np.eye(6))
    assert_close((vectors * values) @ vectors.T, sigma)


def test_the_largest_entry_of_an_eigenvector_is_positive_whatever_sign_eigh_returns(sigma, monkeypatch):
    eigh, (_, wanted) = np.linalg.eigh, covariance.eigenpairs(sigma)
    assert (np.take_along_axis(wanted, np.abs(wanted).argmax(axis=0)[None], axis=0) > 0).all()
    for signs in np.random.default_rng(2).choice([-1.0, 1.0], (5, 6)):
        monkeypatch.setattr(np.linalg, "eigh", lambda a, signs=signs: (eigh(a)[0], eigh(a)[1] * signs))
        np.testing.assert_array_equal(covariance.eigenpairs(sigma)[1], wanted)


def test_eigenvectors_follow_a_permutation_of_the_inputs(sigma):
    order = np.random.default_rng(3).permutation(6)
    values, vectors = covariance.eigenpairs(sigma)
    permuted_values, permuted_vectors = covariance.eigenpairs(sigma[np.ix_(order, order)])
    assert_close(permuted_values, values)
    assert_close(permuted_vectors, vectors[order])


@pytest.mark.parametrize("noise", [1e-15, -1e-15])
def test_entries_equal_but_for_rounding_have_a_fixed_sign(noise):
    vectors = covariance.eigenpairs(np.array([[2 + noise, 1.0], [1.0, 2 - noise]]))[1]
    assert_close(vectors, np.array([[1, 1], [1, -1]]) / np.sqrt(2))


def test_ridge_is_a_share_of_the_mean_eigenvalue_and_mends_a_singular_matrix():
    x = np.random.default_rng(4).standard_normal((5, 8))  # fewer samples than inputs: rank 5
    sigma = x.T @ x / 5
    values, vectors, delta = covariance.ridged(sigma, 1e-3)
    assert_close(delta, 1e-3 * np.trace(sigma) / 8)
    wanted = np.linalg.eigvalsh(sigma + 1e-3 * np.trace(sigma) / 8 * np.eye(8))[::-1]
    assert_close(values, wanted)
    assert (values > 0).all()
    assert_close((vectors * values) @ vectors.T, sigma + delta * np.eye(8))


def test_condition_number_and_effective_rank(sigma):
    values = covariance.eigenpairs(sigma)[0]
    assert_close(covariance.condition_number(values), np.linalg.cond(sigma), 1e-8)
    assert_close(covariance.effective_rank(values), np.trace(sigma) / np.linalg.norm(sigma, 2))
    assert covariance.condition_number(np.array([2.0, 0.0])) == np.inf
    assert_close(covariance.effective_rank(np.ones(7)), 7.0, EXACT)


def singular(kind: str, seed: int, n: int = 40, d: int = 6) -> np.ndarray:
    """Return samples of which the covariance is singular: a column twice, or fewer samples than columns."""
    x = np.random.default_rng(seed).standard_normal((n, d)) @ np.random.default_rng(seed + 1).standard_normal((d, d))
    if kind == "fewer":
        return x[: d - 2]
    return np.column_stack([x, x[:, 0]])


@pytest.mark.parametrize("kind, zeros", [("fewer", 2), ("twice", 1)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rounding_is_no_eigenvalue_whatever_its_sign(kind, zeros, dtype):
    """Of many singular covariances rounding leaves eigenvalues of either sign; all are refused, by name."""
    signs = set()
    for seed in range(12):
        sigma = covariance.estimate(singular(kind, 2 * seed), "empirical").astype(dtype)
        signs |= {*np.sign(np.linalg.eigvalsh(sigma)[:zeros])}
        values, _ = covariance.eigenpairs(sigma)
        assert (values[-zeros:] == 0).all() and (values[:-zeros] > 0).all()
        assert covariance.condition_number(values) == np.inf
        with pytest.raises(
            ValueError, match=rf"eigenvalue 0 has no power p = -1: .* {zeros} of {len(values)} eigenvalues"
        ):
            powers.power(values, -1.0)
        np.testing.assert_array_equal(powers.power(values, 0.5)[-zeros:], 0)
        ridged, _, delta = covariance.ridged(sigma, 0.05)
        assert (powers.power(ridged, -1.0) > 0).all() and delta > 0
    assert signs >= {-1, 1}  # it would be accepted in one case and refused in another


def test_single_precision_inputs_are_estimated_in_double(x):
    single = x.astype(np.float32)
    found = covariance.estimate(single, "empirical")
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, covariance.estimate(single.astype(np.float64), "empirical"))


def test_eigenpairs_of_single_precision_are_those_of_double(sigma):
    """Every eigenvector has length one and the same sign; a rule too fine for the type made some of them zero."""
    wanted, found = covariance.eigenpairs(sigma), covariance.eigenpairs(sigma.astype(np.float32))
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == np.float32
        assert_close(one, other, 1e-4)


def test_a_small_but_certain_eigenvalue_is_kept():
    values = np.array([1.0, 1e-12])
    assert_close(covariance.eigenpairs(np.diag(values))[0], values, EXACT * 1e-12)
    assert (covariance.eigenpairs(np.diag(values).astype(np.float32))[0] == [1, 0]).all()


def test_a_ridge_below_rounding_is_none():
    sigma = covariance.estimate(singular("twice", 0), "empirical")
    with pytest.raises(ValueError, match="eigenvalue 0 has no power p = -1: the covariance is singular"):
        powers.power(covariance.ridged(sigma, 1e-20)[0], -1.0)
    with pytest.raises(ValueError, match="ridge: -0.1 given; allowed: 0 or more"):
        covariance.ridged(sigma, -0.1)


@pytest.mark.parametrize("x", [np.ones((1, 4)), np.outer([1, -1, 1, 1], [0.1, 0.2, 0.3]), np.full((1000, 50), 0.1)])
def test_samples_without_spread_do_not_tell_how_far_to_shrink(x):
    """One sample has no spread: its shrinkage is 0, and the estimate as singular as the empirical one."""
    with pytest.raises(
        ValueError, match=rf"x: {len(x)} samples without spread, from which ledoit_wolf tells how far to"
    ):
        covariance.estimate(x, "ledoit_wolf")
    assert np.linalg.matrix_rank(covariance.estimate(x, "empirical")) == 1
    assert np.linalg.matrix_rank(covariance.estimate(x, "oas")) == x.shape[1]


def test_one_input_needs_no_shrinkage():
    assert_close(covariance.estimate(np.array([[2.0], [4.0]]), "ledoit_wolf"), [[10.0]])


@pytest.mark.parametrize(
    "sigma, message",
    [
        (
            np.arange(9.0).reshape(3, 3),
            "sigma: entries up to 8 differ from their mirror images by up to 4; allowed: a sym",
        ),
        (np.ones((3, 2)), r"sigma: shape \[3, 2\] given; allowed: \[3, 3\]"),
        (np.full((2, 2), np.nan), "sigma: 4 of 4 values are not finite"),
    ],
)
def test_what_is_no_covariance_is_refused(sigma, message):
    with pytest.raises(ValueError, match=message):
        covariance.eigenpairs(sigma)


def test_inputs_that_overflow_when_squared_are_refused():
    with pytest.raises(ValueError, match=r"x: 1 of 2 values are not finite, or beyond 1e\+70"):
        covariance.estimate(np.array([[1e200, 1.0]]), "empirical")


def test_order_does_not_matter_to_the_condition_number():
    assert covariance.condition_number([1.0, 4.0]) == covariance.condition_number([4.0, 1.0]) == 4
    assert covariance.effective_rank([0.0, 0.0]) == 0
