"""A table as CSV, Markdown and self-contained HTML: the same rows give the same bytes."""

import csv
import html
import io
from collections.abc import Mapping, Sequence
from math import isnan
from typing import NamedTuple

MISSING = "–"
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


class Column(NamedTuple):
    """A column: its key in the rows and in CSV, what readers see as its head, how a number is shown to them."""

    key: str
    title: str = ""
    form: str = ""


class Cell(NamedTuple):
    """A cell whose HTML is more than its text: markup (empty: the text), classes of CSS, and a hint on hovering."""

    text: str
    markup: str = ""
    classes: str = ""
    hint: str = ""


class Table(NamedTuple):
    """Rows under named columns, with a sentence above them and what explains them.

    rows: {key: text, number or Cell}; a number that is NaN is missing. name: of the HTML table. style: CSS beside that
    of all tables. notes: lines below the table, in Markdown.
    """

    columns: Sequence[Column]
    rows: Sequence[Mapping]
    name: str = "table"
    title: str = ""
    summary: str = ""
    about: str = ""
    style: str = ""
    notes: Sequence[str] = ()

    def csv(self) -> str:
        """Return CSV text under the keys of the columns, numbers to six digits, a missing number empty."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([column.key for column in self.columns])
        writer.writerows([_text(row[column.key], ".6g", "") for column in self.columns] for row in self.rows)
        return out.getvalue()

    def markdown(self) -> str:
        """Return the sentence, what explains the table, the table, and the notes."""
        above = [part for text in (self.summary, self.about) if text for part in (text, "")]
        lines = [_line(self._titles()), _line(["---"] * len(self.columns))]
        lines += [_line([_text(*cell) for cell in self._cells(row)]) for row in self.rows]
        notes = ["", "Notes:", "", *(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n".join([*above, *lines, *notes, ""])

    def html(self) -> str:
        """Return an HTML page that needs no other file; the first cell of a row is its head."""
        columns = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in self._titles())
        caption = f"<strong>{html.escape(self.summary)}</strong> {html.escape(self.about)}".rstrip()
        body = "\n".join(self._html_row(row) for row in self.rows)
        title = html.escape(self.title)
        return (
            f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
            f"<style>{STYLE}{self.style}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
            f'<table id="{self.name}">\n<caption>{caption}</caption>\n'
            f"<thead><tr>{columns}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</body>\n</html>\n"
        )

    def _titles(self):
        return [column.title or column.key for column in self.columns]

    def _cells(self, row):
        return [(row[column.key], column.form, MISSING) for column in self.columns]

    def _html_row(self, row):
        first, *rest = (_element(*cell) for cell in self._cells(row))
        return f'<tr><th scope="row"{first}</th>' + "".join(f"<td{cell}</td>" for cell in rest) + "</tr>"


def number(value: float, form: str = ".6g", missing: str = "") -> str:
    """Return a number as text, a missing one as nothing."""
    return missing if isnan(value) else f"{value:{form}}"


def _text(value, form, missing):
    if isinstance(value, Cell):
        return value.text
    return number(value, form, missing) if isinstance(value, float) else str(value)


def _element(value, form, missing):
    if not isinstance(value, Cell):
        return f">{html.escape(_text(value, form, missing))}"
    attributes = "".join(
        f' {key}="{html.escape(text)}"' for key, text in (("class", value.classes), ("title", value.hint)) if text
    )
    return f"{attributes}>{value.markup or html.escape(value.text)}"


def _line(cells):
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
