"""What any network of dense layers has learned of its inputs, per eigen-direction: of its weights, gradients, steps."""

import numpy as np

from featurelearning import arrays


def energy(weight1: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return the share of |W1|^2 on each direction: |u_k^T W1|^2 / |W1|_F^2.

    weight1 [..., d, h], basis [d, k] with orthonormal columns; the result is [..., k] and sums to 1 over a full basis.
    NaN for weights that are not finite or all 0. Raises as `arrays.real`.
    """
    weight1 = arrays.real("weight1", weight1, (..., "inputs", "hidden"), None)
    basis = arrays.real("basis", basis, (..., weight1.shape[-2], "directions"))
    projected = np.swapaxes(basis, -1, -2) @ weight1
    with np.errstate(divide="ignore", invalid="ignore"):
        return (projected**2).sum(axis=-1) / (weight1**2).sum(axis=(-1, -2))[..., None]


def sensitivity(input_gradients: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return the mean squared input gradient per direction: (1/n) sum_i (u_k . grad_x f(x_i))^2, shape [..., k].

    input_gradients [..., n, d] of any network of one output: it is the diagonal of the average gradient outer product
    in the basis [d, k]. Raises as `arrays.real`.
    """
    input_gradients = arrays.real("input_gradients", input_gradients, (..., "samples", "inputs"), None)
    basis = arrays.real("basis", basis, (..., input_gradients.shape[-1], "directions"))
    return ((input_gradients @ basis) ** 2).mean(axis=-2)


def gram_spectrum(x: np.ndarray, preconditioner: np.ndarray) -> np.ndarray:
    """Return the non-trivial eigenvalues of G_P = X P X^T, descending, for samples in rows x [n, d].

    They are the squared singular values of X P^{1/2}; P is symmetric positive semidefinite [d, d]. Taking them there
    rather than from G_P keeps the small ones to relative precision. Raises ValueError for a P with eigenvalues below
    zero by more than rounding, and as `arrays.real`. Source: P1, Theorem 1 (M1, M2).
    """
    x = arrays.real("x", x, ("samples", "inputs"))
    preconditioner = arrays.real("preconditioner", preconditioner, (x.shape[1], x.shape[1]))
    values, vectors = np.linalg.eigh(preconditioner)
    if values[0] < -len(values) * np.finfo(values.dtype).eps * np.abs(values).max():
        raise ValueError(
            f"preconditioner: eigenvalue {values[0]:.3g} given; allowed: 0 or more; give a power of a covariance"
        )
    root = vectors * np.sqrt(np.clip(values, 0.0, None))
    return np.linalg.svd(x @ root, compute_uv=False) ** 2


def log_log_slope(x: np.ndarray, y: np.ndarray) -> float:
    """Return the least-squares slope of log y against log x [k]; raises ValueError for values not above 0."""
    x = arrays.real("x", x, ("points",))
    y = arrays.real("y", y, x.shape)
    _require_positive("x", x)
    _require_positive("y", y)
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def effective_exponent(gradients: np.ndarray, steps: np.ndarray, eigenvalues: np.ndarray) -> np.ndarray:
    """Return the p [...] whose P = Sigma^p best explains first-layer steps, up to a common factor.

    The least-squares slope of log(|u_k| / |g_k|) on log lambda_k over eigen-directions k, norms over hidden units:
    gradients g and steps u [..., d, h], both in the eigenbasis; eigenvalues [d] or [..., d]. Of equal eigenvalues the
    mean log-ratio counts, so two levels give the slope through two points. NaN where a gradient or step vanishes along
    a direction, or is not finite. Raises ValueError where eigenvalues are all equal or not above 0, and as
    `arrays.real`. Source: derived here.
    """
    eigenvalues = arrays.real("eigenvalues", eigenvalues, (..., "inputs"))
    gradients = arrays.real("gradients", gradients, (..., eigenvalues.shape[-1], "hidden"), None)
    steps = arrays.real("steps", steps, gradients.shape, None)
    _require_positive("eigenvalues", eigenvalues)
    x = np.log(eigenvalues)
    if (np.ptp(x, axis=-1) < 1e-8).any():
        raise ValueError("eigenvalues: all equal; allowed: two or more different ones, or there is no slope")
    x = x - x.mean(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.log(np.linalg.norm(steps, axis=-1)) - np.log(np.linalg.norm(gradients, axis=-1))
        slope = (x * y).sum(axis=-1) / (x**2).sum(axis=-1)
    return np.where(np.isfinite(slope), slope, np.nan)


def _require_positive(name, values):
    if np.min(values) <= 0:
        raise ValueError(
            f"{name}: {np.count_nonzero(values <= 0)} of {values.size} values are not above 0, the least "
            f"{values.min():.3g}; allowed: above 0, or there is no logarithm; leave out directions without variance"
        )
