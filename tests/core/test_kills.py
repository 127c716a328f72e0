"""Runs whose Snakemake is killed at random times: going on, they end with the bytes of a run that nobody disturbed."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from featurelearning.files import records
from repository import CACHE, TINY, copy_of_repository, finished_jobs, hostile, results

PATIENCE = 600  # seconds for a run to come as far as it is to be killed
PAPER = "results/preconditioning"
OOD = ("sgd", "adam", "sigma_empirical_p+1.00")  # arms
PART = (f"{PAPER}/teachers.nc", *(f"{PAPER}/ood/train/mnist/{arm}/seeds0000-0002.nc" for arm in OOD))
JOBS = {True: 12, False: 100}  # at least, of PART and of everything


def command(cores: int, targets: tuple[str, ...], *config: str) -> list[str]:
    """Return what `make resume` runs."""
    words = [sys.executable, "-m", "workflow.core.resume", "--cores", str(cores), *TINY, "--config", CACHE, *config]
    return [*words, "--", *targets]


def run_until_killed(folder: Path, command: list[str], environment: dict, jobs: int, delay: float) -> set[str]:
    """Run until so many jobs have finished, kill Snakemake after the delay, and return the finished ones."""
    output = folder / "output"
    with output.open("w") as file:
        run = subprocess.Popen(command, cwd=folder, env=environment, stdout=file, stderr=subprocess.STDOUT, umask=0o077)
    deadline = time.monotonic() + PATIENCE
    while output.read_text().count("Finished jobid") < jobs:
        assert run.poll() is None and time.monotonic() < deadline, output.read_text()[-3000:]
        time.sleep(0.05)
    time.sleep(delay)
    os.kill(run.pid, signal.SIGKILL)  # Snakemake itself, which took the place of resume; its jobs are not killed
    assert run.wait() == -signal.SIGKILL, "the run ended before it was killed"
    return finished_jobs(output.read_text())


def times(folder: Path, benchmarks: set[str]) -> dict[str, tuple[int, str]]:
    """Return when the benchmark files of jobs were written, and what they say."""
    return {path: ((folder / path).stat().st_mtime_ns, (folder / path).read_text()) for path in benchmarks}


def readable(folder: Path) -> Iterator[Path]:
    """Yield every result file after reading it as a whole, which raises for one that is half-written."""
    for path in (folder / "results").rglob("[!.]*.nc"):
        records.read(path)
        yield path


@pytest.mark.parametrize("kills, cores, targets", [(3, 1, PART), pytest.param(20, 2, (), marks=pytest.mark.long)])
def test_a_run_that_was_killed_goes_on_to_the_same_bytes_and_redoes_nothing(finished, tmp_path, kills, cores, targets):
    """Nor do the variables that its environment has change a byte."""
    folder, chance, before = copy_of_repository(tmp_path / "copy"), random.Random(kills), {}
    shutil.copytree(finished / ".cache", folder / ".cache")  # what is compiled
    go_on, total, environment = command(cores, targets), JOBS[bool(targets)], os.environ | hostile(tmp_path)
    for kill in range(kills):
        jobs = chance.randint(1, (total - len(before)) // (kills - kill + 1))
        before |= times(folder, run_until_killed(folder, go_on, environment, jobs, chance.uniform(0, 2)))
        print(f"kill {kill + 1}: {len(before)} jobs finished, {len(list(readable(folder)))} result files, all readable")
    done = subprocess.run(go_on, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(before) >= kills and before == times(folder, set(before)), "a finished job was done again"
    found, wanted = results(folder), results(finished)
    assert found.keys() <= wanted.keys() and len(found) >= total
    assert found.keys() == wanted.keys() or targets
    assert {path.removeprefix("results/") for path in targets} <= found.keys()
    # The table of a paper gathers what has been judged.
    gathered = {f"preconditioning/claims.{form}" for form in ("csv", "md", "html")} if targets else set()
    assert [name for name in found.keys() - gathered if wanted[name] != found[name]] == []
    assert list((folder / "results/state").glob("*")) == []


TRAINED = f"{PAPER}/noise/train/sigma_population_p-1.00/High_snr1.00_seeds0000-0002.nc"
STEPS = 1_500_000
LONG = (f"single_index={{steps: {STEPS}}}", "checkpoint_minutes=0.02")


def start(folder: Path, log: str) -> subprocess.Popen:
    """Begin a training that takes many times as long as its state is left unsaved; leaving it as a context waits."""
    with (folder / log).open("w") as file:
        return subprocess.Popen(command(1, (TRAINED,), *LONG), cwd=folder, stdout=file, stderr=subprocess.STDOUT)


def test_a_training_that_was_killed_goes_on_from_its_state(finished, tmp_path):
    killed, calm = (shutil.copytree(finished, tmp_path / name, symlinks=True) for name in ("killed", "calm"))
    log = killed / TRAINED.replace("results/", "results/logs/").replace(".nc", ".log")
    deadline = time.monotonic() + PATIENCE
    with start(calm, "output") as undisturbed:
        with start(killed, "output") as run:
            while not list((killed / "results/state").glob("[!.]*")):
                assert run.poll() is None and time.monotonic() < deadline, (killed / "output").read_text()[-3000:]
                time.sleep(0.05)
            os.kill(run.pid, signal.SIGKILL)
        with start(killed, "again") as again:
            pass
    assert again.returncode == undisturbed.returncode == 0, (killed / "again").read_text()[-3000:]
    said = r"^training goes on after step (\d+), saved in results/state/\w{32}"
    reached = re.search(said, log.read_text(), re.MULTILINE)
    assert reached and 0 < int(reached[1]) < STEPS
    assert (killed / TRAINED).read_bytes() == (calm / TRAINED).read_bytes()
    assert list((killed / "results/state").iterdir()) == list((calm / "results/state").iterdir()) == []
