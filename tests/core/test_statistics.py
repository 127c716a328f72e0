"""Intervals, rank correlation and verdicts against scipy, closed forms and a hand-made table."""

import numpy as np
import pytest
from scipy import stats

from featurelearning.evidence import statistics

EXACT = {"rtol": 1e-12, "atol": 1e-12}
NAN = float("nan")


@pytest.fixture
def contrast():
    return np.random.default_rng(3).normal(-0.4, 0.2, size=10)


@pytest.mark.parametrize("level", [0.95, 0.99375])
def test_t_interval_is_the_textbook_formula(contrast, level):
    half = stats.t.ppf((1 + level) / 2, 9) * contrast.std(ddof=1) / np.sqrt(10)
    expected = (contrast.mean() - half, contrast.mean() + half)
    np.testing.assert_allclose(statistics.t_interval(contrast, level), expected, **EXACT)


@pytest.mark.parametrize("level", [0.95, 0.99375])
def test_t_interval_agrees_with_scipy_on_pairs(contrast, level):
    other = np.random.default_rng(4).normal(size=10)
    paired = stats.ttest_rel(contrast + other, other).confidence_interval(level)
    np.testing.assert_allclose(statistics.t_interval(contrast, level), (paired.low, paired.high), rtol=1e-10)


@pytest.mark.parametrize("level", [0.95, 0.99375])
def test_bca_interval_agrees_with_scipy(contrast, level):
    rng = np.random.default_rng(statistics.BOOTSTRAP_SEED)
    ours = stats.bootstrap((contrast,), np.mean, confidence_level=level, method="BCa", rng=rng, n_resamples=9999)
    expected = ours.confidence_interval
    np.testing.assert_allclose(statistics.bca_interval(contrast, level), (expected.low, expected.high), **EXACT)


def test_bca_interval_lies_near_the_normal_interval_of_a_large_sample():
    sample = np.random.default_rng(5).normal(size=2000)
    half = 1.96 / np.sqrt(2000)
    np.testing.assert_allclose(
        statistics.bca_interval(sample, 0.95), sample.mean() + np.array([-half, half]), atol=4e-3
    )


def test_bca_interval_is_the_same_every_time(contrast):
    assert statistics.bca_interval(contrast, 0.95) == statistics.bca_interval(contrast.copy(), 0.95)


@pytest.mark.parametrize("interval", [statistics.t_interval, statistics.bca_interval])
@pytest.mark.parametrize("value", [0.0, -1.0, 0.1 + 0.2])
def test_zero_spread_is_its_value(interval, value):
    assert interval(np.full(10, value), 0.95) == (pytest.approx(value, abs=1e-15),) * 2


@pytest.mark.parametrize("interval", [statistics.t_interval, statistics.bca_interval])
def test_a_spread_of_rounding_errors_counts_as_none(interval):
    low, high = interval(np.array([0.3, 0.1 + 0.2, 0.3]), 0.95)
    assert low == high == pytest.approx(0.3)


@pytest.mark.parametrize("interval", [statistics.t_interval, statistics.bca_interval])
@pytest.mark.parametrize("contrast", [[], [1.0]])
def test_fewer_than_two_contrasts_have_no_interval(interval, contrast):
    assert np.isnan(interval(np.array(contrast), 0.95)).all()


@pytest.mark.parametrize("interval", [statistics.t_interval, statistics.bca_interval])
@pytest.mark.parametrize("value", [NAN, np.inf, -np.inf])
def test_values_that_are_not_finite_have_no_interval_and_decide_nothing(interval, value):
    """Not even where all are alike: nothing is known of them."""
    for contrast in ([0.1, 0.2, value], [value] * 3):
        low, high = interval(np.array(contrast), 0.95)
        assert np.isnan([low, high]).all()
        assert {statistics.verdict(low, high, expected, 0.1) for expected in statistics.DIRECTIONS} == {"undecided"}


