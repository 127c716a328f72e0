"""Which verdicts of the noise study hold when one setting is changed: a row for each claim, a column a variant."""

import html
from collections.abc import Mapping, Sequence

from featurelearning.evidence import claims, tables, verdicts
from featurelearning.evidence.tables import Cell, Column, Table
from featurelearning.preconditioning.studies import NOISE

BASELINE = "baseline"
ESTIMATOR = "population"
NUMBERS = ("estimate", "ci_low", "ci_high")


def judged(listed: Sequence[dict], noise, variants: Mapping[str, object]) -> list[dict]:
    """Return {id, statement, verdicts: column -> row of the claims table} for each claim on powers of Sigma.

    noise: the noise study at the SNR of the variants; variants: data sets in its layout, by name. Each is judged by the
    rule and the contrast of the claim, so that only the data differ.
    """
    columns = {BASELINE: noise, **variants}
    chosen = [
        claim for claim in listed if claim["contrast"].get("study") == NOISE.name and _on_powers(claim["contrast"])
    ]
    return [
        {key: claim[key] for key in ("id", "statement")}
        | {"verdicts": {name: _judged(claim, data) for name, data in columns.items()}}
        for claim in chosen
    ]


def held(rows: Sequence[dict]) -> str:
    """Return one sentence that counts, for each variant, the verdicts which are those of the baseline."""
    if not rows:
        return "No claim is on powers of the known covariance in the noise study."
    names = [name for name in rows[0]["verdicts"] if name != BASELINE]
    same = {name: sum(_verdict(row, name) == _verdict(row, BASELINE) for row in rows) for name in names}
    counted = ", ".join(f"{name} {count}" for name, count in same.items()) or "no variants"
    return f"Of {len(rows)} contrasts, as many have the verdict of the baseline: {counted}."


def written(rows: Sequence[dict]) -> Table:
    """Return a row for each claim and variant: estimate, interval, n, verdict."""
    columns = [Column(key) for key in ("claim", "variant", *NUMBERS, "n", "verdict")]
    lines = [
        {"claim": row["id"], "variant": name} | {key: found[key] for key in (*NUMBERS, "n", "verdict")}
        for row in rows
        for name, found in row["verdicts"].items()
    ]
    return Table(columns, lines)


def shown(rows: Sequence[dict]) -> Table:
    """Return a row for each claim, with verdict, measured value and interval in the column of each variant."""
    columns = [Column(key) for key in ("claim", *dict.fromkeys(name for row in rows for name in row["verdicts"]))]
    lines = [{"claim": _claim(row)} | {key: _cell(found) for key, found in row["verdicts"].items()} for row in rows]
    return Table(columns, lines, "firmness", "Stability of the verdicts", held(rows))


def texts(rows: Sequence[dict]) -> dict[str, str]:
    """Return the text of each file that holds the table, by ending."""
    table = shown(rows)
    return {"csv": written(rows).csv(), "md": table.markdown(), "html": table.html()}


def _judged(claim, data):
    return claims.evaluate(claim, {NOISE.name: data}, {NOISE.name: NOISE})


def _on_powers(contrast):
    return contrast.get("method") == "sigma_power" and contrast.get("estimator") == ESTIMATOR


def _verdict(row, name):
    return row["verdicts"][name]["verdict"]


def _claim(row):
    return Cell(row["id"], f"{html.escape(row['id'])}<small>{html.escape(row['statement'])}</small>")


def _cell(found):
    verdict, interval = found["verdict"], found["interval"]
    text = verdicts.MARKS[verdict] + (f" {found['measured']}" if found["measured"] != tables.MISSING else "")
    markup = f"{html.escape(text)}<small>{html.escape(interval)}</small>"
    return Cell(text, markup, f"number {verdicts.style(verdict)}", verdict)
