"""What every job of the workflow does with its output: a log file, and progress while it trains."""

import contextlib
import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

LINES = 10  # of progress in a log
PR_SET_PDEATHSIG = 1  # of Linux' prctl
PARENT = os.getppid()  # early, before the imports that take long


@contextlib.contextmanager
def of(snakemake) -> Iterator[TextIO]:
    """Send what a rule's job prints to its log file, and an error with its traceback too; then the job fails.

    Snakemake shows the log of a failed job, so the message is not printed twice. A job whose package comes from another
    checkout than its script fails at once: its result would carry the fingerprint of code that did not run.
    """
    with to(snakemake.log[0]) as log:
        require_own_code(Path(snakemake.scriptdir))
        yield log


def require_own_code(folder: Path) -> None:
    """Raise ImportError, naming both places, where this package is not the one beside a folder of scripts."""
    own, found = folder.resolve().parent / "featurelearning", Path(__file__).resolve().parents[1]
    if own != found:
        raise ImportError(
            f"featurelearning was imported from {found}, but this job belongs to {own}; allowed: the package of the "
            "job's own checkout; take the other one out of PYTHONPATH, or uninstall it (pip uninstall featurelearning)"
        )


@contextlib.contextmanager
def to(path: str) -> Iterator[TextIO]:
    """Send what is printed to a log file, and an error with its traceback too; then the program ends with status 1."""
    follow_parent()
    with open(path, "w", buffering=1, encoding="utf-8") as log, contextlib.redirect_stdout(log):
        try:
            yield log
        except Exception as error:
            try:
                traceback.print_exc(file=log)
            except OSError:  # the disk of the log is full
                traceback.print_exc()
            raise SystemExit(1) from error


def follow_parent() -> None:
    """Have this process told to stop when the one that started it dies: a killed Snakemake leaves no job behind.

    Such a job would write beside the one that a new run starts. Only Linux can do it.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != PARENT:
        raise SystemExit("the Snakemake that started this job has ended")


def progress(total: int, label: str) -> Callable[[int], None]:
    """Return a function of the step reached: a bar on a terminal, a line per tenth in the log."""
    from tqdm import tqdm  # only the training environments have it

    bar = tqdm(total=total, desc=label, unit="step", leave=False, disable=not sys.stderr.isatty())
    printed = reached = -1

    def report(step: int) -> None:
        nonlocal printed, reached
        if step < reached:  # the next part of a batch begins
            bar.reset()
            printed = -1
        reached = step
        bar.update(step - bar.n)
        if step * LINES // total > printed:
            printed = step * LINES // total
            print(f"{label}: step {step} of {total}")

    return report
