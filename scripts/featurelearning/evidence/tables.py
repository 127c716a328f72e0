"""The table of claims as CSV, Markdown and self-contained HTML: the same rows give the same bytes."""

import csv
import html
import io
from collections import Counter
from collections.abc import Iterable
from math import isnan, nan

TEXTS = ("claim", "reference", "statement", "contrast", "verdict", "unit", "expected", "figure", "note")
WHOLE = ("n", "diverged")
COLUMNS = (
    *("claim", "reference", "statement", "contrast", "estimate", "ci_low", "ci_high", "n", "verdict"),
    *("level", "bca_low", "bca_high", "unit", "expected", "smallest_effect", "diverged", "figure", "note"),
)
# Every verdict has a sign of its own beside its colour (Okabe-Ito), so it reads in grey and without colour vision.
MARKS = {"reproduced": "✔", "contradicted": "✘", "undecided": "○", "not run": "–"}
RULE = (
    "The estimate is the mean over seeds of the contrast, paired within seed, with its t interval at level 1 - 0.05/m "
    "for a family of m contrasts. Reproduced: the interval lies beyond the smallest effect in the claimed direction; "
    "contradicted: beyond it in the other; undecided: neither, or a model diverged or has learned nothing. A claim "
    "that two things are alike is reproduced by an interval within the smallest effect to both sides. Identities are "
    "held against a tolerance and have no interval."
)
STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 1em 1.5em; color: #222; background: #fff; }
h1 { font-size: 1.5em; margin: 0 0 0.5em; }
table { border-collapse: separate; border-spacing: 0; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: 0.5em; }
th, td { border-bottom: 1px solid #ccc; padding: 0.5em 0.7em 0.5em 0; text-align: left; vertical-align: top; }
thead th { border-bottom: 2px solid #222; position: sticky; top: 0; background: #fff; }
small { color: #555; display: block; }
.number, .verdict { white-space: nowrap; }
.verdict { font-weight: bold; }
.reproduced { color: #0072b2; }
.contradicted { color: #b34700; }
.undecided, .not-run { color: #555; }
summary { color: #555; font-size: smaller; cursor: pointer; }
@media (max-width: 48em) { .number { white-space: normal; } }
"""


def write_csv(rows: list[dict]) -> str:
    """Return rows as CSV text in the order of COLUMNS, numbers to six digits, a missing number empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(row, column) for column in COLUMNS] for row in rows)
    return out.getvalue()


def read_csv(text: str) -> list[dict]:
    """Return the rows of `write_csv`'s text, numbers as numbers. Raises ValueError naming columns that are missing."""
    rows = list(csv.DictReader(io.StringIO(text)))
    missing = [column for column in COLUMNS if not rows or column not in rows[0]]
    if missing:
        raise ValueError(
            f"results/claims.csv: no rows with the columns {', '.join(missing)}; delete it and run `make reproduce`"
        )
    return [{column: _parse(row, column) for column in COLUMNS} for row in rows]


def markdown(rows: list[dict]) -> str:
    """Return the count of verdicts, the table (claim, statement, figure, estimate, n, verdict) and the notes."""
    head = ("claim", "statement", "figure", "estimate and interval", "n", "verdict")
    lines = [summary(rows), "", RULE, "", line(head), line(["---"] * len(head))]
    for row in rows:
        cells = (row["claim"], row["statement"], row["figure"], estimate(row), row["n"], _verdict(row))
        lines.append(line(cells))
    notes = [f"- {row['claim']}: {row['note']}" for row in rows if row["note"]]
    return "\n".join([*lines, *(["", "Notes:", "", *notes] if notes else []), ""])


def page(rows: list[dict]) -> str:
    """Return the table as one HTML page that needs no other file."""
    head = ("claim", "verdict", "estimate and intervals", "n", "figure", "statement")
    return document("claims", "Claims and verdicts", summary(rows), RULE, head, map(_html_row, rows))


def document(
    name: str, title: str, summary: str, about: str, head: Iterable[str], rows: Iterable[str], style=""
) -> str:
    """Return an HTML page with one table; rows are given as HTML, all else as text."""
    body = "\n".join(rows)
    columns = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in head)
    caption = f"<strong>{html.escape(summary)}</strong> {html.escape(about)}".rstrip()
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f"<style>{STYLE}{style}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        f'<table id="{name}">\n<caption>{caption}</caption>\n'
        f"<thead><tr>{columns}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</body>\n</html>\n"
    )


def summary(rows: list[dict]) -> str:
    """Return one sentence that counts the verdicts."""
    counts = Counter(row["verdict"] for row in rows)
    return f"{len(rows)} contrasts: " + ", ".join(f"{counts[verdict]} {verdict}" for verdict in MARKS) + "."


def estimate(row: dict) -> str:
    """Return the estimate with its interval and unit, for example `-0.531 [-0.612, -0.450] log-ratio`."""
    if isnan(row["estimate"]):
        return "–"
    if row["unit"] == "deviation":
        return f"{row['estimate']:.1e} (at most {row['smallest_effect']:.0e})"
    return f"{row['estimate']:+.3f} {interval(row, 'ci')} {row['unit']}"


def interval(row: dict, name: str) -> str:
    """Return the interval `ci` or `bca` of a row as text."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "–" if isnan(low) or isnan(high) else f"[{low:+.3f}, {high:+.3f}]"


def number(value: float, form: str = ".6g") -> str:
    """Return a number as text, a missing one as nothing."""
    return "" if isnan(value) else f"{value:{form}}"


def line(cells: Iterable) -> str:
    """Return cells as a row of a Markdown table."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _cell(row, column):
    value = row[column]
    if column in (*TEXTS, *WHOLE):
        return str(value)
    return number(value)


def _parse(row, column):
    value = row[column]
    if column in TEXTS:
        return value
    return int(value) if column in WHOLE else float(value or nan)


def _verdict(row):
    return f"{MARKS[row['verdict']]} {row['verdict']}"


def _html_row(row):
    texts = {key: html.escape(str(value)) for key, value in row.items()}
    note = f"<small>Note: {texts['note']}</small>" if row["note"] else ""
    side = "within" if row["expected"] == "zero" else "beyond"
    claimed = "" if row["unit"] == "deviation" else f"; claimed: {row['expected']}, {side} {row['smallest_effect']:.3g}"
    bca = "" if isnan(row["bca_low"]) else f"<small>BCa {interval(row, 'bca')}</small>"
    return (
        f'<tr><th scope="row">{texts["claim"]}</th>'
        f'<td class="verdict {row["verdict"].replace(" ", "-")}">{_verdict(row)}</td>'
        f'<td class="number">{html.escape(estimate(row))}{bca}</td><td>{row["n"]}</td><td>{texts["figure"]}</td>'
        f"<td>{texts['statement']}{note}<details><summary>contrast, reference</summary>"
        f"<small>{texts['contrast']}{claimed}</small><small>{texts['reference']}</small></details></td></tr>"
    )
