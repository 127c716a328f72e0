"""The table of claims: written as CSV, read again, and shown to readers."""

import csv
import html
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from math import isnan, nan

from featurelearning.evidence import words
from featurelearning.evidence.studies import Study
from featurelearning.evidence.tables import Cell, Column, Table

TEXTS = ("claim", "reference", "statement", "contrast", "verdict", "unit", "expected", "figure", "note")
TEXTS += ("measured", "claimed", "interval")
WHOLE = ("n", "diverged")
COLUMNS = (
    *("claim", "reference", "statement", "contrast", "estimate", "ci_low", "ci_high", "n", "verdict"),
    *("level", "bca_low", "bca_high", "unit", "expected", "smallest_effect", "diverged", "figure", "note"),
    *("measured", "claimed", "interval"),
)
SHOWN = tuple(
    Column(key) for key in ("claim", "statement", "figure", "measured", "interval", "claimed", "n", "verdict")
)
# Every verdict has a sign of its own beside its colour (Okabe-Ito), so it reads in grey and without colour vision.
MARKS = {"reproduced": "✔", "contradicted": "✘", "undecided": "○", "not run": "–"}
RULE = (
    "Measured is the mean over seeds of the contrast, paired within seed, and beside it stands its t interval at level "
    "1 - 0.05/m for a family of m contrasts; both are in the unit of what is compared, errors as factors. Reproduced: "
    "the interval lies beyond the smallest effect in the claimed direction; contradicted: beyond it in the other; "
    "undecided: neither, or a model diverged or has learned nothing. A claim that two things are alike is reproduced "
    "by an interval within the smallest effect to both sides. Identities are held against a tolerance and have no "
    "interval."
)


def written(rows: Sequence[Mapping]) -> Table:
    """Return the table as it is kept, one column a fact."""
    return Table([Column(key) for key in COLUMNS], rows)


def shown(rows: Sequence[Mapping], title: str = "Claims and verdicts") -> Table:
    """Return the table as it is read: what was measured, its interval, what was claimed, the verdict."""
    notes = [f"{row['claim']}: {row['note']}" for row in rows if row["note"]]
    return Table(SHOWN, [_readable(row) for row in rows], "claims", title, summary(rows), RULE, notes=notes)


def texts(rows: Sequence[Mapping], title: str = "Claims and verdicts") -> dict[str, str]:
    """Return the text of each file that holds the table, by ending."""
    table = shown(rows, title)
    return {"csv": written(rows).csv(), "md": table.markdown(), "html": table.html()}


def read(text: str, name: str = "claims.csv") -> list[dict]:
    """Return the rows of a table that was written as CSV, numbers as numbers.

    Raises ValueError naming the file and the columns that are missing, or a value that is none.
    """
    rows = list(csv.DictReader(io.StringIO(text)))
    missing = [column for column in COLUMNS if not rows or column not in rows[0]]
    if missing:
        raise ValueError(f"{name}: no rows with the columns {', '.join(missing)}; delete it and run `make reproduce`")
    try:
        if not text.endswith("\n"):
            raise ValueError("its last line has no end")
        return [{column: _parse(row, column) for column in COLUMNS} for row in rows]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: truncated or changed ({error}); delete it and run `make reproduce`") from error


def gathered(
    claims: Sequence[Mapping], found: Mapping[str, Sequence[Mapping]], studies: Mapping[str, Study]
) -> list[dict]:
    """Return a row for each validated claim: that of its study where there is one, else `not run` and why.

    found: the rows of each study that was judged.
    """
    rows = {row["claim"]: row for judged in found.values() for row in judged}
    return [rows.get(claim["id"]) or words.not_run(claim, studies, _absent(claim, found)) for claim in claims]


def summary(rows: Sequence[Mapping]) -> str:
    """Return one sentence that counts the verdicts."""
    counts = Counter(row["verdict"] for row in rows)
    return f"{len(rows)} contrasts: " + ", ".join(f"{counts[verdict]} {verdict}" for verdict in MARKS) + "."


def marked(verdict: str) -> str:
    """Return a verdict with its sign."""
    return f"{MARKS[verdict]} {verdict}"


def style(verdict: str) -> str:
    """Return the CSS class of a verdict."""
    return verdict.replace(" ", "-")


def numbers(row: Mapping, name: str) -> str:
    """Return the interval `ci` or `bca` of a row as numbers of the contrast."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "–" if isnan(low) or isnan(high) else f"[{low:+.3f}, {high:+.3f}]"


def _absent(claim, found):
    study = words.compared(claim["contrast"])[0]
    return f"study {study} was judged without this claim" if study in found else f"study {study} was not run"


def _parse(row, column):
    value = row[column]
    if value is None:
        raise ValueError(f"{column} is missing")
    if column in TEXTS:
        return value
    return int(value) if column in WHOLE else float(value or nan)


def _readable(row):
    said = {key: html.escape(str(value)) for key, value in row.items()}
    note = f"<small>Note: {said['note']}</small>" if row["note"] else ""
    facts = (
        "" if isnan(row["estimate"]) else f"its value: {row['estimate']:+.4g} {said['unit']}, t {numbers(row, 'ci')}"
    )
    facts += "" if isnan(row["bca_low"]) else f", BCa {numbers(row, 'bca')}"
    details = "".join(f"<small>{text}</small>" for text in (said["contrast"], facts, said["reference"]) if text)
    statement = (
        f"{said['statement']}{note}<details><summary>contrast, its value, reference</summary>{details}</details>"
    )
    return {key: row[key] for key in ("claim", "figure", "measured", "interval", "claimed", "n")} | {
        "statement": Cell(row["statement"], statement),
        "verdict": Cell(marked(row["verdict"]), classes=f"verdict {style(row['verdict'])}"),
    }
