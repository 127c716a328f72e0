"""A copy of the repository in which tests run Snakemake on config/tiny.yaml."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from workflow.core import configuration

ROOT = Path(__file__).parents[1]
TINY = ["--configfile", "config/tiny.yaml"]
CACHE = f"data_cache={ROOT / '.cache' / 'data'}"
PARTS = ("config", "envs", "scripts", "workflow")
FIGURES = ("noise", "methods", "transfer", "ood", "features", "spectrum")  # of tiny.yaml, in the order of the report
FIGURES += ("departure", "effective", "initial", "teachers")


def tiny(**changes) -> configuration.Run:
    """Return the configuration of tiny.yaml with other values of some keys."""
    config = configuration.default()
    update_config(config, yaml.safe_load((ROOT / "config" / "tiny.yaml").read_text(encoding="utf-8")))
    return configuration.validate(config | changes)


def snakemake(folder: Path, *arguments: str, config: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    """Run Snakemake in a copy of the repository, on tiny.yaml."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *TINY, "--config", CACHE, *config, *arguments]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


def copy_of_repository(folder: Path) -> Path:
    """Copy what the workflow consists of; time stamps are new, as in a fresh checkout."""
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, copy_function=shutil.copyfile)
    return folder


def require(found: object, what: str) -> None:
    """Skip a test on a machine that lacks something; in CI, where nothing may be skipped, it fails."""
    if not found:
        pytest.fail(what) if os.environ.get("CI") else pytest.skip(what)
