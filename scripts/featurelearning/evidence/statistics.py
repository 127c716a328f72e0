"""The evidence rule: intervals of paired contrasts, rank correlation over a grid, and the verdict.

The seed is the unit. A contrast is one number per seed, already paired (a difference within the seed), so every
function here takes an array [n] of contrasts or an array [..., k] of values over a grid of k points.
"""

import numpy as np
from scipy import stats

from featurelearning import arrays

ROUNDING = 1e-12  # relative spread below which contrasts are equal
RESAMPLES = 9999
DIRECTIONS = ("negative", "positive", "zero", "no larger", "no smaller")
BOOTSTRAP_SEED = 0  # fixed, so that the same contrasts always give the same interval


def t_interval(contrast: np.ndarray, level: float) -> tuple[float, float]:
    """Return the paired t interval of the mean of contrasts [n]: mean -+ t(level, n - 1) s / sqrt(n).

    A contrast of zero spread is its value: (value, value). Fewer than two contrasts, and contrasts that are not all
    finite, have no interval: (nan, nan). Raises as `arrays.real`.
    """
    contrast = _contrasts(contrast)
    return _exceptional(contrast) or _pair(stats.ttest_1samp(contrast, 0).confidence_interval(level))


def mean_with_interval(values: np.ndarray, level: float) -> np.ndarray:
    """Return mean, lower and upper end [3, ...] of the t interval over the last axis of values [..., n], all at once.

    NaNs do not count: none left give NaN, and neither a single one nor an infinite one has an interval. Raises as
    `arrays.real`.
    """
    arrays.real("values", values, (..., "seeds"), None, empty=True)
    values = arrays.numbers("values", values).astype(np.float64)  # in their own order, on which the last bit depends
    kept = ~np.isnan(values)
    n = kept.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):  # none or one
        mean = np.where(kept, values, 0).sum(axis=-1) / n
        squares = np.where(kept, values - mean[..., None], 0) ** 2
        half = stats.t.ppf((1 + level) / 2, n - 1) * np.sqrt(squares.sum(axis=-1) / (n - 1) / n)
    return np.array([mean, mean - half, mean + half])


def bca_interval(contrast: np.ndarray, level: float) -> tuple[float, float]:
    """Return the BCa bootstrap interval of the mean of contrasts [n], from 9999 resamples of a fixed generator.

    What has zero spread or no interval is treated as in `t_interval`, since BCa divides by the spread. Raises as that.
    Source: Efron 1987, "Better bootstrap confidence intervals", as in scipy.stats.bootstrap.
    """
    contrast = _contrasts(contrast)
    return _exceptional(contrast) or _pair(_bootstrap(contrast, level).confidence_interval)


def spearman(values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return Spearman's rank correlation [...] of values [..., k] with the points of a grid [k], ties averaged.

    rho = sum (r - rbar)(g - gbar) / sqrt(sum (r - rbar)^2 sum (g - gbar)^2), r and g the ranks. Values that are all
    equal have no order and get 0. A row that is not all finite gets NaN. Raises ValueError if the grid has fewer than 2
    points, and as `arrays.real`.
    """
    grid = arrays.real("grid", grid, ("points",), empty=True)
    if len(grid) < 2:
        raise ValueError(f"grid: {len(grid)} points have no order; at least 2 are needed")
    values = arrays.real("values", values, (..., len(grid)), None, empty=True)
    values = np.where(np.isfinite(values).all(axis=-1, keepdims=True), values, np.nan)
    r, g = _centred_ranks(values), _centred_ranks(grid)
    norm = np.sqrt((r**2).sum(-1) * (g**2).sum())
    return np.divide((r * g).sum(-1), norm, out=np.zeros_like(norm), where=norm != 0)


def verdict(ci_low: float, ci_high: float, expected: str, smallest_effect: float) -> str:
    """Return `reproduced` if the interval lies beyond the smallest effect in the expected direction; or `contradicted`.

    positive: reproduced iff ci_low > effect, contradicted iff ci_high < -effect; negative: the mirror image. zero, the
    claim that two things are alike: reproduced iff the interval lies within the effect to both sides, contradicted iff
    it lies beyond it on one. no larger, a claim of noninferiority whose margin is the effect: reproduced iff ci_high <
    effect, contradicted iff ci_low > effect; no smaller: the mirror image. Anything else is `undecided`, and so is an
    interval with an end that is NaN, begins at +inf or ends at -inf. Raises ValueError for an unknown direction, an
    interval whose ends are exchanged, and an effect that is no number of 0 or more.
    """
    if expected not in DIRECTIONS:
        raise ValueError(f"expected: {expected!r} is unknown; allowed: {', '.join(DIRECTIONS)}")
    if ci_low > ci_high:
        raise ValueError(f"ci_low: {ci_low:g} given with ci_high {ci_high:g}; allowed: at most that; exchange the ends")
    if not 0 <= smallest_effect < np.inf:
        raise ValueError(f"smallest_effect: {smallest_effect:g} given; allowed: a number of 0 or more; give its size")
    if np.isnan(ci_low) or np.isnan(ci_high) or ci_low == np.inf or ci_high == -np.inf:
        return "undecided"
    low, high = (-ci_high, -ci_low) if expected in ("negative", "no smaller") else (ci_low, ci_high)
    if expected in ("no larger", "no smaller"):
        found = high < smallest_effect, low > smallest_effect
    elif expected == "zero":
        found = -smallest_effect < low and high < smallest_effect, low > smallest_effect or high < -smallest_effect
    else:
        found = low > smallest_effect, high < -smallest_effect
    return "reproduced" if found[0] else "contradicted" if found[1] else "undecided"


def _contrasts(given):
    return arrays.real("contrast", given, ("seeds",), None, empty=True)


def _exceptional(contrast):
    if len(contrast) < 2 or not np.isfinite(contrast).all():
        return (np.nan, np.nan)
    # A spread of rounding errors is none: it would only measure the arithmetic.
    if np.ptp(contrast) <= ROUNDING * np.abs(contrast).max():
        return (float(np.mean(contrast)),) * 2
    return None


def _pair(interval):
    return float(interval.low), float(interval.high)


def _bootstrap(contrast, level):
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    return stats.bootstrap(
        (contrast,), np.mean, n_resamples=RESAMPLES, confidence_level=level, method="BCa", axis=0, rng=rng
    )


def _centred_ranks(values):
    # Ranks are multiples of 1/2, so equal correlations come out equal to the last bit.
    return stats.rankdata(values, axis=-1, nan_policy="propagate") - (values.shape[-1] + 1) / 2
