"""How far training is: a line a minute while the workflow runs; standard library only, since parsing imports it.

`cells` is the number of models in each file of trained models, `before` the time stamp that each file which the run is
to make had when it started: such a file is done once it has another one.
"""

import os
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

EVERY = 60  # seconds


def start(cells: dict[str, int], jobs: Iterable, planned: Iterable) -> None:
    """Print the progress of a run with these jobs, of which some are planned, from a thread that ends with the program.

    Of a job only its `output` is used.
    """
    asked, remade = outputs(jobs), outputs(planned)
    cells = {path: count for path, count in cells.items() if path in asked}
    before = {path: stamp(path) for path in cells if path in remade}
    if before:
        threading.Thread(target=watch, args=(cells, before), daemon=True).start()


def outputs(jobs: Iterable) -> set[str]:
    """Return the paths of all outputs of some jobs."""
    return {str(path) for job in jobs for path in job.output}


def watch(cells: dict[str, int], before: dict[str, int | None]) -> None:
    """Print a line whenever the number of trained models has changed, until all are trained."""
    total, first, started = sum(cells.values()), trained(cells, before), time.monotonic()
    last = first
    while last < total:
        time.sleep(EVERY)
        now = trained(cells, before)
        if now != last:
            say(line(now, total, now - first, (time.monotonic() - started) / 60))
        last = now


def say(text: str) -> None:
    """Write a line to stderr, past its buffer: if the program ended while a thread held that, it would be aborted."""
    os.write(sys.__stderr__.fileno(), f"{text}\n".encode())


def trained(cells: dict[str, int], before: dict[str, int | None]) -> int:
    """Return the number of models that are trained now."""
    return sum(count for path, count in cells.items() if stamp(path) not in (None, before.get(path)))


def stamp(path: str) -> int | None:
    """Return the time stamp of a file, or None where it cannot be read."""
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return None


def line(done: int, total: int, finished: int, minutes: float) -> str:
    """Return `progress: 120 of 1640 cells trained (7 %), 54 a minute, about 28 min left`.

    The rate is that of the cells finished in the minutes of this run; without any there is none, and no time left.
    """
    text = f"progress: {done} of {total} cells trained ({100 * done // total} %)"
    if finished <= 0 or minutes <= 0:
        return text
    rate = finished / minutes
    text += f", {rate:.0f} a minute" if rate >= 10 else f", {rate:.2g} a minute"
    return text if done == total else f"{text}, about {duration((total - done) / rate)} left"


def duration(minutes: float) -> str:
    """Return minutes as text: whole minutes, or hours from two hours on."""
    return f"{max(minutes, 1):.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
