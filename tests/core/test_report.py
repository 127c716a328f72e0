"""The report of the tiny run, opened in a browser as a person would: every caption, the claims table, every figure."""

import contextlib
import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import docutils.core
import jinja2
import pytest

import browser
from repository import FIGURES as NAMES
from repository import ROOT, STUDIES, TABLES, require, tiny
from workflow.core import configuration, rooms

DECLARED = rooms.declared(configuration.rooms())
FIGURES = [f"{i:02d} {name}" for i, name in enumerate(NAMES, 1)]  # sorted as text
CATEGORIES = ["P1 claims", "P1 figures", "P1 tables", "Run"]
CAPTIONS = {"core": ["workflow", "claims", "costs"], "preconditioning": ["diagnosis", "firmness"]}
JUDGED = sorted(study for study, claims in rooms.claims(tiny()).items() if claims and study in STUDIES)
ESTIMATES = ("estimate", "ci_low", "ci_high", "bca_low", "bca_high")
SHOWN_AS_KEPT = ("claim", "figure", "measured", "interval", "claimed", "n")
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:e[-+]\d+)?")
LINKS = "\n\n" + "\n".join(f".. _{name}: x" for name in CATEGORIES)  # Snakemake adds a link for each category
ENTRIES = "[...document.querySelectorAll('nav tbody tr')]"
SHOWN = "document.querySelector('#app > div > div img')"
TABLE = """(() => {
    const texts = row => [...row.cells].map(cell => cell.innerText.trim());
    const [head, ...rows] = [...document.querySelectorAll('#claims tr')].map(texts);
    return rows.map(row => Object.fromEntries(row.map((text, i) => [head[i], text])));
})()"""
DETAILS = "[...document.querySelectorAll('#claims tbody tr')].map(row => row.querySelector('details').textContent)"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    program = browser.find()
    require(program, f"none of {', '.join(browser.NAMES)} is installed: the report was not opened")
    with browser.Browser(program, tmp_path_factory.mktemp("browser")) as chromium:
        yield chromium


@contextlib.contextmanager
def visit(chromium: browser.Browser, report: Path) -> Iterator[browser.Browser]:
    """Open a report; what must hold at the end of each visit is asserted here."""
    chromium.send("Page.navigate", url="about:blank")
    chromium.wait("location.href == 'about:blank'")
    chromium.events.clear()
    chromium.open(report)
    chromium.wait("document.querySelector('nav li')")
    yield chromium
    assert chromium.errors() == []
    assert [url for url in chromium.requests() if not url.startswith(("data:", "blob:", report.as_uri()))] == []


@pytest.fixture
def page(chromium, finished):
    """The report that `make reproduce` leaves."""
    with visit(chromium, finished / "all.html") as page:
        yield page


@pytest.fixture
def page_of_one_study(chromium, finished):
    """The report that `make reproduce ONLY=noise` leaves where nothing else has been run."""
    with visit(chromium, finished / "first.html") as page:
        yield page


def click(page, text: str) -> None:
    """Click the link of the page that shows a text, once there is one."""
    links = f"[...document.querySelectorAll('a')].filter(a => a.innerText.trim() == {json.dumps(text)})"
    page.wait(f"{links}.length")
    page.evaluate(f"{links}[0].click()")


def click_entry(page, label: str, button: int) -> None:
    """Click a button of the result with this label: 0 shows the result, 1 its caption."""
    entry = f"{ENTRIES}.find(row => row.cells[0].innerText.trim() == {json.dumps(label)})"
    page.wait(entry)
    page.evaluate(f"{entry}.querySelectorAll('a')[{button}].click()")