@pytest.mark.parametrize("contrast", [[0.0, 1.0], [0.0, 0.0, 1.0], [0.5] * 9 + [1.0], [1.0] * 9 + [1e6]])
def test_bca_interval_of_few_or_lumpy_values_is_finite_and_holds_the_mean(contrast):
    low, high = statistics.bca_interval(np.array(contrast), 0.99375)
    assert low <= np.mean(contrast) <= high and low < high


def test_t_interval_covers_the_mean_at_its_level():
    """Of 1 000 samples of ten normal draws the interval at 0.9 covers 900 +- 5 standard deviations (9.5 each)."""
    samples = np.random.default_rng(6).normal(1.0, 2.0, size=(1000, 10))
    intervals = np.array([statistics.t_interval(sample, 0.9) for sample in samples])
    covered = ((intervals[:, 0] <= 1) & (1 <= intervals[:, 1])).sum()
    assert abs(covered - 900) < 5 * np.sqrt(1000 * 0.9 * 0.1)


def test_spearman_agrees_with_scipy_over_many_seeds_and_ties():
    values = np.random.default_rng(7).integers(0, 5, size=(6, 7)).astype(float)
    grid = np.array([-2, -1.5, -1, -0.5, 0, 0.5, 1])
    expected = [stats.spearmanr(row, grid).statistic for row in values]
    np.testing.assert_allclose(statistics.spearman(values, grid), expected, **EXACT)


@pytest.mark.parametrize(("power", "expected"), [(3, 1), (-3, -1)])
def test_spearman_of_a_monotone_curve_is_exactly_one(power, expected):
    assert statistics.spearman(np.arange(1.0, 8) ** power, np.arange(7)) == expected


def test_spearman_depends_on_ranks_and_not_on_the_order_of_seeds():
    """Two permutations of equal correlation give the same last bit, so their spread is zero."""
    grid = np.arange(7)
    first, second = np.array([1, 0, 2, 3, 4, 5, 6.0]), np.array([0, 1, 2, 3, 4, 6, 5.0])
    assert np.ptp(statistics.spearman(np.stack([first, second]), grid)) == 0


def test_spearman_without_order_is_zero_and_of_nan_is_nan():
    rho = statistics.spearman(np.array([[2.0, 2, 2], [1, NAN, 2]]), np.arange(3))
    assert rho[0] == 0 and np.isnan(rho[1])


def test_spearman_refuses_one_point():
    with pytest.raises(ValueError, match="grid: 1 points have no order; at least 2 are needed"):
        statistics.spearman(np.ones((3, 1)), np.ones(1))


@pytest.mark.parametrize("value", [NAN, np.inf, -np.inf])
def test_a_row_that_is_not_finite_has_no_rank_correlation(value):
    rho = statistics.spearman(np.array([[1.0, 2, value], [1, 2, 3]]), np.arange(3))
    assert np.isnan(rho[0]) and rho[1] == 1


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinite_value_leaves_no_interval(value):
    mean, low, high = statistics.mean_with_interval(np.array([[1.0, 2, value], [1, 2, 3]]), 0.95)
    assert mean[0] == value and np.isnan([low[0], high[0]]).all() and np.isfinite([mean[1], low[1], high[1]]).all()


INF = float("inf")


