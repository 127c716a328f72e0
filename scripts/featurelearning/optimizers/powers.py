"""Powers of a covariance through its eigenpairs: the preconditioner P = Sigma^p of P1."""

import numpy as np

from featurelearning import arrays

LARGEST = float(np.finfo(np.float32).max)
SMALLEST = float(np.finfo(np.float32).tiny)
EPSILON = float(np.finfo(np.float64).eps)


def cleared(values: np.ndarray, epsilon: float = EPSILON) -> np.ndarray:
    """Return eigenvalues [..., d] of estimates with those of at most d * epsilon * the largest in magnitude set to 0.

    epsilon: of the dtype that the covariance was estimated in. An estimate from fewer samples than inputs, or of inputs
    that repeat others, is singular; in place of zeros rounding leaves tiny numbers of either sign.
    """
    size = np.abs(values)
    return np.where(size <= values.shape[-1] * epsilon * size.max(axis=-1, keepdims=True), 0, values)


def power(values: np.ndarray, p: float) -> np.ndarray:
    """Return the eigenvalues lambda^p [..., d] of Sigma^p, from known ones or those that `covariance.eigenpairs` gives.

    Raises ValueError, naming the eigenvalue and p, where lambda^p does not exist (lambda = 0 with p < 0; lambda < 0
    with p < 0 or fractional) or leaves the range of float32; and as `arrays.real`.
    """
    values, p = arrays.real("eigenvalues", values, (..., "inputs")), arrays.number("p", p)
    smallest, count = float(np.min(values)), np.count_nonzero(values <= 0)
    if smallest < 0 and (p < 0 or p != int(p)):
        raise ValueError(
            f"eigenvalue {smallest:.3g} has no power p = {p:g}: a covariance has none below zero but by rounding, "
            "which covariance.eigenpairs sets to 0; give the eigenvalues of a covariance"
        )
    if smallest == 0 and p < 0:
        raise ValueError(
            f"eigenvalue 0 has no power p = {p:g}: the covariance is singular, {count} of {values.size} eigenvalues "
            "are zero up to rounding, as with fewer samples than inputs or with inputs that repeat others; add a ridge "
            "(covariance.ridged), estimate by oas or, from several samples, by ledoit_wolf, or use p = 0 or more"
        )
    with np.errstate(over="ignore", under="ignore"):
        result = values.astype(np.float64) ** p
    bad = (result > LARGEST) | ((result < SMALLEST) & (values > 0))
    if np.any(bad):
        value = float(values[bad].flat[0])
        raise ValueError(
            f"eigenvalue {value:.3g} to the power p = {p:g} leaves the range of float32 "
            f"[{SMALLEST:.1e}, {LARGEST:.1e}]: use a p nearer to 0 or rescale the inputs"
        )
    return result


def same_trace(power: np.ndarray, eigenvalues: np.ndarray) -> np.ndarray:
    """Return the eigenvalues [..., d] of P scaled to trace(P Sigma) = trace(Sigma), those of Sigma being given.

    trace(P Sigma) is the mean of x^T P x, by which a step moves a sample's own pre-activations. Sigma is the ridged
    covariance where P is a power of that: for p <= -1.5 directions without data hold most of its trace, and those of
    large variance hardly move at any scale. Source: choice of this project (P1 is silent). Raises as `arrays.real`, and
    ValueError where trace(P Sigma) is not positive.
    """
    power = arrays.real("power", power, (..., "inputs"))
    eigenvalues = arrays.real("eigenvalues", eigenvalues, power.shape)
    _require_trace((power * eigenvalues).sum(axis=-1))
    return power * eigenvalues.sum(axis=-1, keepdims=True) / (power * eigenvalues).sum(axis=-1, keepdims=True)


def unit_mean(values: np.ndarray) -> np.ndarray:
    """Return the eigenvalues [..., d] of a matrix scaled to trace d, that of the identity; raises as `same_trace`."""
    values = arrays.real("eigenvalues", values, (..., "inputs"))
    _require_trace(values.mean(axis=-1))
    return values / values.mean(axis=-1, keepdims=True)


def _require_trace(trace):
    if np.min(trace) <= 0:
        raise ValueError(
            f"eigenvalues: a trace of {np.min(trace):.3g} cannot be scaled to another; allowed: above 0; give "
            "eigenvalues of 0 or more, not all of them 0"
        )
