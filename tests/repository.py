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
DIFFERENT = ("logs", "benchmarks", "state", "costs.csv", "costs.html", "timeline.png", "report.html")  # they hold times
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


# What a shell, a notebook or a cluster may have set for other work, with what `hostile` adds: none of it may break a
# run or change a byte of its results.
HOSTILE = {
    **dict.fromkeys(("GPUS", "CPU_PARTITION", "GPU_PARTITION", "SBATCH_ACCOUNT", "LANG", "CXX"), ""),
    **dict.fromkeys(("CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS"), "-O0 --broken"),
    **dict.fromkeys(("OMP_NUM_THREADS", "OMP_SCHEDULE", "OMP_PROC_BIND"), "many"),
    **dict.fromkeys(("MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "3"),
    **dict.fromkeys(("PYTHONOPTIMIZE", "PYTHONHASHSEED", "NO_COLOR"), "1"),
    **dict.fromkeys(("TORCH_COMPILE_DISABLE", "TORCHDYNAMO_DISABLE", "TORCHINDUCTOR_FREEZING", "PYTORCH_JIT"), "1"),
    "TORCHINDUCTOR_CACHE_DIR": "/dev/null/nowhere",
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "LC_ALL": "C",
    "PYTHONIOENCODING": "ascii",
    "MPLBACKEND": "module://no.such.module",
    "HDF5_USE_FILE_LOCKING": "TRUE",
    "HDF5_DRIVER": "nonsense",
    "MAKEFLAGS": "-j8",
    "TZ": "Asia/Kathmandu",
}
# These would stop Snakemake itself; make keeps them away.
HOSTILE_TO_SNAKEMAKE = {"PYTHONWARNINGS": "error", "PYTHONUTF8": "0", "PYTHONSAFEPATH": "1", "CORES": "", "PYTHON": ""}
HOSTILE_TO_SNAKEMAKE |= dict.fromkeys(("XDG_CACHE_HOME", "MPLCONFIGDIR"), "/dev/null/nowhere")
MATPLOTLIBRC = "text.usetex: True\nsavefig.bbox: tight\naxes.formatter.use_locale: True\nlines.linewidth: 9\n"


def hostile(folder: Path) -> dict[str, str]:
    """Return HOSTILE with what takes files, which are written into a folder: a package of our name, a matplotlibrc."""
    (folder / "elsewhere/featurelearning").mkdir(parents=True)
    stop = "raise ImportError('the package of another checkout')\n"
    (folder / "elsewhere/featurelearning/__init__.py").write_text(stop, encoding="utf-8")
    (folder / "matplotlibrc").write_text(MATPLOTLIBRC, encoding="utf-8")
    return HOSTILE | {"PYTHONPATH": str(folder / "elsewhere"), "MATPLOTLIBRC": str(folder)}


def snakemake(
    folder: Path, *arguments: str, config: tuple[str, ...] = (), **environment: str
) -> subprocess.CompletedProcess:
    """Run Snakemake in a copy of the repository, on tiny.yaml."""
    cache = [] if any(entry.startswith("data_cache=") for entry in config) else [CACHE]
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *TINY, "--config", *cache, *config, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=ENVIRONMENT | environment)


def make(
    folder: Path, target: str, *words: str, config: tuple[str, ...] = (), **environment: str
) -> subprocess.CompletedProcess:
    """Run a target of make in a copy of the repository with the packages of this Python, on tiny.yaml."""
    (folder / ".venv").mkdir(exist_ok=True)
    (folder / ".venv/.stamp").touch()
    arguments = f"ARGS={' '.join([*TINY, '--config', CACHE, *config])}"
    command = ["make", target, f"BIN={BIN}", "CORES=2", arguments, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=ENVIRONMENT | environment)


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


def results(folder: Path) -> dict[str, bytes]:
    """Return the content of every result that does not hold times."""
    root = folder / "results"
    files = (path for path in root.rglob("*") if path.is_file() and path.relative_to(root).parts[0] not in DIFFERENT)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def require(found: object, what: str) -> None:
    """Skip a test on a machine that lacks something; in CI, where nothing may be skipped, it fails."""
    if not found:
        pytest.fail(what) if os.environ.get("CI") else pytest.skip(what)
