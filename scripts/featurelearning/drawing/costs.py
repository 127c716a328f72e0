"""What the jobs of a run cost and when they ran, from the text of Snakemake's benchmark files.

A job ends when its benchmark file is written. Snakemake looks at memory and processor time now and then, so that both
come out too small for jobs of a few seconds.
"""

import csv
import io
import statistics
from collections import defaultdict
from math import isnan, nan
from pathlib import PurePath
from typing import NamedTuple

from featurelearning.evidence.tables import Column, Table

COLUMNS = (
    Column("stage"),
    Column("jobs"),
    Column("core_hours", "core-hours", ".3f"),
    Column("share", "share of core-hours", ".1%"),
    Column("cpu_hours", "CPU-hours", ".3f"),
    Column("median_seconds", "median job, s", ".1f"),
    Column("longest_seconds", "longest job, s", ".1f"),
    Column("max_rss_mb", "largest memory, MB", ".0f"),
)
LONGEST_GAP = 3600.0  # seconds without any job, after which the next one belongs to another run
STYLE = "td, thead th + th { text-align: right; } tbody tr:last-child > * { font-weight: bold; }"


class Job(NamedTuple):
    """One job: its stage, the cores that it holds, start, end and processor time in seconds, memory in MB."""

    stage: str
    threads: int
    start: float
    end: float
    cpu: float
    memory: float


def stage(name: str) -> str:
    """Return the stage of a benchmark file named below their folder, without its paper, whose studies have own names.

    `noise/train`, `ood/tune` for the jobs of a study; `figures`, `claims`, `mnist`, `costs` for those before and after.
    """
    path = PurePath(name)
    if len(path.parts) > 3:
        return "/".join(path.parts[1:3])
    return "figures" if path.parent.name == "figures" else path.stem


def job(name: str, text: str, end: float, threads: int) -> Job | None:
    """Return the job of a benchmark file, or None where its text is not one row with a time in seconds.

    The stages of a study take `threads` cores, and all that come before and after them take one.
    """
    try:
        (row,) = csv.DictReader(io.StringIO(text), delimiter="\t")
        seconds = float(row["s"])
    except (ValueError, KeyError, TypeError):
        return None
    where = stage(name)
    return Job(
        where, threads if "/" in where else 1, end - seconds, end, _number(row, "cpu_time"), _number(row, "max_rss")
    )


def rows(jobs: list[Job]) -> list[dict]:
    """Return a row of COLUMNS for each stage, the dearest first, and one for all stages."""
    stages = defaultdict(list)
    for each in jobs:
        stages[each.stage].append(each)
    found = [_row(name, members, jobs) for name, members in stages.items()]
    return sorted(found, key=lambda row: (-row["core_hours"], row["stage"])) + [_row("all", jobs, jobs)]


def without_gaps(jobs: list[Job]) -> tuple[list[Job], list[float]]:
    """Return the jobs by start, the first at 0, without gaps longer than LONGEST_GAP, and the times of these cuts."""
    moved, cuts = [], []
    shift = end = min((each.start for each in jobs), default=0.0)
    for each in sorted(jobs, key=lambda each: (each.start, each.end)):
        if each.start - end > LONGEST_GAP:
            shift += each.start - end
            cuts.append(each.start - shift)
        end = max(end, each.end)
        moved.append(each._replace(start=each.start - shift, end=each.end - shift))
    return moved, cuts


def packed(jobs: list[Job]) -> list[int]:
    """Return a row, from 0, for each job; jobs come by start, and take as few rows as hold them without overlap."""
    ends, places = [], []
    for each in jobs:
        row = next((i for i, end in enumerate(ends) if end <= each.start), len(ends))
        ends[row : row + 1] = [each.end]
        places.append(row)
    return places


def at_once(jobs: list[Job]) -> int:
    """Return how many jobs ran at the same time at most; they come by start."""
    return max(packed(jobs), default=-1) + 1


def summary(jobs: list[Job]) -> str:
    """Return one sentence on the whole."""
    moved, _ = without_gaps(jobs)
    minutes = max((each.end for each in moved), default=0.0) / 60
    hours = rows(jobs)[-1]["core_hours"]
    return f"{len(jobs)} jobs, {hours:.2f} core-hours within {minutes:.1f} minutes, at most {at_once(moved)} at once."


def table(jobs: list[Job]) -> Table:
    """Return the table of all stages under one sentence on the whole."""
    return Table(COLUMNS, rows(jobs), "costs", "Cost of every stage", summary(jobs), style=STYLE)


def _number(row, name):
    try:
        return float(row[name])
    except (ValueError, KeyError, TypeError):
        return nan


def _row(name, jobs, everything):
    seconds = [each.end - each.start for each in jobs]
    cpu, memory = ([v for v in values if not isnan(v)] for values in ([j.cpu for j in jobs], [j.memory for j in jobs]))
    hours, total = _core_hours(jobs), _core_hours(everything)
    return {
        "stage": name,
        "jobs": len(jobs),
        "core_hours": hours,
        "share": hours / total if total else nan,
        "cpu_hours": sum(cpu) / 3600,
        "median_seconds": statistics.median(seconds or [nan]),
        "longest_seconds": max(seconds, default=nan),
        "max_rss_mb": max(memory, default=nan),
    }


def _core_hours(jobs):
    return sum((each.end - each.start) * each.threads for each in jobs) / 3600
