"""Powers of a covariance through its eigenpairs: the preconditioner P = Sigma^p of P1."""

import numpy as np

LARGEST = float(np.finfo(np.float32).max)
SMALLEST = float(np.finfo(np.float32).tiny)


def power(values: np.ndarray, p: float) -> np.ndarray:
    """Return the eigenvalues lambda^p [..., d] of Sigma^p.

    Raises ValueError, naming the eigenvalue and p, where lambda^p does not exist (lambda = 0 with p < 0; lambda < 0
    with p < 0 or fractional) or leaves the range of float32.
    """
    smallest = float(np.min(values))
    if (smallest <= 0 and p < 0) or (smallest < 0 and p != int(p)):
        raise ValueError(
            f"eigenvalue {smallest:.3g} has no power p = {p:g}: add a ridge to the covariance, "
            "choose a shrinkage estimator (ledoit_wolf, oas), or use p = 0 or 1"
        )
    with np.errstate(over="ignore", under="ignore"):
        result = np.asarray(values, dtype=np.float64) ** p
    bad = (result > LARGEST) | ((result < SMALLEST) & (values > 0))
    if np.any(bad):
        value = float(np.asarray(values)[bad].flat[0])
        raise ValueError(
            f"eigenvalue {value:.3g} to the power p = {p:g} leaves the range of float32 "
            f"[{SMALLEST:.1e}, {LARGEST:.1e}]: use a p nearer to 0 or rescale the inputs"
        )
    return result


def same_trace(power: np.ndarray, eigenvalues: np.ndarray) -> np.ndarray:
    """Return the eigenvalues [..., d] of P scaled to trace(P Sigma) = trace(Sigma), those of Sigma being given.

    trace(P Sigma) is the mean of x^T P x, by which a step moves a sample's own pre-activations. Sigma is the ridged
    covariance where P is a power of that: for p <= -1.5 directions without data hold most of its trace, and those of
    large variance hardly move at any scale. Source: choice of this project (P1 is silent).
    """
    return power * eigenvalues.sum(axis=-1, keepdims=True) / (power * eigenvalues).sum(axis=-1, keepdims=True)


def unit_mean(values: np.ndarray) -> np.ndarray:
    """Return the eigenvalues [..., d] of a matrix scaled to trace d, the trace of the identity."""
    return values / values.mean(axis=-1, keepdims=True)