@pytest.mark.parametrize("expected", statistics.DIRECTIONS)
@pytest.mark.parametrize(
    "ends", [(NAN, 1.0), (NAN, -1.0), (-1.0, NAN), (1.0, NAN), (INF, INF), (-INF, -INF), (-INF, INF)]
)
def test_an_interval_with_an_end_that_is_no_number_decides_nothing(ends, expected):
    assert statistics.verdict(*ends, expected, 0.1) == "undecided"


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: statistics.verdict(0.3, 0.1, "positive", 0.1),
            "ci_low: 0.3 given with ci_high 0.1; allowed: at most that",
        ),
        (
            lambda: statistics.verdict(0.1, 0.3, "positive", NAN),
            "smallest_effect: nan given; allowed: a number of 0 or",
        ),
        (lambda: statistics.verdict(0.1, 0.3, "positive", -1), "smallest_effect: -1 given; allowed: a number of 0 or"),
        (lambda: statistics.t_interval(np.ones((3, 1)), 0.9), r"contrast: shape \[3, 1\] given; allowed: \[seeds\]"),
        (lambda: statistics.bca_interval(np.float64(1), 0.9), r"contrast: shape \[\] given; allowed: \[seeds\]"),
        (
            lambda: statistics.spearman(np.ones((2, 3)), np.ones(4)),
            r"values: shape \[2, 3\] given; allowed: \[..., 4\]",
        ),
        (lambda: statistics.spearman(np.ones(2), [0, NAN]), "grid: 1 of 2 values are not finite"),
    ],
)
def test_arguments_that_make_no_sense_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("low", "high", "expected", "verdict"),
    [
        (0.11, 0.30, "positive", "reproduced"),
        (0.10, 0.30, "positive", "undecided"),  # touches the smallest effect
        (0.05, 0.30, "positive", "undecided"),  # positive, but perhaps too small to matter
        (-0.05, 0.05, "positive", "undecided"),  # surely small: decides nothing in either direction
        (-0.30, 0.30, "positive", "undecided"),
        (-0.30, -0.05, "positive", "undecided"),
        (-0.30, -0.11, "positive", "contradicted"),
        (-0.30, -0.11, "negative", "reproduced"),
        (-0.30, -0.05, "negative", "undecided"),
        (0.11, 0.30, "negative", "contradicted"),
        (1.0, 1.0, "positive", "reproduced"),  # zero spread
        (-0.05, 0.09, "zero", "reproduced"),
        (-0.05, 0.11, "zero", "undecided"),
        (-0.30, 0.30, "zero", "undecided"),
        (0.11, 0.30, "zero", "contradicted"),
        (-0.30, -0.11, "zero", "contradicted"),
        (0.0, 0.0, "zero", "reproduced"),
        (NAN, NAN, "zero", "undecided"),
        (NAN, NAN, "positive", "undecided"),
        (NAN, NAN, "negative", "undecided"),
        (-0.30, 0.09, "no larger", "reproduced"),  # within the margin; how much smaller it is does not matter
        (-0.30, 0.11, "no larger", "undecided"),
        (0.11, 0.30, "no larger", "contradicted"),
        (-0.09, 0.30, "no smaller", "reproduced"),
        (-0.11, 0.30, "no smaller", "undecided"),
        (-0.30, -0.11, "no smaller", "contradicted"),
        (NAN, NAN, "no larger", "undecided"),
        (0.11, np.inf, "positive", "reproduced"),  # a lower bound that suffices
        (-np.inf, 0.30, "positive", "undecided"),
        (-np.inf, -0.11, "positive", "contradicted"),
        (-0.05, np.inf, "zero", "undecided"),
    ],
)
def test_verdict_table(low, high, expected, verdict):
    assert statistics.verdict(low, high, expected, smallest_effect=0.1) == verdict


def test_verdict_refuses_an_unknown_direction():
    with pytest.raises(
        ValueError, match="expected: 'up' is unknown; allowed: negative, positive, zero, no larger, no s"
    ):
        statistics.verdict(0, 1, "up", 0.1)


def test_intervals_of_many_means_are_those_of_each():
    values = np.random.default_rng(3).standard_normal((4, 5, 7)) + 2
    values[0, 0, :3], values[1, 1, 1:], values[2, 2] = np.nan, np.nan, np.nan
    found = statistics.mean_with_interval(values, 0.9)
    for place in np.ndindex(4, 5):
        cell = values[place][np.isfinite(values[place])]
        mean = cell.mean() if len(cell) else np.nan
        wanted = np.array([mean, *statistics.t_interval(cell, 0.9)])
        np.testing.assert_allclose(found[:, *place], wanted, rtol=1e-12)