def overflow(page, frame: str | None = None) -> int:
    """Return by how many pixels the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth", frame)


def menu(page) -> list[str]:
    """Return the categories of the report's menu; what stands above them is Snakemake's own."""
    shown = page.evaluate("[...document.querySelectorAll('nav li')].map(item => item.innerText.trim())")
    return [name for name in shown if name.startswith("P") or name == "Run"]


def entries(page, category: str, count: int) -> list[str]:
    """Return the labels of the results in a category of the menu."""
    click(page, category)
    page.wait(f"{ENTRIES}.length == {count}")
    return page.evaluate(f"{ENTRIES}.map(row => row.cells[0].innerText.trim())")


def render(template: Path, figure: str = "") -> str:
    """Return a caption as HTML, as Snakemake renders it for a run of 77 seeds."""
    config = configuration.default() | {"seeds": 77}
    cfg = configuration.validate(config)
    config["papers_of_report"] = rooms.overview(cfg, rooms.studies(cfg), lambda name: True)
    job = SimpleNamespace(config=config, wildcards=SimpleNamespace(figure=figure))
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    text = environment.from_string(template.read_text(encoding="utf-8")).render(snakemake=job)
    strict = {"halt_level": 2, "report_level": 2}
    return docutils.core.publish_parts(text + LINKS, writer="html", settings_overrides=strict)["html_body"]


@pytest.mark.parametrize("room, name", [(room, name) for room, names in CAPTIONS.items() for name in names])
def test_caption_renders_with_the_configuration(room, name):
    html = render(ROOT / "workflow" / room / "captions" / f"{name}.rst")
    assert room != "core" or "77 seeds" in re.sub(r"\s+", " ", html)


@pytest.mark.parametrize("figure", [figure for study in DECLARED.values() for figure in study.figures])
def test_caption_of_a_figure_renders_with_the_configuration(figure):
    html = render(ROOT / "workflow/preconditioning/captions/figures.rst", figure)
    assert "77 seeds" in re.sub(r"\s+", " ", html)


def test_every_caption_is_rendered_here():
    captions = {path.relative_to(ROOT / "workflow") for path in (ROOT / "workflow").rglob("*.rst")}
    rendered = {Path(room, "captions", f"{name}.rst") for room, names in CAPTIONS.items() for name in names}
    assert captions == rendered | {Path("preconditioning/captions/figures.rst")}


def test_first_page_says_what_was_run_and_the_menu_leads_to_the_claims(page):
    assert page.evaluate("document.querySelector('h1.title').getBoundingClientRect().top") >= 0
    lines = page.evaluate("document.querySelector('.prose').innerText").splitlines()
    assert "P1: How Does Preconditioning Guide Feature Learning in Deep Neural Networks?" in lines
    assert {study.title for study in STUDIES.values()} <= set(lines)
    assert [line for line in lines if line.endswith("(not run)")] == []
    assert f"{DECLARED['real'].title} (not planned)" in lines
    assert menu(page) == CATEGORIES
    assert entries(page, "P1 claims", len(JUDGED)) == JUDGED


def test_other_tables_have_a_category_of_their_own(page):
    titles = {title for study in STUDIES.values() for title in study.tables.values()}
    assert set(entries(page, "P1 tables", len(TABLES))) == titles


def test_report_of_one_study_holds_its_results_and_says_that_the_others_were_not_run(page_of_one_study):
    page = page_of_one_study
    lines = page.evaluate("document.querySelector('.prose').innerText").splitlines()
    others = {study.title for name, study in STUDIES.items() if name != "noise"}
    assert {f"{title} (not run)" for title in others} <= set(lines) and not others & set(lines)
    assert STUDIES["noise"].title in lines and f"{DECLARED['real'].title} (not planned)" in lines
    assert menu(page) == ["P1 claims", "P1 figures"]
    figures = [figure for figure in FIGURES if figure.split()[1] in STUDIES["noise"].figures]
    assert len(figures) == 3 and entries(page, "P1 figures", 3) == figures


@pytest.mark.parametrize("study", JUDGED)
def test_table_of_claims_shows_every_row_of_the_csv(study, page, finished):
    click(page, "P1 claims")
    click_entry(page, study, 0)
    page.wait("document.querySelector('iframe')")
    [frame] = page.frames()
    page.wait("document.querySelector('#claims') && document.readyState == 'complete'", frame)
    shown, details = page.evaluate(TABLE, frame), page.evaluate(DETAILS, frame)
    with open(finished / "results/preconditioning" / study / "claims.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(shown) == len(rows) > 5
    for row, cells, text in zip(rows, shown, details, strict=True):
        assert [cells[name] for name in SHOWN_AS_KEPT] == [row[name] for name in SHOWN_AS_KEPT]
        assert cells["verdict"].endswith(f" {row['verdict']}") and cells["statement"].startswith(row["statement"])
        numbers = [float(row[key]) for key in ESTIMATES if row[key]]
        found = [float(number) for number in NUMBER.findall(text.partition("its value: ")[2])][: len(numbers)]
        assert found[:1] == pytest.approx(numbers[:1], rel=0.00051)
        assert found[1:] == pytest.approx(numbers[1:], rel=0, abs=0.00051)
    assert overflow(page) == overflow(page, frame) == 0


def test_costs_and_timeline_are_shown(page, finished):
    click(page, "Run")
    page.wait(f"{ENTRIES}.length == 2")
    click_entry(page, "timeline of the jobs", 0)
    page.wait(f"{SHOWN} && {SHOWN}.complete && {SHOWN}.naturalWidth > 500")
    click_entry(page, "cost of every stage", 0)
    page.wait("document.querySelector('iframe')")
    [frame] = page.frames()
    page.wait("document.querySelector('#costs') && document.readyState == 'complete'", frame)
    shown = page.evaluate("[...document.querySelectorAll('#costs tr')].map(row => row.cells[0].innerText)", frame)
    with open(finished / "results" / "costs.csv", encoding="utf-8", newline="") as file:
        assert shown == ["stage", *(row["stage"] for row in csv.DictReader(file))]
    assert overflow(page) == overflow(page, frame) == 0


@pytest.mark.parametrize("figure", FIGURES)
def test_figure_is_drawn_whole_beside_its_caption(figure, page):
    assert entries(page, "P1 figures", len(FIGURES)) == FIGURES
    click_entry(page, figure, 0)
    page.wait(f"{SHOWN} && {SHOWN}.complete")
    assert page.evaluate(f"{SHOWN}.naturalWidth") > 500
    assert page.evaluate(f"{SHOWN}.src").startswith("data:image/png;")
    box = page.evaluate(f"{SHOWN}.getBoundingClientRect().toJSON()")
    assert box["left"] > 0 and box["top"] >= 0 and box["right"] <= 1280 and box["bottom"] <= 900
    assert box["width"] > 500 and box["height"] > 200
    click_entry(page, figure, 1)
    page.wait("document.querySelector('nav .prose')")
    assert "n = 3 seeds" in page.evaluate("document.querySelector('nav .prose').innerText")
    assert overflow(page) == 0
