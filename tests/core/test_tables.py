"""Tables in every format; the table of claims: columns, round trip, its way into the README, and a paper's whole."""

import csv
import io
import os
import subprocess
import sys
from html.parser import HTMLParser
from math import nan
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import gather
import made_paper as toy
import readme
from featurelearning.evidence import verdicts
from featurelearning.evidence.tables import Cell, Column, Table


def row(**changes):
    base = {"claim": "P1-C1-high", "reference": "paper & figure", "statement": "a < b | c", "contrast": "log a - log b"}
    base |= {"estimate": -0.5312345678, "ci_low": -0.6123, "ci_high": -0.4501, "n": 10, "verdict": "reproduced"}
    base |= {"level": 0.99375, "bca_low": -0.6, "bca_high": -0.46, "unit": "log-ratio", "expected": "negative"}
    base |= {"smallest_effect": 0.0953101798, "diverged": 0, "figure": "noise", "note": ""}
    base |= {"measured": "1.7 times smaller error", "interval": "1.57 to 1.84 times smaller"}
    return base | {"claimed": "smaller by more than a factor of 1.1"} | changes


ABSENT = dict.fromkeys(("estimate", "ci_low", "ci_high", "level", "bca_low", "bca_high"), nan)
ROWS = [
    row(),
    row(claim="P1-C1-low", verdict="contradicted", note="x"),
    row(claim="P1-C2", verdict="undecided", diverged=1, note="diverged: arm High seed 3"),
    row(claim="P1-C3", verdict="not run", n=0, note="no arm with p -2 in the run", **ABSENT),
    row(claim="P1-M1", **ABSENT | {"estimate": 2.5e-14}, unit="deviation", expected="at most", smallest_effect=1e-10),
]


def test_csv_has_the_columns_of_the_contract_first():
    header = verdicts.written(ROWS).csv().splitlines()[0].split(",")
    contract = "claim,reference,statement,contrast,estimate,ci_low,ci_high,n,verdict".split(",")
    assert header[:9] == contract
    assert header[9:18] == "level,bca_low,bca_high,unit,expected,smallest_effect,diverged,figure,note".split(",")
    assert header[18:] == ["measured", "claimed", "interval"]


def test_csv_writes_short_numbers_and_leaves_missing_ones_empty():
    first, *_, absent, identity = csv.DictReader(io.StringIO(verdicts.written(ROWS).csv()))
    assert (first["estimate"], first["n"], first["level"], first["smallest_effect"]) == (
        "-0.531235",
        "10",
        "0.99375",
        "0.0953102",
    )
    assert (absent["estimate"], absent["ci_low"], absent["level"]) == ("", "", "")
    assert (identity["estimate"], identity["smallest_effect"]) == ("2.5e-14", "1e-10")


def test_csv_survives_a_round_trip():
    text = verdicts.texts(ROWS)["csv"]
    again = verdicts.texts(verdicts.read(text))
    assert again["csv"] == text and again["md"] == verdicts.texts(ROWS)["md"]


@pytest.mark.parametrize("text", ["", "claim,verdict\nP1,reproduced\n"])
def test_a_table_without_its_columns_is_refused(text):
    with pytest.raises(ValueError, match="results/x/claims.csv: no rows with the columns .*; delete it and run"):
        verdicts.read(text, "results/x/claims.csv")


@pytest.mark.parametrize("cut", [10, 60])
def test_a_table_that_ends_within_a_row_is_refused(cut):
    with pytest.raises(ValueError, match="claims.csv: truncated or changed .*; delete it and run `make reproduce`"):
        verdicts.read(verdicts.texts(ROWS)["csv"][:-cut])


def test_markdown_holds_counts_table_and_notes():
    lines = verdicts.shown(ROWS).markdown().splitlines()
    assert lines[0] == "5 contrasts: 2 reproduced, 1 contradicted, 1 undecided, 1 not run."
    assert "| claim | statement | figure | measured | interval | claimed | n | verdict |" in lines
    first = "| P1-C1-high | a < b \\| c | noise | 1.7 times smaller error | 1.57 to 1.84 times smaller | "
    assert first + "smaller by more than a factor of 1.1 | 10 | ✔ reproduced |" in lines
    assert lines[-2:] == ["- P1-C2: diverged: arm High seed 3", "- P1-C3: no arm with p -2 in the run"]


