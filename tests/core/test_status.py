"""The state of a run, from a summary and logs made by hand, and once from Snakemake itself."""

import os
import re
import subprocess
import sys

import pytest

from repository import CACHE, FIGURES, ROOT, TINY, tiny
from workflow.core import status
from workflow.preconditioning import grid, image_grid

HEAD = "Building DAG of jobs...\noutput_file\tdate\trule\tlog-file(s)\tstatus\tplan\n"
TRAIN = "results/preconditioning/noise/train/a/High_{}.nc"
PLOTS = "results/preconditioning/figures"
ROWS = [
    (f"{PLOTS}/noise.pdf", "plot", "ok", "update pending"),
    (TRAIN.format("3"), "train_single_index", "missing", "update pending"),
    (TRAIN.format("2"), "train_single_index", "ok", "no update"),
    (TRAIN.format("1"), "train_single_index", "params changed", "update pending"),
    (TRAIN.format("0"), "train_single_index", "missing", "update pending"),
    ("results/preconditioning/noise.nc", "aggregate_noise", "missing", "update pending"),
    (f"{PLOTS}/ood.png", "plot", "missing", "update pending"),
    (".cache/data/mnist/train", "mnist", "missing", "update pending"),
    ("results/costs.csv", "costs", "missing", "update pending"),
]
SUMMARY = HEAD + "".join(f"{path}\t-\t{rule}\t-\t{state}\t{plan}\n" for path, rule, state, plan in ROWS)
GRAPH = """digraph snakemake_dag {
    node[shape=box, style=rounded];
    edge[penwidth=2, color=grey];
\t0[label = "all", color = "0.11 0.6 0.85", style="rounded"];
\t1[label = "plot", color = "0.11 0.6 0.85", style="rounded"];
\t2[label = "aggregate_noise", color = "0.11 0.6 0.85", style="rounded"];
\t3[label = "train_single_index", color = "0.11 0.6 0.85", style="rounded,dashed"];
\t10[label = "mnist", color = "0.11 0.6 0.85", style="rounded"];
\t2 -> 1
\t1 -> 0
\t3 -> 2
\t3 -> 3
\t10 -> 3
}
"""
ORDER = ["mnist", "train_single_index", "aggregate_noise", "plot", "all"]


@pytest.fixture
def logs(tmp_path, monkeypatch):
    """A folder of logs in which the files of SUMMARY are looked up."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/logs/preconditioning/noise/train/a").mkdir(parents=True)
    (tmp_path / "results/logs/preconditioning/figures").mkdir()
    return tmp_path / "results/logs"


def counts(text: str) -> dict[str, list[int]]:
    """Return the numbers of each line of the table."""
    return {name: [int(n) for n in rest.split()] for name, rest in re.findall(r"^(\w+) ([ \d]+)$", text, re.M)}


def test_rules_come_behind_those_whose_files_they_read_and_unknown_ones_last():
    assert status.order(GRAPH) == ORDER
    rules = [row["rule"] for row in status.parse(SUMMARY, ORDER)]
    assert rules == ["mnist", *["train_single_index"] * 4, "aggregate_noise", "plot", "plot", "costs"]


def test_states_are_counted_by_rule(logs):
    (logs / "preconditioning/noise/train/a/High_0.log").write_text("step 0\nTraceback (most recent call last):\nE: x\n")
    (logs / "preconditioning/noise/train/a/High_3.log").write_text("train: step 0 of 9\n")
    (logs / "preconditioning/figures/ood.log").write_text("Traceback (most recent call last):\nE: x\n")
    (logs / "preconditioning/aggregate_noise.log").write_text("")
    (logs / "mnist.log").write_text("Traceback (most recent call last):\nE: x\n")
    command = "snakemake --summary --config seeds=20"
    text = status.report(status.parse(SUMMARY, ORDER), command, {})
    assert text.split("\n")[0].split()[-6:] == ["done", "stale", "missing", "begun", "failed", "total"]
    assert counts(text) == {  # done, stale, missing, begun, failed, total
        "mnist": [0, 0, 0, 0, 1, 1],
        "train_single_index": [1, 1, 0, 1, 1, 4],
        "aggregate_noise": [0, 0, 0, 1, 0, 1],
        "plot": [0, 1, 0, 0, 1, 2],
        "costs": [0, 0, 1, 0, 0, 1],
        "all": [1, 2, 1, 2, 3, 9],
    }
    assert f"  {TRAIN.format('0')}  results/logs/preconditioning/noise/train/a/High_0.log\n" in text
    assert f"  {PLOTS}/ood.png  results/logs/preconditioning/figures/ood.log\n" in text
    assert text.endswith(f": {command}")


def test_without_logs_files_are_missing_and_the_first_are_named(logs):
    many = HEAD + "".join(f"{TRAIN.format(i)}\t-\ttrain_single_index\t-\tmissing\tupdate pending\n" for i in range(8))
    text = status.report(status.parse(many, ORDER), "", {})
    assert counts(text)["all"] == [0, 0, 8, 0, 0, 8]
    named = "\n".join(f"  {TRAIN.format(i)}" for i in range(status.SHOWN))
    assert text.endswith(f"missing:\n{named}\nand 3 more")


BEGUN = """[Thu]
localrule {rule}:
    input: a.nc
    output: {output} (update), {output}.2
    log: l.log
