"""A paper is a room: a study, a method and a figure are laid beside the real ones, and nothing else is touched.

The figure has the name of another paper's, which must neither draw nor list it.
"""

import csv
import hashlib
import re
import shutil
from pathlib import Path

import pytest
import xarray as xr

from repository import ROOT, copy_of_repository, planned, snakemake

TOY = ROOT / "tests" / "toy"
LIST = "config/config.yaml"  # of the papers
SHARDS = "seeds_per_shard=2"  # tiny.yaml has three seeds: two shards, the second of them short
ROOMS = ("workflow", "scripts", "scripts/featurelearning")


def contents(folder: Path) -> dict[str, str]:
    """Return the hash of every file of a checkout by its path, results and caches aside."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    kept = (
        path
        for path in files
        if path.parts[0] not in ("results", ".snakemake", ".cache") and "__pycache__" not in path.parts
    )
    return {path.as_posix(): hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in kept}


def lay(folder: Path, papers: str) -> None:
    """Lay the toy paper's rooms over a copy of the repository, and name the papers in the one list of them."""
    shutil.copytree(TOY, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("README.md", "__pycache__"))
    path = folder / LIST
    text = path.read_text(encoding="utf-8")
    text, count = re.subn(r"^papers: \[.*?\]", f"papers: [{papers}]", text, flags=re.MULTILINE)
    assert count == 1
    path.write_text(text, encoding="utf-8")


def remove(folder: Path, paper: str) -> None:
    """Remove the rooms of a paper from a copy of the repository."""
    for room in ROOMS:
        shutil.rmtree(folder / room / paper)
    for path in (f"config/{paper}.yaml", f"config/claims/{paper}.yaml"):
        (folder / path).unlink()


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A copy of the repository with the toy paper, in which its study has run, and the report was made after it."""
    folder = copy_of_repository(tmp_path_factory.mktemp("house"))
    before = contents(folder)
    lay(folder, "preconditioning, toy")
    for words in (("--", "toss"), ("--report", "results/report.html")):
        done = snakemake(folder, *words, config=(SHARDS,))
        assert done.returncode == 0, done.stderr[-4000:]
    return folder, before


def test_nothing_but_its_rooms_and_the_list_of_papers_was_touched(house):
    folder, before = house
    after = contents(folder)
    own = {path.relative_to(TOY).as_posix() for path in TOY.rglob("*.*") if path.is_file()}
    changed = {path for path in after if after[path] != before.get(path)} | (before.keys() - after.keys())
    assert changed <= own | {LIST} and LIST in changed and len(changed) > 10


def test_it_reaches_results_verdicts_and_figure(house):
    folder, _ = house
    toss = xr.load_dataset(folder / "results/toy/toss.nc")
    assert list(toss["arm"].values) == ["sgd", "tempered_factor0.25", "tempered_factor0.5"]
    assert list(toss["seed"].values) == [0, 1, 2]
    shards = {path.name for path in (folder / "results/toy/toss/train").rglob("*.nc")}
    assert shards == {"seeds0000-0001.nc", "seeds0002-0002.nc"}
    assert toss.attrs["title"] == "the pace of tempered descent" and toss.attrs["references"].endswith("tests/toy")
    with open(folder / "results/toy/toss/claims.csv", encoding="utf-8", newline="") as file:
        verdicts = {row["claim"]: row["verdict"] for row in csv.DictReader(file)}
    assert verdicts == dict.fromkeys(("toy-pace-half", "toy-pace-quarter"), "reproduced")
    for form in ("pdf", "png"):
        assert (folder / f"results/toy/figures/methods.{form}").stat().st_size > 1000


def test_another_seed_makes_the_short_shard_anew_and_leaves_the_full_one(house):
    folder, _ = house
    done = snakemake(folder, "-n", "--", "toss", config=(SHARDS, "seeds=4"))
    assert done.returncode == 0, done.stderr[-4000:]
    jobs = planned(done.stdout + done.stderr)
    assert jobs["train_toss"] == 3 and jobs["aggregate_toss"] == jobs["judge"] == 1
    made = re.findall(r"output: results/toy/toss/train/\S+/(\S+)\.nc", done.stdout + done.stderr)
    assert set(made) == {"seeds0002-0003"}


def test_the_papers_verdicts_are_gathered(house):
    folder, _ = house
    with open(folder / "results/toy/claims.csv", encoding="utf-8", newline="") as file:
        assert {row["verdict"] for row in csv.DictReader(file)} == {"reproduced"}
    with open(folder / "results/preconditioning/claims.csv", encoding="utf-8", newline="") as file:
        assert {row["verdict"] for row in csv.DictReader(file)} == {"not run"}


def test_the_report_shows_it_and_says_that_the_others_were_not_run(house):
    folder, _ = house
    text = (folder / "results/report.html").read_text(encoding="utf-8")
    assert "T: A toss" in text and "T figures" in text and "T claims" in text
    assert "the pace of tempered descent (not run)" not in text and "robustness to label noise (not run)" in text


def test_without_another_papers_rooms_the_workflow_still_runs(tmp_path):
    folder = copy_of_repository(tmp_path)
    lay(folder, "toy")
    remove(folder, "preconditioning")
    (folder / "config/tiny.yaml").write_text("seeds: 3\n", encoding="utf-8")
    done = snakemake(folder, "-n")
    assert done.returncode == 0, done.stderr[-4000:]
    assert "train_toss" in done.stdout + done.stderr and "noise" not in done.stdout + done.stderr
