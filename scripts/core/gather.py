"""Gather the verdicts of all studies of a paper in one table: python scripts/core/gather.py PAPER [PAPER …].

Reads config/claims/PAPER.yaml and what there is of results/PAPER/STUDY/claims.csv, writes results/PAPER/claims.csv, .md
and .html. It comes last in every run, so it imports nothing that takes time, and a fault of it fails no run: it is
told, and the table of that paper stays as it was.
"""

import contextlib
import importlib
import sys
from pathlib import Path

import yaml

from featurelearning.evidence import claim_schema, verdicts, words
from featurelearning.evidence.studies import Study
from featurelearning.files import atomic

ROOT = Path(__file__).resolve().parents[2]


def claims_of(paper: str, studies: dict[str, Study]) -> list[dict]:
    """Return the valid claims of a paper; those that are not valid stop a run before its first job."""
    path = ROOT / "config" / "claims" / f"{paper}.yaml"
    listed = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return claim_schema.checked(listed, claim_schema.Rules(studies))[0]


def judged(folder: Path, names: list[str]) -> dict[str, list[dict]]:
    """Return the rows of each study of a paper that was judged; a file that cannot be used is named and left out."""
    found = {}
    for name in names:
        path = folder / name / "claims.csv"
        try:
            found |= {name: verdicts.read(path.read_text(encoding="utf-8"), str(path))} if path.is_file() else {}
        except (OSError, ValueError) as error:
            print(error, file=sys.stderr)
    return found


def gather(paper: str, results: Path) -> str:
    """Write the table of a paper, whole or not at all, and return the sentence that counts its verdicts."""
    module = importlib.import_module(f"featurelearning.{paper}.studies")
    studies = {study.name: study for study in module.STUDIES}
    claims = claims_of(paper, studies)
    owners = dict.fromkeys(words.compared(claim["contrast"])[0] for claim in claims)
    rows = verdicts.gathered(claims, judged(results / paper, list(owners)), studies)
    texts = verdicts.texts(rows, f"{module.PAPER.sign}: claims and verdicts")
    with contextlib.ExitStack() as files:  # each gets its name at the end, when all are written
        for name, text in texts.items():
            temporary = files.enter_context(atomic.whole(results / paper / f"claims.{name}"))
            temporary.write_text(text, encoding="utf-8", newline="\n")
    return verdicts.summary(rows)


def main(papers: list[str], results: Path = Path("results")) -> None:
    """Gather each paper's verdicts, if it has claims; a paper that fails is told on stderr and fails nothing else."""
    for paper in papers:
        if not (ROOT / "config" / "claims" / f"{paper}.yaml").is_file():
            continue
        try:
            print(f"{paper}: {gather(paper, results)}")
        except Exception as error:
            print(f"{paper}: its table of claims was not written: {type(error).__name__}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
