"""Random streams: fixed numbers of purposes, and streams that depend on master, purpose and seed alone."""

import hashlib
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
from scipy import stats

from featurelearning import seeding
from references import MONTE_CARLO

PURPOSES = ("inputs", "coefficient", "label noise", "initialisation", "hutchinson", "target", "patterns", "split")
KEYS = list(itertools.product((42, 43), PURPOSES, (0, 1, 1000)))


def test_numbers_are_the_first_four_bytes_of_sha256():
    for purpose in PURPOSES:
        assert seeding.number(purpose) == int(hashlib.sha256(purpose.encode("utf-8")).hexdigest()[:8], 16)
    assert (seeding.number("inputs"), seeding.number("label noise")) == (0x32381523, 0x3442E439)


def test_numbers_are_the_same_in_another_process():
    code = f"from featurelearning import seeding; print(*map(seeding.number, {PURPOSES}))"
    scripts = Path(seeding.__file__).parents[1]
    environment = {"PYTHONPATH": str(scripts), "PYTHONHASHSEED": "7", "PYTHONDONTWRITEBYTECODE": "1"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert list(map(int, found.stdout.split())) == list(map(seeding.number, PURPOSES))


def test_the_stream_is_numpys_for_the_documented_key():
    wanted = np.random.Generator(np.random.PCG64(np.random.SeedSequence([42, seeding.number("split"), 3])))
    np.testing.assert_array_equal(seeding.generator(42, "split", 3).standard_normal(9), wanted.standard_normal(9))


def test_the_order_of_requests_changes_nothing():
    forward = {key: seeding.generator(*key).standard_normal(4) for key in KEYS}
    backward = {key: seeding.generator(*key).standard_normal(4) for key in reversed(KEYS)}
    for key in KEYS:
        np.testing.assert_array_equal(forward[key], backward[key])


def test_streams_of_different_keys_are_uncorrelated():
    n = 4000
    draws = np.stack([seeding.generator(*key).standard_normal(n) for key in KEYS])
    correlations = np.corrcoef(draws)[np.triu_indices(len(KEYS), 1)] * np.sqrt(n)
    assert np.abs(correlations).max() < stats.norm.isf(MONTE_CARLO / 2 / len(correlations))
