"""Diagnosis of a data set before training: where the labels' signal sits, and the p of Sigma^p that theory then
asks for (P1, M2, M3 and F1 to F3).

The rule was fixed before any result. It rests on two assumptions that hold for a linear student: signal and noise along
an eigen-direction are learned at a rate proportional to lambda^{1+p}, and noise costs every direction the same.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from featurelearning import arrays
from featurelearning.optimizers import powers

ROUNDING = 1e-12  # relative difference below which predicted errors are equal
FOLDS = 10
KNOTS = 11  # tenths of the samples lie between them: cubic splines that hold 97 % of the variance of three modes
PENALTIES = np.logspace(-2, 4, 7)  # of the ridge; the largest leaves the mean, as pure noise should
PERMUTATIONS = 199
FALSE_ALARMS = 0.05  # chance that pure noise is called signal, in any direction
SEED = 0  # of folds and permutations; fixed, so that the same data always give the same diagnosis
WHITENING = -1.0  # favours no direction: the p for want of a reason for another
EARLY, LATE, PER_DECADE = 1e-4, 50.0, 20  # times searched, of the fastest and the slowest direction, and their grid


class Recommendation(NamedTuple):
    """An exponent of the grid and one sentence that says why."""

    p: float
    reason: str


def explained(x: np.ndarray, y: np.ndarray, values: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return the share of the labels' variance that each eigen-direction explains by itself [d], cross-validated.

    share_k = 1 - sum (y - f_k(z_k))^2 / sum (y - mean)^2, clipped at 0, over the samples left out of 10 shuffled
    folds; z = V^T x / sqrt(lambda), f_k a cubic spline with a ridge, mean that of the folds fitted on. The knots are
    quantiles, so the scale of a coordinate does not matter; the ridge is chosen within the folds fitted on, so much
    noise shrinks f_k to the mean. From 200 samples a share still errs by some 0.05 (a correlation squared, about
    2 sqrt(share / n) (1 - share)): `chance` says what to make of small ones. What directions explain only jointly is
    not seen.
    x [n, d], y [n], eigenvalues [d], eigenvectors [d, d] in columns. Raises as `arrays.real`, and ValueError for less
    than 20 samples, eigenvalues that are not positive by more than rounding (see `powers.cleared`) and constant
    labels.
    """
    z, y = _coordinates(x, y, values, vectors)
    return _shares(z, y[:, None])[:, 0]


def chance(x: np.ndarray, y: np.ndarray, values: np.ndarray, vectors: np.ndarray) -> float:
    """Return the share that the best direction exceeds with a chance of 5 % at most where labels ignore the inputs.

    It is the 190th smallest, of 199 permutations of the labels, of the largest share of all directions: 5 % for any law
    of the labels, less where shares tie at 0. Arguments and errors are those of `explained`.
    """
    z, y = _coordinates(x, y, values, vectors)
    rng = np.random.default_rng(SEED)
    permuted = np.stack([rng.permutation(y) for _ in range(PERMUTATIONS)], axis=1)
    largest = np.sort(_shares(z, permuted).max(axis=0))
    return float(largest[round((PERMUTATIONS + 1) * (1 - FALSE_ALARMS)) - 1])


def predicted_error(share: np.ndarray, eigenvalues: np.ndarray, p: float, samples: int) -> float:
    """Return the smallest error that preconditioned gradient flow passes through, min_t sum_k e_k(t).

    e_k(t) = share_k (1 - f_k)^2 + noise f_k^2 / n with f_k = 1 - exp(-t lambda_k^{1+p}), the part of direction k that
    is learned by time t, and noise = 1 - sum share, at least 0: exact for a linear student and n samples whose
    covariance has these eigenvalues [d]. The scale of the eigenvalues does not matter. Raises as `recommend`.
    Source: P1, M2; Ali, Kolter & Tibshirani 2019 for the risk of gradient flow.
    """
    share, eigenvalues = _checked_share(share, eigenvalues)
    p, samples = arrays.number("p", p), _checked_samples(samples)
    rate = (1 + p) * np.log(eigenvalues)
    rate = np.exp(rate - rate.max())
    noise = max(1 - np.sum(share), 0.0) / samples

    def error(log_t):
        left = np.exp(-np.exp(log_t) * rate)
        return np.sum(share * left**2 + noise * (1 - left) ** 2)

    first, last = np.log(EARLY), np.log(LATE) - np.log(max(rate.min(), 1e-300))
    times = np.linspace(first, last, int(np.ceil((last - first) / np.log(10) * PER_DECADE)) + 1)
    errors = [error(t) for t in times]
    best = int(np.argmin(errors))
    bounds = times[max(best - 1, 0)], times[min(best + 1, len(times) - 1)]
    refined = minimize_scalar(error, bounds=bounds, method="bounded", options={"xatol": 1e-8})
    return float(min(refined.fun, errors[best]))


