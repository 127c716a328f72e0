"""Teachers beyond the single index: signal in two bands, several modes, a hierarchy (P1, checks N1 and L2).

A teacher is a pure function of inputs [n, direction], all samples of a draw at once, and two coefficients a, b ~ N(0,
1); it returns the signal [n], which `single_index.draw_from` turns into labels. A teacher that needs one uses the
first, so that all are asked for the same numbers and are paired within a seed. Coordinates are those of the
population's eigenvectors; z_k = x_k / sqrt(lambda_k) has unit variance, so a formula in z is the same task whichever
band carries it; single_index and two_index read x, whose link is sharper in the band of high variance. In what adds
two terms, each term is first standardised over the samples, g(t) = (t - mean) / std: the share s then is the second
term's part of the signal's variance, up to the terms' sample correlation, which is O(1 / sqrt(n)) about 0.
"""

import functools
import inspect
from collections.abc import Mapping

import numpy as np
from scipy.special import expit, ndtr

from featurelearning.preconditioning import single_index
from featurelearning.preconditioning.kinds import TEACHERS

COEFFICIENTS = 2


def two_index(
    x: np.ndarray, coefficients: np.ndarray, high: int, low: int, share: float, sharpness: float
) -> np.ndarray:
    """Return sqrt(1 - s) g(link(a x_i)) + sqrt(s) g(link(b x_j)) [n], i the high-variance direction and j the low.

    The links are those of the single-index teacher, which this is, up to scale and offset, at s = 0 (all High, with
    coefficient a) and at s = 1 (all Low, with b). Raises ValueError for a share outside [0, 1] or i = j.
    """
    a, b = coefficients
    terms = (single_index.link(c * x[:, k], sharpness) for c, k in ((a, high), (b, low)))
    return _mixture(*terms, share, (high, low))


def multi_modal(
    x: np.ndarray, coefficients: np.ndarray, direction: int, modes: int, eigenvalues: np.ndarray
) -> np.ndarray:
    """Return cos(2 pi (m Phi(z_k) + Phi(a))) [n]: m modes along direction k, Phi the normal distribution function.

    Phi(z_k) is uniform, so the modes hold equal parts of the samples, the mean is 0 and the variance 1/2 whatever the
    eigenvalue and a; Phi(a) is a uniform phase. Raises ValueError for fewer than 2 modes.
    """
    if modes < 2:
        raise ValueError(f"modes: {modes} is not allowed; several are 2 or more")
    z = x[:, direction] / np.sqrt(eigenvalues[direction])
    return np.cos(2 * np.pi * (modes * ndtr(z) + ndtr(coefficients[0])))


def hierarchical(
    x: np.ndarray,
    coefficients: np.ndarray,
    coarse: int,
    fine: int,
    share: float,
    sharpness: float,
    eigenvalues: np.ndarray,
) -> np.ndarray:
    """Return sqrt(1 - s) g(c) + sqrt(s) g(c f) [n]: a branch c, and a finer label f that matters inside it only.

    c = 1 / (1 + exp(-sharpness sign(a) z_i)) is a smooth step along the coarse direction i, open for half of the
    samples, and f = tanh(b z_j) is odd in the fine direction j: c and c f are uncorrelated in the population.
    Raises ValueError for a share outside [0, 1] or i = j.
    """
    a, b = coefficients
    z = x / np.sqrt(eigenvalues)
    branch = expit(sharpness * np.sign(a) * z[:, coarse])
    return _mixture(branch, branch * np.tanh(b * z[:, fine]), share, (coarse, fine))


FUNCTIONS = dict(zip(TEACHERS, (single_index.signal, two_index, multi_modal, hierarchical), strict=True))


def teacher(given: Mapping, **known) -> single_index.Teacher:
    """Return the teacher of a kind and its parameters, with those of the task (`known`) that its formula asks for."""
    function = FUNCTIONS[given["kind"]]
    wanted = inspect.signature(function).parameters
    parameters = {name: value for name, value in (given | known).items() if name in wanted}
    return functools.partial(function, **parameters)


def _mixture(first, second, share, directions):
    if not 0 <= share <= 1:
        raise ValueError(f"share: {share:g} is not allowed; a share of the variance lies in [0, 1]")
    if directions[0] == directions[1]:
        raise ValueError(f"directions: {directions[0]} given twice; the two terms need two directions")
    return np.sqrt(1 - share) * _standardised(first) + np.sqrt(share) * _standardised(second)


def _standardised(term):
    return (term - term.mean()) / term.std()
