"""The state of a training run that is not finished, on disk: a job that was killed goes on from it, bit for bit.

A state belongs to one computation. Its file name is a hash of all that the result's bytes depend on, so a state of
other code, parameters or data is never found, let alone used. It lies outside the outputs of the job, which the
workflow removes before it tries again.
"""

import contextlib
import hashlib
import json
import pickle
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from featurelearning.files import atomic

PIECE = 1.0  # seconds of training between two looks at the clock and for a signal
UNREADABLE = (RuntimeError, EOFError, OSError, ValueError, LookupError, pickle.UnpicklingError)


class Interrupted(RuntimeError):
    """Training was asked to stop and has saved its state; the message says at which step and where."""


class Checkpoint:
    """Where the state of one training run is kept, and whether it is time to save it."""

    def __init__(self, path: Path, seconds: float, stop: threading.Event) -> None:
        self.path, self.seconds, self.stop = path, seconds, stop
        self.piece, self.saved = 1, time.monotonic()

    def part(self, name: str) -> "Checkpoint":
        """Return the checkpoint of a part of the computation."""
        return Checkpoint(self.path.with_name(f"{self.path.name}.{name}"), self.seconds, self.stop)

    def restore(self, device: torch.device) -> dict[str, Any] | None:
        """Return the saved state with its tensors on a device, or None where there is none that can be read."""
        if not self.path.exists():
            return None
        try:
            state = torch.load(self.path, map_location=device, weights_only=True)
        except UNREADABLE as error:
            print(f"{self.path}: unreadable ({type(error).__name__}), training starts anew")
            return None
        print(f"training goes on after step {state['step']}, saved in {self.path}")
        return state

    def paced(self, steps: int, seconds: float) -> None:
        """Learn from the time of some steps how many of them make a piece, at most tenfold as many as these."""
        self.piece = max(1, min(10 * steps, int(steps * PIECE / max(seconds, 1e-9))))

    def offer(self, state: Mapping[str, Any]) -> None:
        """Save the state if its time has come; raises Interrupted, having saved it, where training shall stop."""
        stopped = self.stop.is_set()
        if stopped or time.monotonic() - self.saved >= self.seconds:
            self.save(state)
        if stopped:
            raise Interrupted(
                f"stopped by SIGTERM after step {state['step']}; the state is saved in {self.path}, "
                "the same command goes on from there"
            )

    def save(self, state: Mapping[str, Any]) -> None:
        """Save the state."""
        with atomic.whole(self.path) as temporary:
            torch.save(dict(state), temporary)
        self.saved = time.monotonic()


@contextlib.contextmanager
def kept(folder: Path, seconds: float, made_with: Mapping, files: Iterable[Path]) -> Iterator[Checkpoint]:
    """Give the checkpoint of a computation, asked to stop by SIGTERM; at its good end the state is removed.

    made_with: parameters, versions, processor, code; files: what it reads. Both make the name of the state.
    """
    stop = threading.Event()
    checkpoint = Checkpoint(Path(folder) / key(made_with, files), seconds, stop)
    previous = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        yield checkpoint
    finally:
        signal.signal(signal.SIGTERM, previous)
    for path in checkpoint.path.parent.glob(f"*{checkpoint.path.name}*"):  # of its parts, and half-written ones, too
        path.unlink()


def key(made_with: Mapping, files: Iterable[Path]) -> str:
    """Return 32 hexadecimal digits for what a computation is made with and the contents of the files that it reads."""
    digest = hashlib.sha256(json.dumps(made_with, sort_keys=True).encode())
    for path in files:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]
