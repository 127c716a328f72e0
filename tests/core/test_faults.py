"""What a user reads when a job of the workflow fails, and what is left behind: nothing half-written."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import xarray as xr

from featurelearning.files import records
from repository import ROOT, copy_of_repository, require, snakemake

PAPER = "results/preconditioning"
SHARD = "sigma_population_p+1.00/High_snr1.00_seeds0000-0002"
TRAINED, DATA = f"{PAPER}/noise/train/{SHARD}.nc", f"{PAPER}/noise/data/High_snr1.00_seeds0000-0002.nc"


def log(folder: Path, path: str) -> str:
    """Return the log of the job that makes a result."""
    written = Path(path.replace("results/", "results/logs/")).with_suffix(".log")
    return (folder / written).read_text(encoding="utf-8")


def leftovers(folder: Path) -> list[Path]:
    return [path for path in (folder / PAPER / "noise/train").rglob("*") if path.is_file()]


# --- jobs that fail, in a copy in which everything but the trained models of the noise study is there -----------------
@pytest.fixture
def folder(copy):
    shutil.rmtree(copy / PAPER / "noise/train")
    return copy


def test_a_gpu_that_is_not_there_is_refused(folder):
    done = snakemake(folder, "--", TRAINED, config=("device=cuda",))
    if done.returncode == 0:
        pytest.skip("this machine has a GPU")
    assert not leftovers(folder)
    for part in ("device: 'cuda' was asked for", "finds no CUDA device", "'auto'", "'cpu'"):
        assert part in log(folder, TRAINED).splitlines()[-1]


def test_a_shard_in_which_every_model_diverges_and_a_download_with_a_flipped_byte(folder, tmp_path):
    """Two faults in one run: each job says what was wrong, and leaves nothing."""
    mnist = shutil.copytree(ROOT / ".cache/data/mnist", tmp_path / "mnist", copy_function=shutil.copyfile)
    path = mnist / "t10k-labels-idx1-ubyte"
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    config = ("single_index={learning_rate: 1e9}", f"ood={{folder: {mnist}}}", "data_cache=fresh")
    done = snakemake(folder, "--", TRAINED, "mnist", config=config)
    assert done.returncode != 0

    assert not leftovers(folder)
    message = log(folder, TRAINED).splitlines()[-1]
    for part in ("every model diverged, the first in step", "High SNR 1 seed 0", "seed 1", "lower the learning rate"):
        assert part in message
    assert message in done.stdout + done.stderr  # shown where the failure is reported

    assert not list((folder / "fresh/mnist").glob("t10k*"))
    message = log(folder, "results/mnist")
    wanted = "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    assert f"folder {mnist}: ValueError: t10k-labels-idx1-ubyte: wrong SHA-256: expected {wanted}, got " in message
    assert "Remedy: put the original files there" in message and "wrong SHA-256" in done.stdout + done.stderr


# --- faults of files in a finished run: what reads the file refuses it, and the others go on -------------------------
OTHER_PARAMETERS = f"{PAPER}/firmness/train/sigma_population_p-1.00/HighTrace_snr1.00_seeds0000-0002.nc"
OTHER_CODE = OTHER_PARAMETERS.replace("p-1.00", "p+1.00")
TRUNCATED = f"{PAPER}/firmness/data/LowTrace_snr1.00_seeds0000-0002.nc"
WITH_NAN = f"{PAPER}/teachers/train/sigma_population_p+1.00/TwoIndex50_snr1.00_seeds0000-0002.nc"
GATHERED = f"{PAPER}/noise.nc"
SPOILT = (OTHER_CODE, OTHER_PARAMETERS, TRUNCATED, WITH_NAN, GATHERED)

EVALUATED = [path.replace("train", "evaluate") for path in (OTHER_CODE, OTHER_PARAMETERS)]
COVARIANCE = f"{PAPER}/firmness/covariance/population/LowTrace_snr1.00_seeds0000-0002.nc"
AGGREGATED = f"{PAPER}/teachers.nc"
READERS = [f"{PAPER}/noise/claims.csv", f"{PAPER}/figures/noise.png"]
SOUND = f"{PAPER}/ood/evaluate/mnist/sgd/seeds0000-0002.nc"  # missing; nothing is wrong with what it is made from
TARGETS = (*EVALUATED, COVARIANCE, AGGREGATED, *READERS, SOUND)


def change(path: Path, function) -> None:
    """Replace a result file by what a function makes of it, as valid as before but for that."""
    dataset = xr.load_dataset(path)
    function(dataset)
    records.write(dataset, path)


def with_other_rate(dataset: xr.Dataset) -> None:
    parameters = records.parameters(dataset)
    parameters["settings"]["learning_rate"] = 0.5
    dataset.attrs["parameters"] = json.dumps(parameters)


def with_nan(dataset: xr.Dataset) -> None:
    dataset["clean_mse"][1, 3] = np.nan


class Spoilt(NamedTuple):
    """A finished copy with spoilt files: what the run said that met them, and one after they were removed."""

    said: str
    logs: dict[str, str]  # of the jobs that make the targets, by target
    made: set[str]  # targets that were there after the first run
    before: dict[str, bytes]  # the files, before they were spoilt
    after: dict[str, bytes]  # and after the second run
    returncodes: tuple[int, int]


@pytest.fixture(scope="module")
def spoilt(finished, tmp_path_factory):
    folder = shutil.copytree(finished, tmp_path_factory.mktemp("spoilt") / "copy", symlinks=True)
    before = {path: (folder / path).read_bytes() for path in SPOILT}
    change(folder / OTHER_CODE, lambda dataset: dataset.attrs.update(code_fingerprint="0" * 16))
    shutil.copyfile(folder / OTHER_PARAMETERS.replace("High", "Low"), folder / OTHER_PARAMETERS)
    (folder / TRUNCATED).write_bytes(before[TRUNCATED][: len(before[TRUNCATED]) // 2])
    change(folder / WITH_NAN, with_nan)
    change(folder / GATHERED, with_other_rate)
    (folder / SOUND).unlink()
    first = snakemake(folder, "--", *TARGETS)
    made = {path for path in TARGETS if (folder / path).exists()}
    logs = {path: log(folder, path) for path in (*EVALUATED, COVARIANCE, *READERS)}
    logs[AGGREGATED] = log(folder, f"{PAPER}/aggregate_teachers")
    for path in SPOILT:
        (folder / path).unlink()
    second = snakemake(folder, "--", *TARGETS)
    after = {path: (folder / path).read_bytes() for path in SPOILT if (folder / path).exists()}
    return Spoilt(first.stdout + first.stderr, logs, made, before, after, (first.returncode, second.returncode))


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        (OTHER_CODE, "code_fingerprint is '0000000000000000', allowed: '"),
        (OTHER_PARAMETERS, "parameters.cell.case is 'LowTrace', allowed: 'HighTrace'"),
    ],
)
def test_a_file_of_other_code_or_parameters_is_refused(spoilt, path, fault):
    target = path.replace("train", "evaluate")
    line = spoilt.logs[target].splitlines()[-1]
    assert target not in spoilt.made
    assert f"{path}: made by other code or with other parameters: {fault}" in line and f"rm '{path}'" in line
    assert line in spoilt.said


def test_a_gathered_file_of_other_parameters_is_refused_where_it_is_drawn_and_judged(spoilt):
    fault = "parameters.settings.learning_rate is 0.5, allowed: 0.03; delete it and run the same command again"
    for path in READERS:
        assert path not in spoilt.made and fault in spoilt.logs[path].splitlines()[-1]


def test_a_truncated_file_is_named_with_the_remedy(spoilt):
    assert COVARIANCE not in spoilt.made
    assert f"{TRUNCATED}: unreadable or truncated" in spoilt.logs[COVARIANCE]
    assert f"rm '{TRUNCATED}'" in spoilt.logs[COVARIANCE]


def test_a_nan_planted_in_a_shard_is_found_and_its_cell_named(spoilt):
    line = spoilt.logs[AGGREGATED].splitlines()[-1]
    cell = "{'arm': 'sigma_population_p+1.00', 'case': 'TwoIndex50', 'snr': 1.0, 'seed': 1}"
    assert AGGREGATED not in spoilt.made
    assert f"clean_mse: missing or not finite in cell {cell} (1 cells in all)" in line and line in spoilt.said
    assert "delete that cell's shard and run the same command again" in line


def test_failed_shards_do_not_stop_the_others(spoilt):
    assert spoilt.returncodes[0] != 0 and spoilt.made == {SOUND}


def test_without_the_spoilt_files_the_same_command_makes_them_anew(spoilt):
    assert spoilt.returncodes[1] == 0
    assert [path for path in SPOILT if spoilt.after.get(path) != spoilt.before[path]] == []


# --- disks ------------------------------------------------------------------------------------------------------------
@pytest.fixture
def fresh(tmp_path):
    return copy_of_repository(tmp_path)


@pytest.fixture
def small_disk(fresh):
    """Give a function that puts the results on a disk of their own, of a size and with further options."""
    mounted = []

    def mount(options: str) -> None:
        (fresh / "results").mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", fresh / "results"]
        require(subprocess.run(command, capture_output=True).returncode == 0, "not root: no small disk can be mounted")
        mounted.append(fresh / "results")

    yield mount
    for place in mounted:
        subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_named_with_the_room_that_is_left(fresh, small_disk):
    small_disk("size=64k")
    done = snakemake(fresh, "--", DATA)
    assert done.returncode != 0 and not (fresh / DATA).exists()
    text = done.stdout + done.stderr
    left = r"cannot be written \(.*\); 0\.\d MiB are free in .*/results/preconditioning/noise/data;"
    assert re.search(f"WriteError: {DATA}: {left}", text)
    assert "make room or give the right to write, then run the same command again" in text
    assert not list((fresh / "results").rglob("*.nc"))


def test_results_that_may_not_be_written_are_refused_before_any_job(fresh, small_disk):
    small_disk("ro")
    done = snakemake(fresh, "--", DATA)
    assert done.returncode != 0 and "Execute 1 jobs" not in done.stdout + done.stderr
    message = re.search(
        r"results: cannot be written \(\[Errno 30\] Read-only file system: .*\); allowed: .*", done.stderr
    )
    assert message and "give the right to write, or run elsewhere: snakemake --directory FOLDER" in message.group()
