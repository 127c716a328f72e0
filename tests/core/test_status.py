"""The state of a run, from a summary and logs made by hand, and once from Snakemake itself."""

import re
import subprocess
import sys

import pytest

from repository import CACHE, FIGURES, TINY, tiny
from workflow.core import status
from workflow.preconditioning import grid

HEAD = "Building DAG of jobs...\noutput_file\tdate\trule\tlog-file(s)\tstatus\tplan\n"
TRAIN = "results/preconditioning/noise/train/a/High_{}.nc"
ROWS = [
    ("results/preconditioning/figures/noise.pdf", "plot", "ok", "update pending"),
    (TRAIN.format("3"), "train_single_index", "missing", "update pending"),
    (TRAIN.format("2"), "train_single_index", "ok", "no update"),
    (TRAIN.format("1"), "train_single_index", "params changed", "update pending"),
    (TRAIN.format("0"), "train_single_index", "missing", "update pending"),
    ("results/preconditioning/noise.nc", "aggregate_noise", "missing", "update pending"),
    ("results/preconditioning/figures/ood.png", "plot", "missing", "update pending"),
    (".cache/data/mnist/train", "mnist", "missing", "update pending"),
]
SUMMARY = HEAD + "".join(f"{path}\t-\t{rule}\t-\t{state}\t{plan}\n" for path, rule, state, plan in ROWS)


@pytest.fixture
def logs(tmp_path, monkeypatch):
    """A folder of logs in which the files of SUMMARY are looked up."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/logs/preconditioning/noise/train/a").mkdir(parents=True)
    (tmp_path / "results/logs/plot").mkdir()
    return tmp_path / "results/logs"


def counts(text: str) -> dict[str, list[int]]:
    """Return the numbers of each line of the table."""
    return {name: [int(n) for n in rest.split()] for name, rest in re.findall(r"^(\w+) ([ \d]+)$", text, re.M)}


def test_rows_come_in_the_order_of_the_rules():
    rules = [row["rule"] for row in status.parse(SUMMARY)]
    assert rules == ["mnist", *["train_single_index"] * 4, "aggregate_noise", "plot", "plot"]


def test_states_are_counted_by_rule(logs):
    (logs / "noise/train/a/High_0.log").write_text("train: step 0 of 9\nTraceback (most recent call last):\nE: x\n")
    (logs / "noise/train/a/High_3.log").write_text("train: step 0 of 9\n")
    (logs / "plot/ood.log").write_text("Traceback (most recent call last):\nE: x\n")
    (logs / "aggregate_noise.log").write_text("")
    (logs / "mnist.log").write_text("Traceback (most recent call last):\nE: x\n")
    text = status.report(status.parse(SUMMARY), "snakemake --summary --config seeds=20")
    assert text.split("\n")[0].split()[-6:] == ["done", "stale", "missing", "begun", "failed", "total"]
    assert counts(text) == {  # done, stale, missing, begun, failed, total
        "mnist": [0, 0, 0, 0, 1, 1],
        "train_single_index": [1, 1, 0, 1, 1, 4],
        "aggregate_noise": [0, 0, 0, 1, 0, 1],
        "plot": [0, 1, 0, 0, 1, 2],
        "all": [1, 2, 0, 2, 3, 8],
    }
    assert f"  {TRAIN.format('0')}  results/logs/preconditioning/noise/train/a/High_0.log\n" in text
    assert "  results/preconditioning/figures/ood.png  results/logs/plot/ood.log\n" in text
    assert text.endswith(": snakemake --summary --config seeds=20")


def test_without_logs_files_are_missing_and_the_first_are_named(logs):
    many = HEAD + "".join(f"{TRAIN.format(i)}\t-\ttrain_single_index\t-\tmissing\tupdate pending\n" for i in range(8))
    text = status.report(status.parse(many), "")
    assert counts(text)["all"] == [0, 0, 8, 0, 0, 8]
    named = "\n".join(f"  {TRAIN.format(i)}" for i in range(status.SHOWN))
    assert text.endswith(f"missing:\n{named}\nand 3 more")


def test_a_finished_run_with_another_seed_asked_for(finished):
    command = [sys.executable, "workflow/core/status.py", *TINY, "--config", CACHE, "seeds=4"]
    done = subprocess.run(command, cwd=finished, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = counts(done.stdout)  # of two shards of seeds, 0-1 stays and 2-2 becomes 2-3
    cfg = tiny(seeds=4)
    trained = len([path for path in grid.trained_files(cfg) if not path.startswith("results/ood/")])
    assert found["train_single_index"] == [trained // 2, 0, trained // 2, 0, 0, trained]
    tuned = len(grid.ood_arms(cfg))
    assert found["tune_ood"] == [tuned, 0, 0, 0, 0, tuned]
    assert found["plot"] == [0, 2 * len(FIGURES), 0, 0, 0, 2 * len(FIGURES)]
    for table in ("check_claims", "check_diagnosis", "check_firmness"):
        assert found[table] == [0, 3, 0, 0, 0, 3]


def test_what_snakemake_refuses_is_passed_on(monkeypatch):
    refusal = subprocess.CompletedProcess([], 1, stdout="", stderr="seed: unknown key; did you mean 'seeds'?")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: refusal)
    with pytest.raises(SystemExit, match="did you mean 'seeds'"):
        status.main(["--config", "seed=4"])
