"""What every job of the workflow does with its output: a log file, and progress while it trains."""

import contextlib
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import TextIO

LINES = 10  # of progress in a log


@contextlib.contextmanager
def to(path: str) -> Iterator[TextIO]:
    """Send what is printed to the log file, and an error with its traceback too; then the job fails.

    Snakemake shows the log of a failed job, so the message is not printed twice.
    """
    with open(path, "w", buffering=1, encoding="utf-8") as log, contextlib.redirect_stdout(log):
        try:
            yield log
        except Exception as error:
            traceback.print_exc(file=log)
            raise SystemExit(1) from error


def progress(total: int, label: str) -> Callable[[int], None]:
    """Return a function of the step reached: a bar on a terminal, a line per tenth in the log."""
    from tqdm import tqdm  # only the training environments have it

    bar = tqdm(total=total, desc=label, unit="step", leave=False, disable=not sys.stderr.isatty())
    printed = -1

    def report(step: int) -> None:
        nonlocal printed
        bar.update(step - bar.n)
        if step * LINES // total > printed:
            printed = step * LINES // total
            print(f"{label}: step {step} of {total}")

    return report
