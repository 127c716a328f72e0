"""The report of the tiny run, opened in a browser as a person would: every caption, the claims table, every figure."""

import csv
import json
import re
from types import SimpleNamespace

import docutils.core
import jinja2
import pytest
import yaml

import browser
from repository import FIGURES as NAMES
from repository import ROOT, require, snakemake

FIGURES = [f"{i:02d} {name}" for i, name in enumerate(NAMES, 1)]  # sorted as text
TABLES = ["diagnosis before training", "firmness of the verdicts", "verdicts"]
ESTIMATES = ("estimate", "ci_low", "ci_high", "bca_low", "bca_high")
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:e[-+]\d+)?")
LINKS = "\n\n.. _1 Claims: x\n.. _2 Figures: x\n.. _3 Run: x\n"  # Snakemake adds a link for each category
ENTRIES = "[...document.querySelectorAll('nav tbody tr')]"
SHOWN = "document.querySelector('#app > div > div img')"
TABLE = """(() => {
    const texts = row => [...row.cells].map(cell => cell.innerText.trim());
    const [head, ...rows] = [...document.querySelectorAll('#claims tr')].map(texts);
    return rows.map(row => Object.fromEntries(row.map((text, i) => [head[i], text])));
})()"""


@pytest.fixture(scope="module")
def report(finished, tmp_path_factory):
    """The report as Snakemake makes it from the finished run."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    done = snakemake(finished, "--report", str(path))
    assert done.returncode == 0, done.stderr[-3000:]
    return path


@pytest.fixture
def page(report, tmp_path):
    """The report, open in a browser; what must hold at the end of each visit is asserted here."""
    program = browser.find()
    require(program, f"none of {', '.join(browser.NAMES)} is installed: the report was not opened")
    with browser.Browser(program, tmp_path) as page:
        page.open(report)
        page.wait("document.querySelector('nav li')")
        yield page
        assert page.errors() == []
        assert [url for url in page.requests() if not url.startswith(("data:", "blob:", report.as_uri()))] == []


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


@pytest.mark.parametrize("name", ["workflow", "claims", "costs", "diagnosis", "firmness", *FIGURES, "11 real"])
def test_caption_renders_with_the_configuration(name):
    figure = name.partition(" ")[2]
    template = ROOT / "workflow" / "report" / f"{'figures' if figure else name}.rst"
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8")) | {"seeds": 77}
    job = SimpleNamespace(config=config, wildcards=SimpleNamespace(figure=figure))
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    text = environment.from_string(template.read_text(encoding="utf-8")).render(snakemake=job)
    strict = {"halt_level": 2, "report_level": 2}
    html = docutils.core.publish_parts(text + LINKS, writer="html", settings_overrides=strict)["html_body"]
    assert name in ("diagnosis", "firmness") or "77 seeds" in re.sub(r"\s+", " ", html)


def test_first_page_says_what_was_run_and_leads_to_the_claims(page):
    assert page.evaluate("document.querySelector('h1.title').getBoundingClientRect().top") >= 0
    categories = page.evaluate("[...document.querySelectorAll('nav li')].map(item => item.innerText.trim())")
    assert categories[-3:] == ["1 Claims", "2 Figures", "3 Run"]
    page.evaluate("document.querySelector('.prose a[href*=Claims]').click()")
    page.wait(f"{ENTRIES}.length == {len(TABLES)}")
    assert page.evaluate(f"{ENTRIES}.map(row => row.cells[0].innerText.trim())") == TABLES


def test_claims_table_shows_every_row_of_the_csv(page, finished):
    click(page, "1 Claims")
    click_entry(page, "verdicts", 0)
    page.wait("document.querySelector('iframe')")
    [frame] = page.frames()
    page.wait("document.querySelector('#claims') && document.readyState == 'complete'", frame)
    shown = page.evaluate(TABLE, frame)
    with open(finished / "results" / "claims.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(shown) == len(rows) > 30
    for row, cells in zip(rows, shown, strict=True):
        assert (cells["claim"], cells["n"], cells["figure"]) == (row["claim"], row["n"], row["figure"])
        assert cells["verdict"].endswith(f" {row['verdict']}") and cells["statement"].startswith(row["statement"])
        numbers = [float(row[key]) for key in ESTIMATES if row[key]]
        found = [float(number) for number in NUMBER.findall(cells["estimate and intervals"])][: len(numbers)]
        rounding = {"rel": 0.05, "abs": 0} if row["unit"] == "deviation" else {"rel": 0, "abs": 0.00051}
        assert found == pytest.approx(numbers, **rounding)
    assert overflow(page) == overflow(page, frame) == 0


def test_costs_and_timeline_are_shown(page, finished):
    click(page, "3 Run")
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
    click(page, "2 Figures")
    page.wait(f"{ENTRIES}.length == {len(FIGURES)}")
    assert page.evaluate(f"{ENTRIES}.map(row => row.cells[0].innerText.trim())") == FIGURES
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
