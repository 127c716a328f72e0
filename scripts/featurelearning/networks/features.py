"""What any network of dense layers has learned of its inputs, per eigen-direction: of its weights, gradients, steps."""

import numpy as np


def energy(weight1: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return the share of |W1|^2 on each direction: |u_k^T W1|^2 / |W1|_F^2.

    weight1 [..., d, h], basis [d, k] with orthonormal columns; the result is [..., k] and sums to 1 over a full basis.
    """
    projected = np.swapaxes(basis, -1, -2) @ weight1
    return (projected**2).sum(axis=-1) / (weight1**2).sum(axis=(-1, -2))[..., None]


def sensitivity(input_gradients: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return the mean squared input gradient per direction: (1/n) sum_i (u_k . grad_x f(x_i))^2, shape [..., k].

    input_gradients [..., n, d] of any network of one output: it is the diagonal of the average gradient outer product
    in the basis [d, k].
    """
    return ((input_gradients @ basis) ** 2).mean(axis=-2)


def gram_spectrum(x: np.ndarray, preconditioner: np.ndarray) -> np.ndarray:
    """Return the non-trivial eigenvalues of G_P = X P X^T, descending, for samples in rows x [n, d].

    They are the squared singular values of X P^{1/2}; P is symmetric positive definite [d, d]. Taking them there
    rather than from G_P keeps the small ones to relative precision. Source: P1, Theorem 1 (M1, M2).
    """
    values, vectors = np.linalg.eigh(preconditioner)
    root = vectors * np.sqrt(np.clip(values, 0.0, None))
    return np.linalg.svd(x @ root, compute_uv=False) ** 2


def log_log_slope(x: np.ndarray, y: np.ndarray) -> float:
    """Return the least-squares slope of log y against log x."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def effective_exponent(gradients: np.ndarray, steps: np.ndarray, eigenvalues: np.ndarray) -> np.ndarray:
    """Return the p [...] whose P = Sigma^p best explains first-layer steps, up to a common factor.

    The least-squares slope of log(|u_k| / |g_k|) on log lambda_k over eigen-directions k, norms over hidden units:
    gradients g and steps u [..., d, h], both in the eigenbasis; eigenvalues [d] or [..., d]. Of equal eigenvalues the
    mean log-ratio counts, so two levels give the slope through two points. NaN where a gradient or step vanishes along
    a direction, or is not finite. Raises ValueError where all eigenvalues are equal. Source: derived here.
    """
    x = np.log(eigenvalues)
    if (np.ptp(x, axis=-1) < 1e-8).any():
        raise ValueError("eigenvalues: all equal; allowed: two or more different ones, or there is no slope")
    x = x - x.mean(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.log(np.linalg.norm(steps, axis=-1)) - np.log(np.linalg.norm(gradients, axis=-1))
        slope = (x * y).sum(axis=-1) / (x**2).sum(axis=-1)
    return np.where(np.isfinite(slope), slope, np.nan)
