"""The table of claims: columns, round trip, readable numbers, and its way into the README."""

import csv
import io
from html.parser import HTMLParser
from math import nan

import pytest
import readme

from featurelearning.evidence import tables


def row(**changes):
    base = {"claim": "P1-C1-high", "reference": "paper & figure", "statement": "a < b | c", "contrast": "log a - log b"}
    base |= {"estimate": -0.5312345678, "ci_low": -0.6123, "ci_high": -0.4501, "n": 10, "verdict": "reproduced"}
    base |= {"level": 0.99375, "bca_low": -0.6, "bca_high": -0.46, "unit": "log-ratio", "expected": "negative"}
    return base | {"smallest_effect": 0.0953101798, "diverged": 0, "figure": "noise", "note": ""} | changes


ABSENT = dict.fromkeys(("estimate", "ci_low", "ci_high", "level", "bca_low", "bca_high"), nan)
ROWS = [
    row(),
    row(claim="P1-C1-low", verdict="contradicted", note="x"),
    row(claim="P1-C2", verdict="undecided", diverged=1, note="diverged: arm High seed 3"),
    row(claim="P1-C3", verdict="not run", n=0, note="no arm with p -2 in the run", **ABSENT),
    row(claim="P1-M1", **ABSENT | {"estimate": 2.5e-14}, unit="deviation", expected="at most", smallest_effect=1e-10),
]


def test_csv_has_the_columns_of_the_contract_first():
    header = tables.write_csv(ROWS).splitlines()[0].split(",")
    contract = "claim,reference,statement,contrast,estimate,ci_low,ci_high,n,verdict".split(",")
    assert header[:9] == contract
    assert header[9:] == "level,bca_low,bca_high,unit,expected,smallest_effect,diverged,figure,note".split(",")


def test_csv_writes_short_numbers_and_leaves_missing_ones_empty():
    first, *_, absent, identity = csv.DictReader(io.StringIO(tables.write_csv(ROWS)))
    assert (first["estimate"], first["n"], first["level"], first["smallest_effect"]) == (
        "-0.531235",
        "10",
        "0.99375",
        "0.0953102",
    )
    assert (absent["estimate"], absent["ci_low"], absent["level"]) == ("", "", "")
    assert (identity["estimate"], identity["smallest_effect"]) == ("2.5e-14", "1e-10")


def test_csv_survives_a_round_trip():
    text = tables.write_csv(ROWS)
    assert tables.write_csv(tables.read_csv(text)) == text
    assert tables.markdown(tables.read_csv(text)) == tables.markdown(ROWS)


@pytest.mark.parametrize("text", ["", "claim,verdict\nP1,reproduced\n"])
def test_a_table_without_its_columns_is_refused(text):
    with pytest.raises(ValueError, match="results/claims.csv: no rows with the columns .*; delete it and run"):
        tables.read_csv(text)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({}, "-0.531 [-0.612, -0.450] log-ratio"),
        ({"estimate": 0.0, "ci_low": 0.0, "ci_high": 0.5, "unit": "accuracy"}, "+0.000 [+0.000, +0.500] accuracy"),
        ({"ci_low": nan, "ci_high": nan}, "-0.531 – log-ratio"),
        (ABSENT, "–"),
        ({"estimate": 2.5e-14, "unit": "deviation", "smallest_effect": 1e-10}, "2.5e-14 (at most 1e-10)"),
    ],
)
def test_estimates_are_readable(change, text):
    assert tables.estimate(row(**change)) == text


def test_markdown_holds_counts_table_and_notes():
    lines = tables.markdown(ROWS).splitlines()
    assert lines[0] == "5 contrasts: 2 reproduced, 1 contradicted, 1 undecided, 1 not run."
    assert "| claim | statement | figure | estimate and interval | n | verdict |" in lines
    first = "| P1-C1-high | a < b \\| c | noise | -0.531 [-0.612, -0.450] log-ratio | 10 | ✔ reproduced |"
    assert first in lines
    assert lines[-2:] == ["- P1-C2: diverged: arm High seed 3", "- P1-C3: no arm with p -2 in the run"]


def test_markdown_without_notes_has_no_list():
    assert "Notes:" not in tables.markdown(ROWS[:1])


class Cells(HTMLParser):
    """Collects the texts of an HTML page and refuses tags that do not match."""

    def __init__(self):
        super().__init__()
        self.open, self.texts, self.links = [], [], []

    def handle_starttag(self, tag, attrs):
        self.open += [tag] if tag != "meta" else []
        self.links += [value for key, value in attrs if key in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_html_is_well_formed_escaped_and_needs_no_other_file():
    parser = Cells()
    parser.feed(tables.page(ROWS))
    assert parser.open == [] and parser.links == []
    assert {"a < b | c", "paper & figure", "✔ reproduced", "✘ contradicted", "○ undecided", "– not run"} <= {
        *parser.texts
    }
    assert "url(" not in tables.page(ROWS) and "http" not in tables.page(ROWS)


@pytest.mark.parametrize("write", [tables.write_csv, tables.markdown, tables.page])
def test_the_same_rows_give_the_same_text_with_unix_lines(write):
    assert write(ROWS) == write([dict(row) for row in ROWS])
    assert "\r" not in write(ROWS) and write(ROWS).endswith("\n")


README = f"# Title\n\n{readme.BEGIN}\nold\n{readme.END}\n\nThe end.\n"


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "claims.csv").write_text(tables.write_csv(ROWS), encoding="utf-8")
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    return tmp_path


def test_readme_gets_the_table_between_its_markers_and_keeps_the_rest(repository):
    readme.main(repository)
    once = (repository / "README.md").read_text(encoding="utf-8")
    assert once.startswith(f"# Title\n\n{readme.BEGIN}\n5 contrasts: ") and once.endswith(f"{readme.END}\n\nThe end.\n")
    assert "old" not in once and "| P1-C2 |" in once
    readme.main(repository)
    assert (repository / "README.md").read_text(encoding="utf-8") == once


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("results/claims.csv", "claims.csv: not found; run `make reproduce` first"),
        ("README.md", "README.md: not found"),
    ],
)
def test_readme_names_the_missing_file(name, message, repository):
    (repository / name).unlink()
    with pytest.raises(SystemExit, match=message):
        readme.main(repository)


@pytest.mark.parametrize("text", ["no markers", f"{readme.END}\n{readme.BEGIN}", README + README, readme.BEGIN])
def test_readme_without_its_markers_is_left_alone(text, repository):
    (repository / "README.md").write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit, match="README.md: needs the markers <!-- claims:begin --> and <!-- claims:end -->"):
        readme.main(repository)
    assert (repository / "README.md").read_text(encoding="utf-8") == text


def test_readme_refuses_a_truncated_table(repository):
    (repository / "results" / "claims.csv").write_text("claim\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="results/claims.csv: no rows with the columns"):
        readme.main(repository)
