"""The cost table and the timeline from benchmark files made by hand, and those of the tiny run."""

import csv
import io
import math
import os
import random
from collections import Counter

import numpy as np
import pytest
from matplotlib.colors import to_rgba

import costs as script
from featurelearning.drawing import costs
from featurelearning.drawing.costs import Job
from repository import FIGURES, tiny
from workflow.preconditioning import grid, image_grid

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
HOUR = 3600.0
FILES = {  # name: (text, end)
    "toy/noise/train/a/High_seeds0000-0009.tsv": (
        HEAD + "1800.00\t0:30:00\t500.0\t1\t1\t1\t0\t0\t90\t2700.0\n",
        2000.0,
    ),
    "toy/noise/train/b/High_seeds0000-0009.tsv": (
        HEAD + "5400.00\t1:30:00\t700.0\t1\t1\t1\t0\t0\t90\t8100.0\n",
        7000.0,
    ),
    "toy/noise/train/b/Low_seeds0000-0009.tsv": (HEAD + "3600.00\t1:00:00\tNA\tNA\tNA\tNA\tNA\tNA\tNA\tNA\n", 9000.0),
    "toy/figures/noise.tsv": (HEAD + "1440.00\t0:24:00\t90.0\t1\t1\t1\t0\t0\t90\t360.0\n", 9900.0),
    "toy/ood/tune/adam.tsv": ("", 1.0),
    "toy/ood/tune/sgd.tsv": (HEAD, 1.0),
    "toy/aggregate_ood.tsv": (HEAD + "NA\tNA\n", 1.0),
    "costs.tsv": (HEAD + "7200.00\t2:00:00\t900.0\t1\t1\t1\t0\t0\t90\t7200.0\n", 9000000.0),
}
TABLE = {  # with two threads for a job of a study: jobs, core-hours, share, CPU-hours, median, longest, memory
    "noise/train": (3, 2 * 3.0, 6 / 6.4, 3.0, 3600.0, 5400.0, 700.0),
    "figures": (1, 0.4, 0.4 / 6.4, 0.1, 1440.0, 1440.0, 90.0),
    "all": (4, 6.4, 1.0, 3.1, 2700.0, 5400.0, 700.0),
}


@pytest.fixture
def folder(tmp_path):
    """A folder of benchmark files."""
    for name, (text, end) in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        os.utime(path, (end, end))
    (tmp_path / "toy" / "ood" / "tune" / "momentum.tsv").write_bytes(b"\xff\xfe\x00")
    return tmp_path


def ran(start: float, end: float, stage: str = "noise/train") -> Job:
    return Job(stage, 1, start, end, math.nan, math.nan)


def most_at_once(jobs: list[Job]) -> int:
    """Return the largest number of jobs that run at any one moment: some job has just started then."""
    return max(sum(other.start <= each.start < other.end for other in jobs) for each in jobs)


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("toy/noise/train/sigma_population_p-1.00/High_snr1.00_seeds0000-0009.tsv", "noise/train"),
        ("toy/ood/data/seeds0000-0009.tsv", "ood/data"),
        ("toy/ood/tune/adam.tsv", "ood/tune"),
        ("toy/figures/noise.tsv", "figures"),
        ("toy/noise/claims.tsv", "claims"),
        ("toy/aggregate_noise.tsv", "aggregate_noise"),
        ("costs.tsv", "costs"),
    ],
)
def test_stage(name, stage):
    assert costs.stage(name) == stage


def test_table_of_known_files(folder, capsys):
    table = costs.rows(script.read(folder, threads=2))
    assert [row["stage"] for row in table] == list(TABLE)
    for row in table:
        assert [row[column.key] for column in costs.COLUMNS[1:]] == pytest.approx(TABLE[row["stage"]])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("8 benchmark files, 4 of them skipped")
    skipped = ("toy/aggregate_ood", "toy/ood/tune/adam", "toy/ood/tune/momentum", "toy/ood/tune/sgd")
    assert printed[1:] == [str(folder / f"{name}.tsv") for name in skipped]


def test_csv_holds_the_table(folder):
    table = costs.table(script.read(folder, threads=2))
    rows = list(csv.DictReader(io.StringIO(table.csv())))
    assert {row["stage"]: float(row["core_hours"]) for row in rows} == {"noise/train": 6.0, "figures": 0.4, "all": 6.4}
    assert rows[0]["share"] == "0.9375" and rows[0]["jobs"] == "3"