def test_markdown_without_notes_has_no_list():
    assert "Notes:" not in verdicts.shown(ROWS[:1]).markdown()


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
    parser, page = Cells(), verdicts.shown(ROWS).html()
    parser.feed(page)
    assert parser.open == [] and parser.links == []
    assert {"a < b | c", "paper & figure", "✔ reproduced", "✘ contradicted", "○ undecided", "– not run"} <= {
        *parser.texts
    }
    assert {"1.7 times smaller error", "1.57 to 1.84 times smaller"} <= {*parser.texts}
    assert "its value: -0.5312 log-ratio, t [-0.612, -0.450], BCa [-0.600, -0.460]" in parser.texts
    assert "url(" not in page and "http" not in page


def test_the_same_rows_give_the_same_texts_with_unix_lines():
    texts = verdicts.texts(ROWS)
    assert texts == verdicts.texts([dict(row) for row in ROWS])
    assert all("\r" not in text and text.endswith("\n") for text in texts.values())


MIXED = Table(
    [Column("name"), Column("share", "share of all", ".0%"), Column("state")],
    [
        {"name": "a|b", "share": 1 / 3, "state": Cell("good", "<b>good</b>", "fine", "it is")},
        {"name": "<c>", "share": nan, "state": 'say "no"'},
    ],
    title="T & t",
    summary="2 > 1.",
)


def test_a_table_shows_numbers_to_readers_in_the_form_of_their_column_and_keeps_six_digits():
    assert MIXED.csv() == 'name,share,state\na|b,0.333333,good\n<c>,,"say ""no"""\n'
    assert MIXED.markdown().splitlines() == [
        "2 > 1.",
        "",
        "| name | share of all | state |",
        "| --- | --- | --- |",
        "| a\\|b | 33% | good |",
        '| <c> | – | say "no" |',
    ]


def test_a_table_escapes_all_but_markup_in_html():
    page = MIXED.html()
    assert '<tr><th scope="row">a|b</th><td>33%</td><td class="fine" title="it is"><b>good</b></td></tr>' in page
    assert '<tr><th scope="row">&lt;c&gt;</th><td>–</td><td>say &quot;no&quot;</td></tr>' in page
    assert "<title>T &amp; t</title>" in page and "<strong>2 &gt; 1.</strong>" in page


def test_a_table_without_rows_is_its_head():
    empty = MIXED._replace(rows=[])
    assert empty.csv() == "name,share,state\n"
    assert empty.markdown().endswith("| --- | --- | --- |\n") and "<tbody>\n\n</tbody>" in empty.html()


README = f"# Title\n\n{readme.BEGIN}\nold\n{readme.END}\n\nThe end.\n"


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "results" / "toy").mkdir(parents=True)
    (tmp_path / "results" / "toy" / "claims.csv").write_text(verdicts.texts(ROWS)["csv"], encoding="utf-8")
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    return tmp_path


def test_readme_gets_the_table_between_its_markers_and_keeps_the_rest(repository):
    readme.main(repository)
    once = (repository / "README.md").read_text(encoding="utf-8")
    assert once.startswith(f"# Title\n\n{readme.BEGIN}\n5 contrasts: ") and once.endswith(f"{readme.END}\n\nThe end.\n")
    assert "old" not in once and "| P1-C2 |" in once
    readme.main(repository)
    assert (repository / "README.md").read_text(encoding="utf-8") == once


