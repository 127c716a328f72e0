"""Readings of curves whose answers are known in closed form."""

import numpy as np
import pytest

from featurelearning.evidence import readings

STEP = np.unique(np.round(np.geomspace(1, 10_000, 150))).astype(int)
STEP = np.concatenate([[0], STEP])
LOG = np.log(np.maximum(STEP, 0.5))  # any axis that grows will do: between two records only the share of the way counts


def test_final_is_the_last_record():
    curves = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    np.testing.assert_array_equal(readings.final(curves), [[3, 7, 11], [15, 19, 23]])


def test_best_over_time_of_a_parabola_in_log_step():
    """(log t - log 100)^2 + 0.5 is smallest at step 100, where it is 0.5 up to the spacing of the records."""
    curve = (np.log(STEP + 1e-9) - np.log(100)) ** 2 + 0.5
    assert readings.best_over_time(curve) == pytest.approx(0.5, abs=2e-3)


def test_best_over_time_counts_step_zero():
    assert readings.best_over_time(np.array([1.0, 2.0, 3.0])) == 1.0


def test_curves_that_are_linear_in_log_step_are_read_without_error():
    """train = 2 - a x, clean = 3 + b x on the axis x = log step: the level 2 - a x* gives clean 3 + b x*."""
    x = (LOG - LOG[0]) / (LOG[-1] - LOG[0])
    slow, fast = 2 - 0.5 * x, 2 - 1.7 * x  # levels reached: 1.5 and 0.3, so both meet at 1.5
    clean_slow, clean_fast = readings.at_equal_loss(slow, 3 + 1.0 * x, fast, 3 + 1.0 * x)
    assert clean_slow == pytest.approx(4.0, rel=1e-12)
    assert clean_fast == pytest.approx(3 + 0.5 / 1.7, rel=1e-12)


def test_power_laws_meet_where_the_closed_form_says():
    """train = (1 + t)^-q and clean = train^2: at equal training loss both arms have the same clean error."""
    slow, fast = (1.0 + STEP) ** -0.5, (1.0 + STEP) ** -1.0
    clean_slow, clean_fast = readings.at_equal_loss(slow, slow**2, fast, fast**2)
    expected = slow[-1] ** 2
    assert clean_slow == pytest.approx(expected, rel=1e-12)
    assert clean_fast == pytest.approx(expected, rel=5e-3)  # the records lie 6 % apart


def test_equal_arms_read_equally_and_swapping_swaps():
    rng = np.random.default_rng(0)
    a, b = np.sort(rng.random((2, 5, 40)), axis=-1)[..., ::-1]
    same = readings.at_equal_loss(a, b, a, b)
    np.testing.assert_array_equal(same[0], same[1])
    np.testing.assert_array_equal(readings.at_equal_loss(a, b, b, a), readings.at_equal_loss(b, a, a, b)[::-1])


def test_the_first_crossing_counts():
    train, clean = np.array([3.0, 1.0, 2.0, 0.5]), np.array([0.0, 10.0, 20.0, 30.0])
    other = np.array([3.0, 3.0, 3.0, 2.0])
    assert readings.at_equal_loss(train, clean, other, clean)[0] == pytest.approx(5.0)


def test_an_arm_that_starts_below_the_level_is_read_at_step_zero():
    low, high = np.array([1.0, 0.9]), np.array([5.0, 4.0])
    assert readings.at_equal_loss(low, np.array([7.0, 8.0]), high, np.array([1.0, 2.0])) == (7.0, 2.0)


def test_seeds_are_read_one_by_one():
    rng = np.random.default_rng(1)
    curves = [np.sort(rng.random((3, 4, 30)), axis=-1)[..., ::-1] for _ in range(4)]
    whole = readings.at_equal_loss(*curves)
    for index in np.ndindex(3, 4):
        single = readings.at_equal_loss(*(curve[index] for curve in curves))
        assert (whole[0][index], whole[1][index]) == single


def test_a_curve_with_nan_reads_as_nan_and_spoils_no_other_seed():
    train = np.array([[3.0, 2.0, 1.0], [3.0, np.nan, np.nan]], dtype=np.float32)
    clean = train + 1
    assert np.isnan(readings.final(train)).tolist() == [False, True]
    assert np.isnan(readings.best_over_time(train)).tolist() == [False, True]
    for value in readings.at_equal_loss(train, clean, np.full((2, 3), 1.5), np.ones((2, 3))):
        assert np.isnan(value).tolist() == [False, True]
