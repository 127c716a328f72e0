"""Copies of the repository in which tests run Snakemake and make on config/tiny.yaml."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from workflow.core import configuration, rooms

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
TINY = ["--configfile", "config/tiny.yaml"]
CACHE = f"data_cache={ROOT / '.cache' / 'data'}"
PARTS = ("config", "envs", "scripts", "workflow", "Makefile")
RUNS = {"first": "noise", "all": "", "again": "noise"}  # of the finished copy: ONLY=
# Without what `make test` hands to the makes below it, which would say that they enter a folder.
INHERITED = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
ENVIRONMENT = INHERITED | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


def tiny(**changes) -> configuration.Run:
    """Return the configuration of tiny.yaml with other values of some keys."""
    config = configuration.default()
    update_config(config, yaml.safe_load((ROOT / "config" / "tiny.yaml").read_text(encoding="utf-8")))
    return configuration.validate(config | changes)


STUDIES = rooms.studies(tiny())
FIGURES = tuple(figure for study in STUDIES.values() for figure in study.figures)  # in the order of the report
TABLES = tuple(table for study in STUDIES.values() for table in study.tables)


def snakemake(
    folder: Path, *arguments: str, config: tuple[str, ...] = (), **environment: str
) -> subprocess.CompletedProcess:
    """Run Snakemake in a copy of the repository, on tiny.yaml."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *TINY, "--config", CACHE, *config, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=ENVIRONMENT | environment)


def make(folder: Path, target: str, *words: str, config: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    """Run a target of make in a copy of the repository with the packages of this Python, on tiny.yaml."""
    (folder / ".venv").mkdir(exist_ok=True)
    (folder / ".venv/.stamp").touch()
    arguments = f"ARGS={' '.join([*TINY, '--config', CACHE, *config])}"
    command = ["make", target, f"BIN={BIN}", "CORES=2", arguments, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=ENVIRONMENT)


def planned(output: str) -> dict[str, int]:
    """Return how many jobs of each rule a run of Snakemake has planned, by what it said; targets are no jobs."""
    if "Nothing to be done" in output:
        return {}
    table = re.search(r"^job\s+count\n-+\s+-+\n(.*?)^total", output, re.DOTALL | re.MULTILINE).group(1)
    counts = re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE)
    return {name: int(count) for name, count in counts if name not in ("all", *STUDIES)}


def finished_jobs(output: str) -> set[str]:
    """Return the benchmark files of the jobs that Snakemake's output reports as finished."""
    blocks = re.findall(r"jobid: (\d+)\n    benchmark: (\S+)", output)
    done = re.findall(r"Finished jobid: (\d+)", output)
    return {benchmark for job, benchmark in blocks if job in done}


def copy_of_repository(folder: Path) -> Path:
    """Copy what the workflow consists of; time stamps are new, as in a fresh checkout."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copyfile
        options = {"copy_function": shutil.copyfile} if copy is shutil.copytree else {}
        copy(ROOT / part, folder / part, **options)
    return folder


def reproduce(folder: Path) -> str:
    """Run a study, everything, and that study again in a new copy; return what was said if that fails, else nothing.

    Of each run NAME, the folder has what was said in NAME.txt and the report that it left in NAME.html.
    """
    copy_of_repository(folder)
    for name, only in RUNS.items():
        done = make(folder, "reproduce", f"ONLY={only}")
        (folder / f"{name}.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
        if done.returncode:
            return (done.stdout + done.stderr)[-6000:]
        shutil.copyfile(folder / "results/report.html", folder / f"{name}.html")
    return ""


def require(found: object, what: str) -> None:
    """Skip a test on a machine that lacks something; in CI, where nothing may be skipped, it fails."""
    if not found:
        pytest.fail(what) if os.environ.get("CI") else pytest.skip(what)
