"""The diagnosis score: how often the p that is recommended before training is among the best after it.

The interval is that of the mean best p, so it narrows with more seeds, and a p beside it may cost hardly any error: the
regret and the share within one grid step say how much a miss costs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from featurelearning import arrays
from featurelearning.evidence import statistics
from featurelearning.evidence.tables import Column, Table

PLAIN = -1.0  # the recommendation of one who does not look at the data
MEASURES = ("hits", "near", "regret")
NUMBERS = ("best_low", "best_high", "recommended", *MEASURES, *(f"plain_{name}" for name in MEASURES))
COLUMNS = ("study", "case", "snr", "reading", "n", *NUMBERS)
TITLES = {"hits": "diagnosis score", "plain_hits": "score of p = -1"}
TITLES |= {"plain_near": "near of p = -1", "plain_regret": "regret of p = -1"}
RULE = (
    "Best p: of the grid, the one with the smallest error against the noise-free teacher, at the final step and at the "
    "best one; its interval is the t interval at level 0.95 of its mean over seeds. Diagnosis score: the share of "
    "seeds for which the p recommended from the training data lies in it; where the best p falls between two points "
    "of the grid, none can. Near: the share for which it is the best p of that seed or its neighbour on the grid. "
    "Regret: log error of the recommended p less that of the best. Beside them what always p = -1, or the p nearest "
    "to it in a grid without it, would have. A seed in which a model diverged is left out."
)


class Judgement(NamedTuple):
    """Whether a recommended p lies in the interval of the best p, and that interval."""

    hit: bool
    low: float
    high: float


def within(recommended: float, best: np.ndarray, level: float = 0.95) -> Judgement:
    """Return whether p lies in the t interval of the best p over seeds [n], and that interval.

    Best p that are all the same are their own interval; fewer than two have none and are no hit. Raises ValueError for
    a best p that is not finite.
    """
    recommended, best = arrays.number("recommended", recommended), arrays.real("best p", best, ("seeds",), None, True)
    if not np.isfinite(best).all():
        raise ValueError("best p: not all are finite; leave out the seeds whose models diverged")
    low, high = statistics.t_interval(best, level)
    slack = statistics.ROUNDING * max(abs(low), abs(high))
    return Judgement(bool(low - slack <= recommended <= high + slack), low, high)


def judged(error: np.ndarray, exponents: np.ndarray, recommended: np.ndarray) -> dict[str, float]:
    """Return the row of one case from errors [p, n], NaN for a diverged model, and the p recommended [n].

    hits, near, regret: means over seeds, see RULE; plain_*: those of the exponent
    nearest to -1. Without a seed to judge, or an exponent, n is 0 and all else NaN.
    """
    kept = np.isfinite(error).all(axis=0) & (len(exponents) > 0)
    log_error, recommended = np.log(error[:, kept]), recommended[kept]
    if not kept.any():
        return {"n": 0} | dict.fromkeys(NUMBERS, np.nan)
    places = log_error.argmin(axis=0)
    plain = np.full(len(places), exponents[np.abs(exponents - PLAIN).argmin()])
    row = {"n": int(kept.sum()), "recommended": float(recommended.mean())}
    for prefix, chosen in (("", recommended), ("plain_", plain)):
        found = [within(p, exponents[places]) for p in chosen]
        at = np.abs(exponents[:, None] - chosen).argmin(axis=0)
        regret = log_error[at, np.arange(len(at))] - log_error.min(axis=0)
        values = ([each.hit for each in found], np.abs(at - places) <= 1, regret)
        row |= {prefix + name: float(np.mean(value)) for name, value in zip(MEASURES, values, strict=True)}
    return row | {"best_low": found[0].low, "best_high": found[0].high}


def summary(rows: Sequence[dict]) -> str:
    """Return one sentence: how often the diagnosis is right over all rows, and how often p = -1 is."""
    n = np.array([row["n"] for row in rows], dtype=float)
    mean = {name: np.nansum([row[name] for row in rows] * n) / max(n.sum(), 1) for name in NUMBERS}
    rate = {name: f"{100 * mean[name]:.0f} %" for name in ("hits", "near", "plain_hits", "plain_near")}
    return (
        f"The recommended p lies in the interval of the best p in {rate['hits']} of {n.sum():.0f} data sets and "
        f"readings (always p = -1: {rate['plain_hits']}), within one step of the grid in {rate['near']} "
        f"({rate['plain_near']}), with a mean regret of {mean['regret']:.2f} in log error ({mean['plain_regret']:.2f})."
    )


def table(rows: Sequence[dict]) -> Table:
    """Return the table of the rows, the sentence and the rule above them."""
    columns = [Column(key, TITLES.get(key, key.replace("_", " ")), ".2f") for key in COLUMNS]
    return Table(columns, rows, "diagnosis", "Diagnosis before training", summary(rows), RULE)


def texts(rows: Sequence[dict]) -> dict[str, str]:
    """Return the text of each file that holds the table, by ending."""
    found = table(rows)
    return {"csv": found.csv(), "md": found.markdown(), "html": found.html()}
