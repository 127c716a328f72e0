"""The papers' rooms as the shared floors see them: their studies, their claims, the files of their trained models."""

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from featurelearning.evidence import claim_schema
from featurelearning.evidence.claim_schema import Rules
from featurelearning.evidence.studies import Study
from featurelearning.evidence.words import compared as compared_by
from workflow.core import files
from workflow.core.configuration import ROOT, ConfigError, Run, refusal
from workflow.core.methods import BY_COVARIANCE, HYPERPARAMETERS


def grids(cfg: Run) -> list[ModuleType]:
    """Return the grid of each paper: a module with the functions `planned` and `trained_files` of a configuration."""
    return [importlib.import_module(f"workflow.{paper}.grid") for paper in cfg.papers]


def declared(papers) -> dict[str, Study]:
    """Return every study of some papers by its name, in the order of their declaration.

    Raises ConfigError for a name that two of them have, or that is a paper's: targets and folders carry it.
    """
    modules = {paper: importlib.import_module(f"featurelearning.{paper}.studies") for paper in papers}
    owners = {paper: [f"the paper {paper}"] for paper in modules}
    for paper, module in modules.items():
        for study in module.STUDIES:
            owners.setdefault(study.name, []).append(f"a study of {paper}")
    if twice := {name: found for name, found in owners.items() if len(found) > 1}:
        raise refusal(
            [
                f"{name}: {' and '.join(found)}; allowed: a name of its own for each paper and study; rename one"
                for name, found in twice.items()
            ]
        )
    return {study.name: study for module in modules.values() for study in module.STUDIES}


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


def claims_file(paper: str) -> Path:
    """Return the list of a paper's claims."""
    return ROOT / "config" / "claims" / f"{paper}.yaml"


def claims(cfg: Run) -> dict[str, list[dict]]:
    """Return the claims of each study that is declared, checked: those whose contrast names it first.

    A paper without a list has none. Raises ConfigError with a line for every fault in any paper's list.
    """
    found, faults = {name: [] for name in declared(cfg.papers)}, []
    for paper in cfg.papers:
        listed, problems = listed_claims(paper)
        faults += [f"config/claims/{paper}.yaml: {problem}" for problem in problems]
        for claim in listed:
            found[compared_by(claim["contrast"])[0]].append(claim)
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise ConfigError("\n".join([f"{count} in the claims; the head of their file explains every key:", *faults]))
    return found


def listed_claims(paper: str) -> tuple[list[dict], list[str]]:
    """Return the valid claims of a paper in the order of its list, and a line for each fault of the others."""
    path, rules = claims_file(paper), Rules(declared([paper]), HYPERPARAMETERS, BY_COVARIANCE)
    if not path.is_file():
        return [], []
    listed, faults = files.read(path)
    return ([], faults) if faults else claim_schema.checked(listed, rules)


def compared(claims: dict[str, list[dict]], study: str) -> list[str]:
    """Return the studies whose files the claims of a study compare, the study itself first."""
    others = (name for claim in claims[study] for name in compared_by(claim["contrast"]))
    return list(dict.fromkeys([study, *others]))