def test_page_holds_the_table(folder):
    jobs = script.read(folder, threads=2)
    page = costs.table(jobs).html()
    cells = ("3", "6.000", "93.8%", "3.000", "3600.0", "5400.0", "700")
    assert '<tr><th scope="row">noise/train</th>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>" in page
    assert "4 jobs, 6.40 core-hours within 161.7 minutes, at most 2 at once." in page  # from 200 to 9900 s


def test_jobs_are_packed_into_as_few_rows_as_overlap_allows():
    draw = random.Random(1)
    for _ in range(50):
        starts = sorted(draw.randrange(60) for _ in range(draw.randint(1, 40)))
        jobs = [ran(start, start + draw.randint(1, 20)) for start in starts]
        rows = costs.packed(jobs)
        for i, job in enumerate(jobs):
            for other, row in zip(jobs[:i], rows, strict=False):
                assert row != rows[i] or other.end <= job.start
        assert set(rows) == set(range(most_at_once(jobs))) and costs.at_once(jobs) == most_at_once(jobs)


def test_gaps_of_more_than_an_hour_are_cut_out():
    first = [ran(1000, 1500), ran(1100, 1200)]
    pause = ran(1500 + HOUR, 6000)  # an hour after the longest of the first, which is not more than an hour
    later = [ran(100_000, 100_010), ran(100_005, 100_030)]
    moved, cuts = costs.without_gaps([*later, pause, *first])
    assert [(job.start, job.end) for job in moved[:3]] == [(0, 500), (100, 200), (500 + HOUR, 5000)]
    assert [(job.start, job.end) for job in moved[3:]] == [(5000, 5010), (5005, 5030)]
    assert cuts == [5000]


def test_no_jobs_at_all_are_a_table_of_nothing():
    (row,) = costs.rows([])
    assert (row["stage"], row["jobs"], row["core_hours"]) == ("all", 0, 0)
    assert costs.table([]).csv().splitlines()[1] == "all,0,0,,0,,,"
    assert costs.table([]).html().count("<td>–</td>") == 4
    assert list(script.figure([]).axes[0].patches) == []


def test_timeline_has_a_bar_for_each_job_in_the_colour_of_its_stage():
    jobs = [ran(60 * i, 60 * i + 60 * (9 - i), f"ood/{i}") for i in range(8)]
    figure = script.figure([*jobs, ran(90_000, 90_060, "ood/0")])
    axes = figure.axes[0]
    bars = [(bar.get_x(), bar.get_width(), round(bar.get_y() + bar.get_height() / 2)) for bar in axes.patches]
    expected = [*((i, 9 - i, i + 1) for i in range(8)), (9, 1, 1)]  # minutes; the first eight end at the ninth
    np.testing.assert_allclose(bars, expected)
    colours = [bar.get_facecolor() for bar in axes.patches]
    assert len(set(colours[:6])) == 6 and colours[0] == colours[8]
    assert colours[6] == colours[7] and colours[6] not in colours[:6]  # the cheapest two
    (cut,) = axes.findobj(lambda artist: artist.get_gid() == "cut")
    assert list(cut.get_xdata()) == pytest.approx([9, 9])
    entries = {entry.get_label(): to_rgba(entry.get_color()) for entry in figure.legends[0].legend_handles}
    expected = dict(zip([*(f"ood/{i}" for i in range(6)), "all others"], colours[:7], strict=True))
    assert {label: colour for label, colour in entries.items() if label.strip()} == expected


def test_the_tiny_run_counts_every_job(finished):
    results = finished / "results"
    with open(results / "costs.csv", encoding="utf-8", newline="") as file:
        rows = {row["stage"]: row for row in csv.DictReader(file)}
    trained = Counter(path.split("/")[2] for path in grid.trained_files(tiny()))
    assert {study: int(rows[f"{study}/train"]["jobs"]) for study in trained} == trained
    assert int(rows["ood/tune"]["jobs"]) == len(image_grid.arms(tiny(), "ood"))
    for study in grid.diagnosed(tiny()):
        assert int(rows[f"{study}/diagnose"]["jobs"]) == len(grid.diagnosis_files(tiny(), study))
    assert int(rows["figures"]["jobs"]) == len(FIGURES) and "costs" not in rows
    assert float(rows["all"]["core_hours"]) == pytest.approx(
        sum(float(row["core_hours"]) for stage, row in rows.items() if stage != "all"), rel=1e-4
    )
    assert (results / "timeline.png").read_bytes().startswith(b"\x89PNG")
    assert f">{rows['all']['jobs']} jobs, " in (results / "costs.html").read_text(encoding="utf-8")
    assert " 0 of them skipped" in (results / "logs" / "costs.log").read_text(encoding="utf-8")
