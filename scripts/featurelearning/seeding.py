"""Random numbers that depend on the master seed, the purpose and the seed of a model, and on nothing else.

Study, case, SNR, arm and shard are not in the key: arms, cases and SNRs are paired within a seed, and a shard may
hold any seeds without a change of their data.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

SCHEME = "numpy PCG64 of SeedSequence([master, sha256(purpose)[:4], seed])"


def number(purpose: str) -> int:
    """Return the fixed 32-bit number of a purpose: the first four bytes of its SHA-256, big-endian."""
    return int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:4], "big")


def generator(master: int, purpose: str, seed: int) -> np.random.Generator:
    """Return the generator of one purpose and seed, independent of every other purpose and seed."""
    return np.random.default_rng(np.random.SeedSequence([master, number(purpose), seed]))


def words(master: int, purpose: str, seeds: Sequence[int]) -> np.ndarray:
    """Return two 32-bit words for each seed [seeds, 2], as the key of random numbers that are hashes (see `signs`)."""
    low, high = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    drawn = [generator(master, purpose, seed).integers(low, high, 2, np.int32, endpoint=True) for seed in seeds]
    return np.stack(drawn)