def recommend(
    share: np.ndarray, eigenvalues: np.ndarray, exponents: Sequence[float], samples: int, chance: float = 0.0
) -> Recommendation:
    """Return the p of the grid with the smallest predicted error, the nearest to -1 of equals, and the reason.

    Shares [d] at or below chance count as 0. If none is left, p is the exponent nearest to -1, which favours no
    direction. Signal in the directions of large eigenvalue alone thus asks for the largest p, in those of small
    eigenvalue alone for the smallest, and in both for about -1: a p far from it learns one of them late, and by then
    the noise of what lies between. Where many directions share the eigenvalue of one that carries signal, p turns a
    little from them, for their noise comes with it.
    Raises as `arrays.real`, and ValueError for an empty grid, shares below 0, eigenvalues that are not positive and
    less than one sample.
    """
    share, eigenvalues = _checked_share(share, eigenvalues)
    if not len(exponents):
        raise ValueError("exponents: none given; at least 1 is needed")
    exponents, samples = arrays.real("exponents", exponents, ("exponents",)), _checked_samples(samples)
    chance = arrays.number("chance", chance)
    nearest = sorted(map(float, exponents), key=lambda p: (abs(p - WHITENING), p))
    signal = np.where(share > chance, share, 0.0)
    if not signal.any():
        reason = f"no direction explains more of the labels than chance would ({chance:.2g})"
        return Recommendation(nearest[0], f"{reason}: p = {nearest[0]:g} is the nearest to favouring none")
    errors = {p: predicted_error(signal, eigenvalues, p, samples) for p in nearest}
    smallest = min(errors.values())
    best = next(p for p in nearest if errors[p] <= smallest + ROUNDING * signal.sum())
    worst = max(nearest, key=errors.get)
    reason = f"signal in {_described(signal, eigenvalues)}: p = {best:g} has the smallest predicted error"
    return Recommendation(best, f"{reason}, {errors[best]:.2g} against {errors[worst]:.2g} with p = {worst:g}")


def _coordinates(x, y, values, vectors):
    epsilon, x = arrays.precision(values), arrays.real("inputs", x, ("samples", "inputs"))
    n, d = x.shape
    y = arrays.real("labels", y, (n,))
    values = arrays.real("eigenvalues", values, (d,))
    vectors = arrays.real("eigenvectors", vectors, (d, d))
    if n < 2 * FOLDS:
        raise ValueError(f"inputs: {n} samples are too few; allowed: {2 * FOLDS} or more")
    if (smallest := powers.cleared(values, epsilon).min()) <= 0:
        raise ValueError(
            f"eigenvalue {smallest:.3g} is not positive by more than rounding: add a ridge to the covariance "
            "(covariance.ridged), or leave out inputs that repeat others"
        )
    if np.ptp(y) == 0:
        raise ValueError("labels: all are the same, and there is nothing to explain")
    return x @ vectors / np.sqrt(values), y


def _shares(z, labels):
    residual, total = np.zeros((z.shape[1], labels.shape[1])), np.zeros(labels.shape[1])
    for fit, left in KFold(FOLDS, shuffle=True, random_state=SEED).split(z):
        total += ((labels[left] - labels[fit].mean(axis=0)) ** 2).sum(axis=0)
        for k in range(z.shape[1]):
            model = _regressor().fit(z[fit, k : k + 1], labels[fit])
            residual[k] += ((labels[left] - model.predict(z[left, k : k + 1]).reshape(labels[left].shape)) ** 2).sum(
                axis=0
            )
    return np.clip(1 - residual / total, 0.0, None)


def _regressor():
    # Beyond the last knot a spline is held constant: an outlier then has no leverage.
    splines = SplineTransformer(n_knots=KNOTS, knots="quantile", extrapolation="constant")
    return make_pipeline(splines, RidgeCV(PENALTIES, alpha_per_target=True))


def _checked_share(share, eigenvalues):
    eigenvalues = arrays.real("eigenvalues", eigenvalues, ("inputs",)).astype(np.float64, copy=False)
    share = arrays.real("shares", share, eigenvalues.shape).astype(np.float64, copy=False)
    if not (share >= 0).all():
        raise ValueError(f"shares: {share.min():.3g} given; allowed: 0 or more; give those of explained")
    if not (eigenvalues > 0).all():
        raise ValueError(f"eigenvalues: {eigenvalues.min():.3g} given; allowed: above 0; add a ridge to the covariance")
    return share, eigenvalues


def _checked_samples(samples):
    if (samples := arrays.number("samples", samples)) < 1:
        raise ValueError(f"samples: {samples:g} given; allowed: 1 or more; give the number of training samples")
    return samples


def _described(signal, eigenvalues):
    strongest = np.argsort(-signal, kind="stable")[: min(3, np.count_nonzero(signal))]
    named = [f"direction {k} (share {signal[k]:.2g}, eigenvalue {eigenvalues[k]:.3g})" for k in strongest]
    more = np.count_nonzero(signal) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
