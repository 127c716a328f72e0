"""Is the p that a diagnosis recommends before training among the best after it? Row by row, with the honest rate."""

import csv
import html
import io
from collections.abc import Sequence

import numpy as np

from featurelearning import diagnosis, tables

NUMBERS = ("best_low", "best_high", "recommended", "hits", "regret", "plain_hits", "plain_regret")
COLUMNS = ("study", "case", "snr", "n", *NUMBERS)
RULE = (
    "Best p: of the grid, the one with the smallest final error against the noise-free teacher; its interval is the t "
    "interval at level 0.95 over seeds. A hit: the p recommended from a seed's training data lies in it. Regret: log "
    "error of the recommended p less that of the best one, mean over seeds. Beside them what always p = -1, or the "
    "p nearest to it in a grid without it, would have. A seed in which a model diverged is left out."
)


def judged(error: np.ndarray, exponents: np.ndarray, recommended: np.ndarray) -> dict[str, float]:
    """Return the row of one case from final errors [p, n], NaN for a diverged model, and the p recommended [n].

    hits, regret: shares of seeds in the interval and mean log error above the best; plain_*: those of the exponent
    nearest to -1. Without a seed to judge, or an exponent, n is 0 and all else NaN.
    """
    kept = np.isfinite(error).all(axis=0) & (len(exponents) > 0)
    log_error, recommended = np.log(error[:, kept]), recommended[kept]
    if not kept.any():
        return {"n": 0} | dict.fromkeys(NUMBERS, np.nan)
    best = exponents[log_error.argmin(axis=0)]
    row = {"n": int(kept.sum()), "recommended": float(recommended.mean())}
    plain = exponents[np.abs(exponents - diagnosis.WHITENING).argmin()]
    for name, chosen in (("", recommended), ("plain_", np.full(len(best), plain))):
        found = [diagnosis.within(p, best) for p in chosen]
        place = np.abs(exponents[:, None] - chosen).argmin(axis=0)
        regret = log_error[place, np.arange(len(place))] - log_error.min(axis=0)
        row |= {f"{name}hits": float(np.mean([each.hit for each in found])), f"{name}regret": float(regret.mean())}
    return row | {"best_low": found[0].low, "best_high": found[0].high}


def summary(rows: Sequence[dict]) -> str:
    """Return one sentence: how often the diagnosis hits over all rows, and how often p = -1 does."""
    seeds = np.array([row["n"] for row in rows], dtype=float)
    rate, plain, regret, other = (
        np.nansum([row[name] * n for row, n in zip(rows, seeds, strict=True)]) / max(seeds.sum(), 1)
        for name in ("hits", "plain_hits", "regret", "plain_regret")
    )
    return (
        f"The recommended p lies in the interval of the best p in {100 * rate:.0f} % of {seeds.sum():.0f} data sets "
        f"(always p = -1: {100 * plain:.0f} %), with a mean regret of {regret:.2f} in log error ({other:.2f})."
    )


def write_csv(rows: Sequence[dict]) -> str:
    """Return the rows as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cells(row, ".6g") for row in rows])
    return out.getvalue()


def markdown(rows: Sequence[dict]) -> str:
    """Return the rows as Markdown, the sentence and the rule above them."""
    lines = [
        tables.line(COLUMNS),
        tables.line(["---"] * len(COLUMNS)),
        *(tables.line(_cells(row, ".2f")) for row in rows),
    ]
    return "\n".join([summary(rows), "", RULE, "", *lines, ""])


def page(rows: Sequence[dict]) -> str:
    """Return the rows as one HTML page that needs no other file."""
    return tables.document("diagnosis", "Diagnosis before training", summary(rows), RULE, COLUMNS, map(_html_row, rows))


def _cells(row, form):
    return [tables.number(row[name], form) if isinstance(row[name], float) else str(row[name]) for name in COLUMNS]


def _html_row(row):
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in _cells(row, ".2f")) + "</tr>"
