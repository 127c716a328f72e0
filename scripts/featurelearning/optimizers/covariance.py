"""Covariance estimators, eigenpairs and matrix powers; uncentred throughout, since the preconditioner acts on the
Gram matrix of the raw inputs (P1, Theorems 1 and 2)."""

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.covariance import empirical_covariance, ledoit_wolf, oas

from featurelearning import arrays
from featurelearning.optimizers import powers

# Each gives the covariance and how far it was shrunk, None where it never is.
ESTIMATORS = {
    "empirical": lambda x: (empirical_covariance(x, assume_centered=True), None),
    "ledoit_wolf": lambda x: ledoit_wolf(x, assume_centered=True),
    "oas": lambda x: oas(x, assume_centered=True),
}
LARGEST = 1e70  # of inputs: the shrinkage takes sums of fourth powers


def estimate(x: np.ndarray, estimator: str) -> np.ndarray:
    """Return the uncentred covariance [d, d] of the samples x [n, d], in float64 whatever the dtype of x.

    empirical: X^T X / n; ledoit_wolf and oas: shrunk towards the scaled identity (scikit-learn).
    Raises ValueError for an unknown estimator and where samples, being one or all alike up to sign, do not tell how far
    to shrink; for x as `arrays.real`.
    """
    if estimator not in ESTIMATORS:
        raise ValueError(f"estimator: {estimator!r} is unknown; allowed: {', '.join(ESTIMATORS)}")
    x = arrays.real("x", x, ("samples", "inputs"), LARGEST).astype(np.float64, copy=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Only one sample available")  # one sample has a covariance, of rank one
        sigma, shrinkage = ESTIMATORS[estimator](x)
    if shrinkage is not None and shrinkage <= powers.EPSILON * x.shape[1] and x.shape[1] > 1:
        raise ValueError(
            f"x: {len(x)} samples without spread, from which {estimator} tells how far to shrink; allowed: two or more "
            "that differ by more than sign; give more samples, or take empirical with a ridge (covariance.ridged)"
        )
    return sigma


def eigenpairs(sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues [d], descending, and eigenvectors [d, d] in columns, of a symmetric matrix.

    What is rounding counts as zero, see `powers.cleared`; epsilon is that of the dtype that sigma is given in, of
    float64 for what `estimate` returns. Signs are fixed by a rule, the largest entry of each eigenvector in magnitude
    (the first of equals) being positive, so that the same matrix has the same eigenvectors everywhere; within equal
    eigenvalues the basis stays arbitrary. Raises ValueError for a matrix that is not symmetric up to rounding, and as
    `arrays.real`.
    """
    values, vectors = decomposed(sigma)
    return powers.cleared(values, arrays.precision(sigma)), vectors


def ridged(sigma: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the eigenpairs of Sigma + delta I, as `eigenpairs`, and delta = ridge * trace(Sigma) / d.

    Of a singular estimate (MNIST), rounding leaves tiny negative eigenvalues: they count as zero before delta is added.
    Raises ValueError for a negative ridge, and as `eigenpairs`.
    """
    if (ridge := arrays.number("ridge", ridge)) < 0:
        raise ValueError(f"ridge: {ridge:g} given; allowed: 0 or more, a share of the mean eigenvalue; raise it")
    values, vectors = decomposed(sigma)
    delta = ridge * values.mean()
    return powers.cleared(np.clip(values, 0.0, None) + delta, arrays.precision(sigma)), vectors, delta


def decomposed(sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the eigenpairs as they are computed, which is with an error of some epsilon times the largest."""
    epsilon = arrays.precision(sigma)
    sigma = arrays.real("sigma", sigma, ("inputs", "inputs"))
    arrays.require_shape("sigma", sigma.shape, (len(sigma), len(sigma)))
    asymmetry, largest = np.abs(sigma - sigma.T).max(), np.abs(sigma).max()
    if asymmetry > epsilon**0.5 * largest:
        raise ValueError(
            f"sigma: entries up to {largest:.3g} differ from their mirror images by up to {asymmetry:.3g}; allowed: a "
            "symmetric matrix, as estimate returns it; give a covariance, not the samples"
        )
    values, vectors = np.linalg.eigh(sigma)
    values, vectors = values[::-1], vectors[:, ::-1]
    size = np.abs(vectors)
    equal = 1 - max(1e-9, 10 * epsilon)  # equals differ by rounding, and that by machine
    largest = (size > equal * size.max(axis=0)).argmax(axis=0)
    return values, vectors * np.sign(vectors[largest, np.arange(len(values))])


def condition_number(values: np.ndarray) -> float:
    """Return the largest over the smallest of eigenvalues [d]; infinite where the smallest is not positive."""
    values = arrays.real("eigenvalues", values, ("inputs",))
    return float(values.max() / values.min()) if values.min() > 0 else float("inf")


def effective_rank(values: np.ndarray) -> float:
    """Return trace(Sigma) / largest eigenvalue, the intrinsic dimension (Vershynin 2018, section 5.6); 0 of zeros."""
    values = arrays.real("eigenvalues", values, ("inputs",))
    return float(values.sum() / values.max()) if values.any() else 0.0


def described(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, tuple]:
    """Return the eigenpairs of every seed and what they tell, as name -> (dimensions, array)."""
    return {
        "eigenvalue": (("seed", "direction"), np.stack([values for values, _ in pairs])),
        "eigenvector": (("seed", "input", "direction"), np.stack([vectors for _, vectors in pairs])),
        "condition_number": (("seed",), np.array([condition_number(values) for values, _ in pairs])),
        "effective_rank": (("seed",), np.array([effective_rank(values) for values, _ in pairs])),
    }