def test_readme_holds_the_table_of_every_paper_under_its_name(repository):
    (repository / "results" / "another").mkdir()
    (repository / "results" / "another" / "claims.csv").write_text(verdicts.texts(ROWS[:1])["csv"], encoding="utf-8")
    readme.main(repository)
    text = (repository / "README.md").read_text(encoding="utf-8")
    heads = ["**another**\n\n1 contrasts: 1 reproduced", "**toy**\n\n5 contrasts: 2 reproduced"]
    assert 0 < text.index(heads[0]) < text.index(heads[1])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("results/toy/claims.csv", "claims.csv: not found; run `make reproduce` first"),
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
    (repository / "results" / "toy" / "claims.csv").write_text("claim\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="results/toy/claims.csv: no rows with the columns"):
        readme.main(repository)


@pytest.fixture
def paper(tmp_path, monkeypatch):
    """A made paper with claims of two studies, one of which was judged, and the folder of its results."""
    (tmp_path / "config" / "claims").mkdir(parents=True)
    (tmp_path / "config" / "claims" / "toy.yaml").write_text(yaml.safe_dump(toy.FAMILIES), encoding="utf-8")
    monkeypatch.setitem(sys.modules, "featurelearning.toy", ModuleType("featurelearning.toy"))
    monkeypatch.setitem(sys.modules, "featurelearning.toy.studies", toy)
    monkeypatch.setattr(gather, "ROOT", tmp_path)
    (tmp_path / "results" / "toy" / "sweep").mkdir(parents=True)
    found = [row(claim="T-order"), row(claim="T-difference", verdict="contradicted", note="x")]
    (tmp_path / "results" / "toy" / "sweep" / "claims.csv").write_text(verdicts.texts(found)["csv"], encoding="utf-8")
    return tmp_path / "results"


def read(results):
    text = (results / "toy" / "claims.csv").read_text(encoding="utf-8")
    return {found["claim"]: found for found in verdicts.read(text)}


def test_a_paper_gathers_what_there_is_in_the_order_of_its_list_and_says_what_was_not_run(paper):
    gather.main(["toy"], paper)
    found = read(paper)
    assert list(found) == [claim["id"] for claim in toy.CLAIMS]
    assert (
        found["T-difference"]
        == verdicts.read(verdicts.texts([row(claim="T-difference", verdict="contradicted", note="x")])["csv"])[0]
    )
    assert (found["U-identity"]["verdict"], found["U-identity"]["note"]) == ("not run", "study proofs was not run")
    assert found["T-argmin"]["note"] == "study sweep was judged without this claim"
    assert found["U-identity"]["claimed"] == "at most 1e-10"
    texts = {form: (paper / "toy" / f"claims.{form}").read_text(encoding="utf-8") for form in ("md", "html")}
    assert "- U-identity: study proofs was not run" in texts["md"]
    assert "<h1>T0: claims and verdicts</h1>" in texts["html"]


def test_a_file_that_cannot_be_used_is_named_and_counts_as_not_run(paper, capsys):
    (paper / "toy" / "sweep" / "claims.csv").write_text("claim\n", encoding="utf-8")
    gather.main(["toy"], paper)
    assert "sweep/claims.csv: no rows with the columns" in capsys.readouterr().err
    assert {found["verdict"] for found in read(paper).values()} == {"not run"}


def test_a_paper_that_cannot_be_gathered_is_told_and_fails_no_other(paper, capsys):
    (gather.ROOT / "config" / "claims" / "nonesuch.yaml").write_text("[]", encoding="utf-8")
    gather.main(["nonesuch", "toy"], paper)
    said = capsys.readouterr()
    assert "nonesuch: its table of claims was not written: ModuleNotFoundError" in said.err
    assert said.out.startswith(f"toy: {len(toy.CLAIMS)} contrasts: 1 reproduced, 1 contradicted")


def test_a_paper_without_claims_has_no_table_and_nothing_to_say(paper, capsys):
    gather.main(["nonesuch"], paper)
    assert capsys.readouterr() == ("", "") and not (paper / "nonesuch").exists()


def test_a_table_is_written_whole_or_not_at_all(paper, monkeypatch, capsys):
    gather.main(["toy"], paper)
    before = {path.name: path.read_bytes() for path in (paper / "toy").glob("claims.*")}
    monkeypatch.setattr(verdicts, "texts", lambda rows, title: {"csv": "new", "md": None, "html": "new"})
    gather.main(["toy"], paper)
    assert "was not written: " in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (paper / "toy").glob("*claims.*")} == before


def test_gathering_imports_nothing_that_takes_time():
    code = "import sys, gather; print([name for name in ('numpy', 'scipy', 'xarray', 'torch') if name in sys.modules])"
    folder = Path(gather.__file__).parent
    command, path = [sys.executable, "-c", code], f"{folder}{os.pathsep}{folder.parent}"
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path})
    assert done.stdout.strip() == "[]", done.stderr
