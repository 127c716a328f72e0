"""What a user reads when a job of the workflow fails, and what is left behind: nothing half-written."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import xarray as xr

from featurelearning.files import records
from repository import ROOT, copy_of_repository, require, snakemake

SHARD = "sigma_population_p+1.00/High_snr1.00_seeds0000-0001"
TRAINED, DATA = f"results/noise/train/{SHARD}.nc", "results/noise/data/High_snr1.00_seeds0000-0001.nc"


@pytest.fixture
def folder(tmp_path):
    return copy_of_repository(tmp_path)


def log(folder, stage: str = "train") -> str:
    return (folder / f"results/logs/noise/{stage}/{SHARD}.log").read_text(encoding="utf-8")


def leftovers(folder) -> list:
    return [path for path in (folder / "results/noise/train").rglob("*") if path.is_file()]


def test_a_shard_in_which_every_model_diverges_fails_and_names_cells_and_step(folder):
    done = snakemake(folder, "--", TRAINED, config=("single_index={learning_rate: 1e9}",))
    assert done.returncode != 0 and not leftovers(folder)
    message = log(folder).splitlines()[-1]
    for part in ("every model diverged, the first in step", "High SNR 1 seed 0", "seed 1", "lower the learning rate"):
        assert part in message
    assert message in done.stdout + done.stderr  # shown where the failure is reported


def test_a_gpu_that_is_not_there_is_refused(folder):
    done = snakemake(folder, "--", TRAINED, config=("device=cuda",))
    if done.returncode == 0:
        pytest.skip("this machine has a GPU")
    assert not leftovers(folder)
    for part in ("device: 'cuda' was asked for", "finds no CUDA device", "'auto'", "'cpu'"):
        assert part in log(folder).splitlines()[-1]


def test_a_truncated_file_is_named_with_the_remedy(folder):
    assert snakemake(folder, "--", DATA).returncode == 0
    path = folder / DATA
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    done = snakemake(folder, "--", TRAINED, "results/noise/covariance/empirical/Low_snr1.00_seeds0000-0001.nc")
    assert done.returncode != 0 and not leftovers(folder)
    text = (folder / "results/logs/noise/covariance/population/High_snr1.00_seeds0000-0001.log").read_text()
    assert f"{DATA}: unreadable or truncated" in text and f"rm '{DATA}'" in text
    # one failed shard does not stop the others
    assert (folder / "results/noise/covariance/empirical/Low_snr1.00_seeds0000-0001.nc").exists()
    path.unlink()
    assert snakemake(folder, "--", TRAINED).returncode == 0


# Faults of files in a finished run. What reads the file refuses it; without the file the same command makes it anew.

SECOND = TRAINED.replace("seeds0000-0001", "seeds0002-0002")
EVALUATED = TRAINED.replace("train", "evaluate")


def change(path, function) -> None:
    """Replace a result file by what a function makes of it, as valid as before but for that."""
    dataset = xr.load_dataset(path)
    function(dataset)
    records.write(dataset, path)


def other_code(folder) -> str:
    change(folder / TRAINED, lambda dataset: dataset.attrs.update(code_fingerprint="0" * 16))
    return "code_fingerprint is '0000000000000000', allowed: '"


def other_parameters(folder) -> str:
    shutil.copyfile(folder / SECOND, folder / TRAINED)
    return "parameters.seeds is [2], allowed: [0, 1]"


@pytest.mark.parametrize("spoil", [other_code, other_parameters])
def test_a_file_of_other_code_or_parameters_is_refused_and_made_anew(copy, spoil):
    before = (copy / TRAINED).read_bytes()
    fault = spoil(copy)
    done = snakemake(copy, "--", EVALUATED)
    line = log(copy, "evaluate").splitlines()[-1]
    assert done.returncode != 0 and not (copy / EVALUATED).exists()
    assert f"{TRAINED}: made by other code or with other parameters: {fault}" in line and f"rm '{TRAINED}'" in line
    assert line in done.stdout + done.stderr
    (copy / TRAINED).unlink()
    assert snakemake(copy, "--", EVALUATED).returncode == 0
    assert (copy / TRAINED).read_bytes() == before


def test_a_gathered_file_of_other_parameters_is_refused_where_it_is_drawn_and_judged(copy):
    path = copy / "results/noise.nc"

    def spoil(dataset):
        parameters = records.parameters(dataset)
        parameters["settings"]["learning_rate"] = 0.5
        dataset.attrs["parameters"] = json.dumps(parameters)

    change(path, spoil)
    done = snakemake(copy, "--", "results/claims.csv", "results/figures/noise.png")
    assert done.returncode != 0
    fault = "parameters.settings.learning_rate is 0.5, allowed: 0.03; delete it and run the same command again"
    for name in ("check_claims", "plot/noise"):
        assert fault in (copy / f"results/logs/{name}.log").read_text(encoding="utf-8").splitlines()[-1]


def test_a_nan_planted_in_a_shard_is_found_and_its_cell_named(copy):
    def plant(dataset):
        dataset["clean_mse"][1, 3] = np.nan

    change(copy / TRAINED, plant)
    done = snakemake(copy, "--", "results/noise.nc")
    assert done.returncode != 0 and not (copy / "results/noise.nc").exists()
    line = (copy / "results/logs/aggregate_noise.log").read_text(encoding="utf-8").splitlines()[-1]
    cell = "{'arm': 'sigma_population_p+1.00', 'case': 'High', 'snr': 1.0, 'seed': 1}"
    assert f"clean_mse: missing or not finite in cell {cell} (1 cells in all)" in line and line in done.stderr
    assert "delete that cell's shard and run the same command again" in line


def test_a_download_with_a_flipped_byte_is_refused(folder, tmp_path):
    mnist = tmp_path / "mnist"
    shutil.copytree(ROOT / ".cache/data/mnist", mnist, copy_function=shutil.copyfile)
    path = mnist / "t10k-labels-idx1-ubyte"
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    done = snakemake(folder, "--", "mnist", config=(f"ood={{folder: {mnist}}}", "data_cache=fresh"))
    assert done.returncode != 0 and not list((folder / "fresh/mnist").glob("t10k*"))
    message = (folder / "results/logs/mnist.log").read_text(encoding="utf-8")
    wanted = "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    assert f"folder {mnist}: ValueError: t10k-labels-idx1-ubyte: wrong SHA-256: expected {wanted}, got " in message
    assert "Remedy: put the four original MNIST files there" in message and "wrong SHA-256" in done.stdout + done.stderr


@pytest.fixture
def small_disk(folder):
    """Give a function that puts the results on a disk of their own, of a size and with further options."""
    mounted = []

    def mount(options: str) -> None:
        (folder / "results").mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder / "results"]
        require(subprocess.run(command, capture_output=True).returncode == 0, "not root: no small disk can be mounted")
        mounted.append(folder / "results")

    yield mount
    for place in mounted:
        subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_named_with_the_room_that_is_left(folder, small_disk):
    small_disk("size=64k")
    done = snakemake(folder, "--", DATA)
    assert done.returncode != 0 and not (folder / DATA).exists()
    text = done.stdout + done.stderr
    assert re.search(
        rf"WriteError: {DATA}: cannot be written \(.*\); 0\.\d MiB are free in .*/results/noise/data;", text
    )
    assert "make room or give the right to write, then run the same command again" in text
    assert not list((folder / "results").rglob("*.nc"))


def test_results_that_may_not_be_written_are_refused_before_any_job(folder, small_disk):
    small_disk("ro")
    done = snakemake(folder, "--", DATA)
    assert done.returncode != 0 and "Execute 1 jobs" not in done.stdout + done.stderr
    message = re.search(
        r"results: cannot be written \(\[Errno 30\] Read-only file system: .*\); allowed: .*", done.stderr
    )
    assert message and "give the right to write, or run elsewhere: snakemake --directory FOLDER" in message.group()
