"""The schedule of refreshes against its values written out, and its bound on how old a thing may get."""

import pytest
import torch

from featurelearning import refreshing
from reference_kronecker import REFRESHES, REFRESHES_BY_TWO


def refreshes(updates: int, interval: int) -> list[int]:
    count = torch.ones(3, 1, 1)
    return [step for step in range(updates) if refreshing.due(step * count, interval)]


def test_refreshes_become_rarer_up_to_the_interval():
    assert refreshes(64, 128) == sorted(REFRESHES)
    assert refreshes(64, 2) == sorted(REFRESHES_BY_TWO)
    assert refreshes(1500, 128)[-6:] == [896, 960, 1024, 1152, 1280, 1408]


@pytest.mark.parametrize("interval", [1, 2, 128])
def test_nothing_is_older_than_an_eighth_of_training_or_the_interval(interval):
    found = [*refreshes(5000, interval), 5000]
    for last, new in zip(found, found[1:], strict=False):
        assert new - last <= min(interval, max(1, last / 8))
