"""One paper, one room: the shared floors name no paper and no study, and the papers know nothing of each other."""

import ast
import re
import sys
from types import ModuleType

import pytest

from featurelearning.evidence.studies import Study
from repository import ROOT
from workflow.core import configuration, rooms

PAPERS = configuration.rooms()
STUDIES = rooms.declared(PAPERS)
PACKAGE = ROOT / "scripts" / "featurelearning"
SHARED = [ROOT / "workflow" / "core", ROOT / "workflow" / "profiles", ROOT / "scripts" / "core", ROOT / "Makefile"]
SHARED += [ROOT / "workflow" / "Snakefile", ROOT / "envs", ROOT / "pyproject.toml"]
SHARED += [path for path in PACKAGE.iterdir() if path.name not in PAPERS]
TEXT = (".py", ".smk", ".rst", ".yaml", ".toml", ".cpp", "")


def files(places):
    """Yield the source files at or below some places."""
    for place in places:
        found = place.rglob("*") if place.is_dir() else [place]
        yield from (
            path for path in found if path.is_file() and path.suffix in TEXT and "__pycache__" not in path.parts
        )


def mentions(text: str, names) -> list[str]:
    """Return the quoted or path-like mentions of names in a text: "noise", /noise/, .noise"""
    return re.findall(rf"""["'/.](?:{"|".join(map(re.escape, names))})\b(?=["'/.\s:,)\]])""", text)


def test_a_mention_is_seen_in_each_of_its_forms():
    for text in ('"noise"', "'noise'", "results/noise/train", "CONFIG.noise.snrs", "results/noise.nc"):
        assert mentions(text, ["noise"]), text
    assert not mentions("label noise, noise_floor and noisy", ["noise"])


@pytest.mark.parametrize("path", list(files(SHARED)), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_shared_floors_name_no_paper_and_no_study(path):
    text = path.read_text(encoding="utf-8")
    assert mentions(text, [*PAPERS, *STUDIES]) == []
    assert [figure for study in STUDIES.values() for figure in study.figures if f'"{figure}"' in text] == []


def test_papers_never_import_each_other():
    for paper in PAPERS:
        others = tuple(f"featurelearning.{other}" for other in PAPERS if other != paper)
        others += tuple(f"workflow.{other}" for other in PAPERS if other != paper)
        own = [PACKAGE / paper, ROOT / "workflow" / paper, ROOT / "scripts" / paper]
        for path in files(own):
            if path.suffix == ".py":
                tree = ast.parse(path.read_text(encoding="utf-8"))
                found = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
                assert [name for name in found if name.startswith(others)] == [] or not others


@pytest.mark.parametrize("folder", ["networks", "optimizers", "training", "evidence", "files", "drawing"])
def test_imports_point_down(folder):
    above = {
        "networks": ("optimizers", "training", "evidence", "drawing", *PAPERS),
        "optimizers": ("training", "evidence", "drawing", *PAPERS),
        "training": ("evidence", "drawing", *PAPERS),
        "evidence": ("networks", "optimizers", "training", "drawing", *PAPERS),
        "files": ("networks", "optimizers", "training", "evidence", "drawing", *PAPERS),
        "drawing": ("networks", "optimizers", "training", *PAPERS),
    }[folder]
    for path in files([PACKAGE / folder]):
        if path.suffix == ".py":
            text = path.read_text(encoding="utf-8")
            assert [name for name in above if re.search(rf"\bfeaturelearning\.{name}\b", text)] == [], path


def test_names_of_studies_are_unique_and_every_paper_has_its_rooms():
    assert sum(len(rooms.declared([paper])) for paper in PAPERS) == len(STUDIES) > 5
    for paper in PAPERS:
        for room in (f"workflow/{paper}/rules.smk", f"config/{paper}.yaml", f"scripts/{paper}", f"tests/{paper}"):
            assert (ROOT / room).exists(), room


def room(monkeypatch, paper: str, keys: dict, *studies: str) -> None:
    """Have a paper that declares some keys of the configuration and some studies."""
    section = type(paper.title(), (configuration.Run,), {"__annotations__": keys})
    for name, content in {
        f"workflow.{paper}.configuration": {paper.title(): section},
        f"featurelearning.{paper}.studies": {"STUDIES": [Study(each, paper, "title", "reference") for each in studies]},
    }.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"first": int}, "first: declared by one and by two; allowed: a key of one owner; rename it in one "),
        ({"seeds": int}, "seeds: declared by the run and by two; allowed: a key of one owner; rename it in one "),
        ({"second": int}, None),
    ],
)
def test_a_key_that_two_papers_declare_is_refused(monkeypatch, keys, line):
    room(monkeypatch, "one", {"first": int})
    room(monkeypatch, "two", keys)
    configuration.model.cache_clear()
    if line is None:
        assert {"first", "second", "seeds"} <= configuration.model(("one", "two")).model_fields.keys()
    else:
        with pytest.raises(configuration.ConfigError, match=f"1 fault in the configuration.*:\n{line}"):
            configuration.model(("one", "two"))
    configuration.model.cache_clear()


@pytest.mark.parametrize(
    ("study", "line"),
    [("a", "a: a study of one and a study of two"), ("one", "one: the paper one and a study of two"), ("b", None)],
)
def test_a_name_that_two_studies_or_papers_have_is_refused(monkeypatch, study, line):
    room(monkeypatch, "one", {}, "a")
    room(monkeypatch, "two", {}, study)
    if line is None:
        assert list(rooms.declared(["one", "two"])) == ["a", "b"]
    else:
        with pytest.raises(configuration.ConfigError, match=f"{line}; allowed: a name of its own"):
            rooms.declared(["one", "two"])


def test_a_study_declares_what_is_derived_from_it():
    for study in STUDIES.values():
        assert isinstance(study, Study) and study.paper in PAPERS and study.title and study.reference
        rules = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "workflow" / study.paper).glob("*.smk"))
        for rule in (study.name, *study.training):
            assert re.search(rf"^(use )?rule {rule}\b|^use rule \w+ as {rule}\b", rules, re.MULTILINE), rule
