"""One gradient step on a single-index task in the proportional regime: how far the new feature is from the teacher.

y = link(beta . x) + noise, x ~ N(0, Sigma), |beta| = 1, d / n = phi. From a small start one step of G moves its rows
along beta_sgd = X^T y / n, or, with the inputs' factor S = X^T X / n, along beta_kfac = (S + lambda_G I)^-1 X^T y / n.
Their cosines with beta have closed forms for d -> infinity, in Sigma's eigenbasis with eigenvalues l, coefficients b:
    <f> = sum b^2 f(l), of each draw of beta; mean(f), over eigenvalues; m_1 = <l>, m_2 = <l^2>;
    c = E[link(z) z] / m_1 and E_y = E[link(z)^2] + noise^2 for z ~ N(0, m_1);
    cos_sgd = c m_1 / sqrt(c^2 m_2 + phi mean(l) E_y);
    kappa = lambda_G + kappa phi mean(l / (l + kappa)), a = l / (l + kappa),
    R = (c^2 <kappa^2 l / (l + kappa)^2> + E_y - c^2 m_1) / (1 - phi mean(a^2)),
    cos_kfac = c <a> / sqrt(c^2 <a^2> + phi mean(l / (l + kappa)^2) R).
Source: the question is that of Zhang et al. 2025, arXiv 2502.01763, single-index models; the formulas are derived here.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import linalg, optimize

from featurelearning.seeding import generator

POINTS = 200  # of the quadrature over z, exact for smooth links


class Link(NamedTuple):
    """A link, and c and E[link(z)^2] for z ~ N(0, m)."""

    function: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[float], float]
    square: Callable[[float], float]


def relu(z: np.ndarray) -> np.ndarray:
    """Return max(z, 0)."""
    return np.maximum(z, 0)


def gaussian_mean(function: Callable[[np.ndarray], np.ndarray], m: float) -> float:
    """Return E[function(z)] for z ~ N(0, m)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(POINTS)
    return float(weights @ function(np.sqrt(m) * nodes) / weights.sum())


LINKS = {
    "relu": Link(relu, lambda m: 0.5, lambda m: m / 2),  # not centred
    "tanh": Link(
        np.tanh,
        lambda m: gaussian_mean(lambda z: np.tanh(z) * z, m) / m,
        lambda m: gaussian_mean(lambda z: np.tanh(z) ** 2, m),
    ),
}
SPECTRA: dict[str, Callable[[int], np.ndarray]] = {
    "iso": np.ones,
    "two": lambda d: np.where(np.arange(d) < d // 2, 1, 0.05),
    "half_power": lambda d: np.arange(1, d + 1) ** -0.5,
    "power": lambda d: np.arange(1, d + 1) ** -1.0,
}


def effective_damping(eigenvalues: np.ndarray, phi: float, damping: float) -> float:
    """Return kappa, the root of kappa = damping + kappa phi mean(l / (l + kappa)) that is not below the damping."""

    def excess(kappa: float) -> float:
        return kappa - damping - kappa * phi * np.mean(eigenvalues / (eigenvalues + kappa))

    return float(optimize.brentq(excess, damping, damping + 2 * phi * eigenvalues.mean(), xtol=1e-300, rtol=1e-14))


def moments(eigenvalues: np.ndarray, beta: np.ndarray, link: Link, noise: float) -> tuple[float, float, float]:
    """Return m_1, c and E_y."""
    m = float(beta**2 @ eigenvalues)
    return m, link.slope(m), link.square(m) + noise**2


def sgd_alignment(eigenvalues: np.ndarray, beta: np.ndarray, phi: float, link: Link, noise: float) -> float:
    """Return the closed form of cos_sgd."""
    m, c, square = moments(eigenvalues, beta, link, noise)
    return c * m / np.sqrt(c**2 * (beta**2 @ eigenvalues**2) + phi * eigenvalues.mean() * square)


def kfac_alignment(
    eigenvalues: np.ndarray, beta: np.ndarray, phi: float, link: Link, noise: float, damping: float
) -> float:
    """Return the closed form of cos_kfac."""
    m, c, square = moments(eigenvalues, beta, link, noise)
    kappa = effective_damping(eigenvalues, phi, damping)
    a, weights = eigenvalues / (eigenvalues + kappa), beta**2
    unexplained = c**2 * (weights @ (kappa**2 * eigenvalues / (eigenvalues + kappa) ** 2)) + square - c**2 * m
    variance = unexplained / (1 - phi * np.mean(a**2))
    spread = phi * np.mean(eigenvalues / (eigenvalues + kappa) ** 2) * variance
    return c * (weights @ a) / np.sqrt(c**2 * (weights @ a**2) + spread)


class Sample(NamedTuple):
    """One draw: the teacher beta [d] in Sigma's eigenbasis, inputs [n, d] and the noise of the labels [n]."""

    beta: np.ndarray
    x: np.ndarray
    errors: np.ndarray


def draw(master: int, seed: int, eigenvalues: np.ndarray, n: int, noise: float) -> Sample:
    """Draw a teacher uniform on the sphere, and n samples."""
    rng = generator(master, "single_index_step", seed)
    beta = rng.standard_normal(len(eigenvalues))
    x = rng.standard_normal((n, len(eigenvalues))) * np.sqrt(eigenvalues)
    return Sample(beta / np.linalg.norm(beta), x, noise * rng.standard_normal(n))


def labels(sample: Sample, link: Link) -> np.ndarray:
    """Return link(beta . x) + noise [n]."""
    return link.function(sample.x @ sample.beta) + sample.errors


def directions(x: np.ndarray, y: np.ndarray, dampings: np.ndarray) -> np.ndarray:
    """Return beta_sgd and beta_kfac for each damping, [1 + dampings, d].

    With fewer samples than inputs the inverse is that of the smaller Gram matrix,
    (S + lambda I)^-1 X^T = X^T (X X^T / n + lambda I)^-1.
    """
    n, d = x.shape
    plain = x.T @ y / n
    gram = (x.T @ x if d <= n else x @ x.T) / n
    found = [plain]
    for damping in dampings:
        damped = gram + damping * np.eye(len(gram))
        solved = linalg.solve(damped, plain if d <= n else y / n, assume_a="pos", overwrite_a=True)
        found.append(solved if d <= n else x.T @ solved)
    return np.stack(found)


def alignment(direction: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Return the cosine between directions [..., d] and beta [d]."""
    return direction @ beta / np.linalg.norm(direction, axis=-1)
