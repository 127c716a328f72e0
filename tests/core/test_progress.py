"""The line on how far training is, from files made by hand, and once from a run of Snakemake."""

import re
import threading
from types import SimpleNamespace

import pytest

from repository import copy_of_repository, snakemake
from workflow.core import progress
from workflow.core.configuration import default, validate
from workflow.preconditioning import grid, image_grid

CELLS = {"old": 10, "stale": 5, "new": 20, "last": 5}


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((120, 1640, 108, 2), "progress: 120 of 1640 cells trained (7 %), 54 a minute, about 28 min left"),
        ((10, 1640, 0, 3), "progress: 10 of 1640 cells trained (0 %)"),
        ((5, 10, 5, 0), "progress: 5 of 10 cells trained (50 %)"),
        ((19, 20, 9, 6), "progress: 19 of 20 cells trained (95 %), 1.5 a minute, about 1 min left"),
        ((20, 200, 20, 40), "progress: 20 of 200 cells trained (10 %), 0.5 a minute, about 6.0 h left"),
        ((200, 200, 100, 1), "progress: 200 of 200 cells trained (100 %), 100 a minute"),
    ],
)
def test_line(numbers, text):
    assert progress.line(*numbers) == text


def test_a_planned_file_counts_once_it_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("old", "stale"):
        (tmp_path / name).touch()
    before = {path: progress.stamp(path) for path in ("stale", "new", "last")}
    assert progress.trained(CELLS, before) == 10
    (tmp_path / "new").touch()
    assert progress.trained(CELLS, before) == 30
    (tmp_path / "stale").unlink()
    assert progress.trained(CELLS, before) == 30
    (tmp_path / "stale").touch()
    assert progress.trained(CELLS, before) == 35


def test_watch_prints_changes_only_and_ends_when_all_is_trained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old").touch()
    (tmp_path / "stale").touch()
    made = iter([[], ["new"], [], ["last"]])  # one minute after the other
    clock, said = SimpleNamespace(now=0.0), []

    def sleep(seconds):
        clock.now += seconds
        for name in next(made):
            (tmp_path / name).touch()

    monkeypatch.setattr(progress, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: clock.now))
    monkeypatch.setattr(progress, "say", said.append)
    progress.watch(CELLS, {"new": None, "last": None})
    assert said == [
        "progress: 35 of 40 cells trained (87 %), 10 a minute, about 1 min left",
        "progress: 40 of 40 cells trained (100 %), 6.2 a minute",
    ]


def test_only_a_run_that_trains_is_watched_and_only_for_what_it_asks(monkeypatch):
    started = []
    monkeypatch.setattr(threading, "Thread", lambda **options: SimpleNamespace(start=lambda: started.append(options)))
    jobs = [SimpleNamespace(output=[path]) for path in ("old", "new", "figure")]
    progress.start(CELLS, jobs, jobs[2:])
    assert started == []
    progress.start(CELLS, jobs, jobs[1:])
    (options,) = started
    assert options["args"] == ({"old": 10, "new": 20}, {"new": None}) and options["daemon"]


def test_trained_files_are_all_of_the_grid():
    raw = default()
    files = grid.trained_files(validate(raw | {"seeds": 13}))
    cfg = validate(raw)
    for study in grid.SYNTHETIC:
        assert set(grid.synthetic_files(cfg, study, "train")) < set(files)
    assert files["results/preconditioning/transfer/train/sigma_oas_p-1.00/Low_snr1.00_seeds0010-0012.nc"] == 3
    assert files["results/preconditioning/ood/train/mnist/adam/seeds0000-0009.nc"] == 10
    noise = 2 * (7 * (4 + 3) + sum(len(snrs) for arm, snrs in grid.plan(cfg, "noise") if arm.estimator == "none"))
    others = 7 * (2 * len(cfg.firmness.variants) + len(cfg.teachers.cases)) + 2 * len(grid.transfer_arms(cfg))
    images = len(image_grid.arms(cfg, "ood")) + len(cfg.real.pairs) * len(cfg.exponents)
    assert sum(grid.trained_files(cfg).values()) == 10 * (noise + others + images)


def test_a_run_of_snakemake_prints_the_line(tmp_path):
    folder = copy_of_repository(tmp_path)
    module = folder / "workflow" / "core" / "progress.py"
    text = module.read_text(encoding="utf-8")
    assert "EVERY = 60 " in text
    module.write_text(text.replace("EVERY = 60 ", "EVERY = 0.1 "), encoding="utf-8")
    shards = ("seeds0000-0001", "seeds0002-0002")
    targets = [
        f"results/preconditioning/noise/train/sigma_population_p-1.00/High_snr1.00_{shard}.nc" for shard in shards
    ]
    done = snakemake(folder, "--cores", "1", "--", *targets, config=("seeds_per_shard=2", "compile=False"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(
        r"^progress: [12] of 3 cells trained \(\d+ %\), .* a minute, about \d+ min left$", done.stderr, re.M
    )
