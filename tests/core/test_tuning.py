"""The choice among candidates."""

import numpy as np
import pytest

from featurelearning.training import tuning


@pytest.mark.parametrize(
    "accuracy, chosen",
    [
        ([[0.5, 0.7], [0.9, 0.5], [0.6, 0.6]], 1),
        ([[0.5, 0.7], [0.7, 0.5]], 0),  # a tie goes to the first
        ([[0.5, 0.6], [0.99, np.nan]], 0),  # a diverged model counts as 0
        ([[np.nan], [0.1]], 1),
    ],
)
def test_the_best_mean_is_chosen(accuracy, chosen):
    assert tuning.choose(np.array(accuracy)) == chosen


@pytest.mark.parametrize(
    "accuracy, kept",
    [
        ([[0.1], [0.9], [0.5], [0.7]], [1, 3]),
        ([[0.5, 0.1], [0.1, 0.9], [0.3, 0.3]], [0, 1]),  # of three, two; at a tie those that come first
        ([[0.2], [np.nan], [0.1], [np.nan], [0.3]], [0, 2, 4]),  # a diverged model counts as 0
        ([[np.nan], [np.nan]], [0]),
        ([[0.4]], [0]),
    ],
)
def test_the_better_half_goes_on(accuracy, kept):
    assert tuning.better_half(np.array(accuracy)).tolist() == kept


@pytest.mark.parametrize("steps, early", [(500, 100), (4, 1), (1, 1), (9, 1), (10, 2)])
def test_all_candidates_train_for_a_fifth_of_the_steps(steps, early):
    assert tuning.early(steps) == early


@pytest.mark.parametrize("chosen, edge", [(0, True), (1, True), (2, False), (3, False), (4, True), (5, True)])
def test_an_end_of_the_grid_is_seen_in_any_combination(chosen, edge):
    assert tuning.at_edge(np.repeat([0.1, 1.0, 10.0], 2), chosen) == edge


def test_a_grid_of_one_or_two_values_has_no_edge():
    assert not tuning.at_edge(np.array([1.0, 1.0]), 1)
    assert not tuning.at_edge(np.array([1.0, 2.0, 1.0, 2.0]), 1)
