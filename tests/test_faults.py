"""What a user reads when a job of the workflow fails, and what is left behind: nothing half-written."""

import pytest

from repository import copy_of_repository, snakemake

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