"""
ENDED = """[Thu]
Error in rule {rule}:
    message: None
    jobid: 0
    output: {output} (update), {output}.2
    log: l.log (check log file(s) for error details)
"""


def test_a_job_that_failed_before_its_log_is_known_from_that_of_snakemake(logs, tmp_path):
    folder = tmp_path / ".snakemake" / "log"
    folder.mkdir(parents=True)
    one, two = ({"rule": "train", "output": TRAIN.format(i)} for i in ("0", "3"))
    first, second = folder / "2026-01-01T00.snakemake.log", folder / "2026-01-02T00.snakemake.log"
    first.write_text("".join(each.format(**job) for job in (one, two) for each in (BEGUN, ENDED)))
    assert set(status.failures(folder)) == {one["output"], one["output"] + ".2", two["output"], two["output"] + ".2"}
    second.write_text(BEGUN.format(**one) + BEGUN.format(**two) + ENDED.format(**two))  # the first runs again, or ran
    failed = status.failures(folder)
    assert failed == {two["output"]: second, two["output"] + ".2": second}
    text = status.report(status.parse(SUMMARY, ORDER), "", failed)
    assert counts(text)["train_single_index"] == [1, 1, 1, 0, 1, 4]
    assert f"  {two['output']}  {second}" in text


OWN = os.environ | {"PYTHONPATH": str(ROOT)}
SNAKEFILE = """rule all:
    input: "results/b.nc", "results/c.nc"
include: "inner.smk"
"""
INNER = """for name in "a":
    rule:
        name: f"make_{name}"
        output: "results/a.nc"
        shell: "touch {output}"
rule broken:
    input: "results/a.nc"
    output: "results/b.nc"
    log: "results/logs/b.log"
    script: "broken.py"
use rule broken as told with:
    output: "results/c.nc"
    log: "results/logs/c.log"
"""


def test_rules_of_any_layout_in_any_folder(tmp_path):
    flow, run = tmp_path / "flow", tmp_path / "run"
    for folder in (flow, run):
        folder.mkdir()
    (flow / "Snakefile").write_text(SNAKEFILE)
    (flow / "inner.smk").write_text(INNER)
    (flow / "broken.py").write_text("import no_such_module\n")
    arguments = ["--snakefile", str(flow / "Snakefile"), "--directory", str(run)]
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--keep-going", *arguments]
    assert subprocess.run(command, capture_output=True).returncode == 1
    arguments[2] = "--dir"  # as Snakemake takes it
    command = [sys.executable, "-m", "workflow.core.status", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=OWN)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"in {run}:\n")
    assert list(counts(done.stdout)) == ["make_a", "broken", "told", "all"]
    assert counts(done.stdout)["all"] == [1, 0, 0, 0, 2, 3]
    assert re.search(r"results/b.nc  \.snakemake/log/.*\.snakemake\.log", done.stdout)


def test_a_finished_run_with_another_seed_asked_for(finished):
    command = [sys.executable, "-m", "workflow.core.status", *TINY, "--config", CACHE, "seeds=4"]
    done = subprocess.run(command, cwd=finished, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = counts(done.stdout)  # the shard of seeds 0-2 stays, and 3-3 is new
    cfg = tiny(seeds=4)
    trained = len([path for path in grid.trained_files(cfg) if "/ood/" not in path])
    assert found["train_single_index"] == [trained // 2, 0, trained // 2, 0, 0, trained]
    tuned = len(image_grid.arms(cfg, "ood"))
    assert found["tune_images"] == [tuned, 0, 0, 0, 0, tuned]
    assert found["plot_preconditioning"] == [0, 2 * len(FIGURES), 0, 0, 0, 2 * len(FIGURES)]
    for table in ("check_diagnosis", "check_stability"):
        assert found[table] == [0, 3, 0, 0, 0, 3]


def test_what_snakemake_refuses_is_passed_on():
    with pytest.raises(SystemExit, match="did you mean 'seeds'"):
        status.main(["--snakefile", str(ROOT / "workflow" / "Snakefile"), "--config", "seed=4"])
