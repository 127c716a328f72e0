"""Covariance estimators, eigenpairs and matrix powers; uncentred throughout, since the preconditioner acts on the
Gram matrix of the raw inputs (P1, Theorems 1 and 2)."""

from collections.abc import Sequence

import numpy as np
from sklearn.covariance import empirical_covariance, ledoit_wolf, oas

ESTIMATORS = {
    "empirical": lambda x: empirical_covariance(x, assume_centered=True),
    "ledoit_wolf": lambda x: ledoit_wolf(x, assume_centered=True)[0],
    "oas": lambda x: oas(x, assume_centered=True)[0],
}


def estimate(x: np.ndarray, estimator: str) -> np.ndarray:
    """Return the uncentred covariance [d, d] of the samples x [n, d].

    empirical: X^T X / n; ledoit_wolf and oas: shrunk towards the scaled identity (scikit-learn).
    Raises ValueError for an unknown estimator.
    """
    if estimator not in ESTIMATORS:
        raise ValueError(f"estimator: {estimator!r} is unknown; allowed: {', '.join(ESTIMATORS)}")
    return ESTIMATORS[estimator](x)


def eigenpairs(sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues [d], descending, and eigenvectors [d, d] in columns, of a symmetric matrix.

    Signs are fixed by a rule, the largest entry of each eigenvector in magnitude (the first of equals) being positive,
    so that the same matrix has the same eigenvectors everywhere; within equal eigenvalues the basis stays arbitrary.
    """
    values, vectors = np.linalg.eigh(sigma)
    values, vectors = values[::-1], vectors[:, ::-1]
    size = np.abs(vectors)
    largest = (size > (1 - 1e-9) * size.max(axis=0)).argmax(axis=0)  # equals differ by rounding, and that by machine
    return values, vectors * np.sign(vectors[largest, np.arange(len(values))])


def add_ridge(values: np.ndarray, ridge: float) -> np.ndarray:
    """Return the eigenvalues of Sigma + delta I with delta = ridge * trace(Sigma) / d.

    For a singular estimate (MNIST), rounding leaves tiny negative eigenvalues: they count as zero.
    """
    return np.clip(values, 0.0, None) + ridge * values.mean()


def condition_number(values: np.ndarray) -> float:
    """Return the largest over the smallest eigenvalue; infinite where the smallest is not positive."""
    return float(values[0] / values[-1]) if values[-1] > 0 else float("inf")


def effective_rank(values: np.ndarray) -> float:
    """Return trace(Sigma) / largest eigenvalue, the intrinsic dimension (Vershynin 2018, section 5.6)."""
    return float(values.sum() / values[0])


def described(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, tuple]:
    """Return the eigenpairs of every seed and what they tell, as name -> (dimensions, array)."""
    return {
        "eigenvalue": (("seed", "direction"), np.stack([values for values, _ in pairs])),
        "eigenvector": (("seed", "input", "direction"), np.stack([vectors for _, vectors in pairs])),
        "condition_number": (("seed",), np.array([condition_number(values) for values, _ in pairs])),
        "effective_rank": (("seed",), np.array([effective_rank(values) for values, _ in pairs])),
    }
