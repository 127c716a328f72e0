"""What a figure draws of a data set: means with intervals over seeds, which arms, and what was left out.

Means and 95 % intervals are taken on the scale of the axis: on a log axis the mean is that of the logs, as in the
contrasts of the claims. Data sets are xarray objects of aggregated files; this module only selects from them.
"""

import ast
import functools
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np

from featurelearning.evidence import statistics

LEVEL = 0.95  # pointwise: figures show estimates, the claims judge them
OPTIMIZERS = Path(__file__).parents[1] / "optimizers"
SYMBOLS = {"rho": "$\\rho$", "p": "$p$"}


def summary(values: np.ndarray, log: bool) -> np.ndarray:
    """Return mean, lower and upper end [3, ...] of the pointwise 95 % t interval over the last axis of values [..., n].

    With log all three are of log(values) and taken back: the geometric mean. NaNs (models left out) do not count; no
    seeds give NaN, one seed has no interval.
    """
    values = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
    with np.errstate(divide="ignore"):  # an error of exactly zero: so is the geometric mean, without an interval
        row = statistics.mean_with_interval(np.log(values) if log else values, LEVEL)
    return np.exp(row) if log else row


def without(values, diverged):
    """Return the values with NaN for every model that diverged, for its whole curve: xarray objects, not changed."""
    return values.where(diverged < 0)


def label(cell) -> str:
    """Return how a figure names an arm: its method and the hyper-parameters that its id carries."""
    arm, method = cell["arm"].item(), cell["method"].item()
    values = json.loads(cell["hyperparameters"].item())
    values |= {"p": cell["p"].item()} if np.isfinite(cell["p"].item()) else {}
    package, _, kind = values.pop(declared(method, "CLASS"), "").partition(":")
    swept = [key for key in values if re.search(rf"_{key}[-+\d]", arm)]
    told = {key: shown(values[key]) for key in swept}
    texts = [f"{SYMBOLS.get(key, key)} = {text}".replace("-", "\N{MINUS SIGN}") for key, text in told.items()]
    return ", ".join([f"{kind} ({package})" if kind else method_label(method), *texts])


def shown(value) -> str:
    """Return the value of a hyper-parameter as text; as ids do, with all digits where fewer would be another arm's."""
    if isinstance(value, list):
        return f"({', '.join(map(shown, value))})"
    if value is None or isinstance(value, bool | str):
        return json.dumps(value).strip('"')
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def method_label(method: str) -> str:
    """Return how a figure names a method: the LABEL of its module, or else its name."""
    return declared(method, "LABEL") or method


@functools.cache
def declared(method: str, name: str) -> str | None:
    """Return a text that a method's module declares, read without importing torch, or None where it does not."""
    path = OPTIMIZERS / f"{method}.py"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    found = re.search(rf"^{name} = (\".*\")$", text, re.MULTILINE)
    return ast.literal_eval(found[1]) if found else None


def seeds(n: int, log: bool, drawn: str = "Lines") -> str:
    """Return the sentence that says what mean and interval are, and n."""
    if n == 1:
        return f"{drawn}: the n = 1 seed of this run, without intervals."
    mean, scale = ("geometric mean", ", on the log scale") if log else ("mean", "")
    return f"{drawn}: {mean} over n = {n} seeds, with pointwise 95\N{NO-BREAK SPACE}% t intervals{scale}."


def left_out(diverged, what: str = "models") -> str:
    """Return the sentence that counts diverged models by arm, or nothing, for diverged_at with a dimension arm."""
    flags = diverged >= 0
    if not flags.any():
        return ""
    counts = Counter({str(arm): int(flags.sel(arm=arm).sum()) for arm in flags["arm"].values})
    named = [f"{arm}: {count}" for arm, count in counts.most_common(4) if count]
    more = sum(count > 0 for count in counts.values()) - len(named)
    arms = ", ".join(named) + (f" and {more} more arms" if more else "")
    return f"Diverged and left out, {what}: {counts.total()} ({arms})."
