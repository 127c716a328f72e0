"""The papers' rooms as the shared floors see them: their studies, their claims, the files of their trained models."""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import yaml

from featurelearning.evidence.studies import Study
from workflow.core.configuration import ROOT, Run


def grids(cfg: Run) -> list[ModuleType]:
    """Return the grid of each paper: a module with the functions `planned` and `trained_files` of a configuration."""
    return [importlib.import_module(f"workflow.{paper}.grid") for paper in cfg.papers]


def declared(papers) -> dict[str, Study]:
    """Return every study of some papers by its name, in the order of their declaration."""
    modules = [importlib.import_module(f"featurelearning.{paper}.studies") for paper in papers]
    return {study.name: study for module in modules for study in module.STUDIES}


def studies(cfg: Run) -> dict[str, Study]:
    """Return the studies that a configuration plans, by name."""
    planned = {name for module in grids(cfg) for name in module.planned(cfg)}
    return {name: study for name, study in declared(cfg.papers).items() if name in planned}


def training(studies: dict[str, Study]) -> list[str]:
    """Return the rules that train, which get a GPU where there is one."""
    return list(dict.fromkeys(rule for study in studies.values() for rule in study.training))


def trained_files(cfg: Run) -> dict[str, int]:
    """Return the number of cells in each file of trained models."""
    return {path: count for module in grids(cfg) for path, count in module.trained_files(cfg).items()}


def overview(cfg: Run, planned: dict[str, Study], is_made: Callable[[str], bool]) -> list[dict]:
    """Return what the report's first page says: of each paper what it is, and of each of its studies the state."""
    rows = []
    for name in cfg.papers:
        paper = importlib.import_module(f"featurelearning.{name}.studies").PAPER
        states = {
            study.title: "not planned" if study.name not in planned else "made" if is_made(study.name) else "not run"
            for study in declared([name]).values()
        }
        rows.append({**paper._asdict(), "studies": states})
    return rows


def signs(cfg: Run) -> dict[str, str]:
    """Return the short sign of each paper, such as P1."""
    return {paper: importlib.import_module(f"featurelearning.{paper}.studies").PAPER.sign for paper in cfg.papers}


def claims_file(paper: str) -> str:
    """Return the list of a paper's claims; relative, so that a checkout that was moved reruns nothing."""
    return os.path.relpath(ROOT / "config" / "claims" / f"{paper}.yaml")


def claims(cfg: Run) -> dict[str, list[dict]]:
    """Return the claims of each study that there is, checked: those whose contrast names it first.

    Raises ConfigError with a line for every fault in any paper's list.
    """
    found = {name: [] for name in declared(cfg.papers)}
    for paper in cfg.papers:
        listed = yaml.load(
            Path(claims_file(paper)).read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        )
        for claim in listed:
            found[claim["contrast"].get("study", "theory")].append(claim)
    return found


def compared(claims: dict[str, list[dict]], study: str) -> list[str]:
    """Return the studies whose files the claims of a study compare."""
    return [study]
