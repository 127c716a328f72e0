"""Targets of make: a paper or a study alone and then everything, the list of both, and own code in every job."""

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from featurelearning.evidence.studies import Study
from repository import ENVIRONMENT, ROOT, RUNS, STUDIES, copy_of_repository, finished_jobs, make, planned, snakemake
from workflow.core import configuration, listing

ROOMS = ["core", *configuration.rooms()]
BENCHMARKS = "results/benchmarks"
DATA = "results/preconditioning/noise/data/High_snr1.00_seeds0000-0002.nc"


def said(finished: Path, run: str) -> str:
    """Return what a run of the finished copy has said."""
    return (finished / f"{run}.txt").read_text(encoding="utf-8")


def printed(*words: str) -> str:
    """Return the commands that make would run in a finished environment."""
    command = ["make", "--dry-run", *words, "CORES=3"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=ENVIRONMENT).stdout


# --- ONLY= ------------------------------------------------------------------------------------------------------------
def test_a_study_then_all_then_the_study_again_makes_nothing_twice(finished):
    first, rest, again = (finished_jobs(said(finished, run)) for run in RUNS)
    made = {path.relative_to(finished).as_posix() for path in (finished / BENCHMARKS).rglob("*.tsv")}
    assert first and rest and first | rest == made and not first & rest
    assert not again and "Nothing to be done" in said(finished, "again")


def test_a_study_alone_is_its_figures_and_verdicts_and_what_they_need(finished):
    jobs = planned(said(finished, "first"))
    assert jobs["plot_preconditioning"] == len(STUDIES["noise"].figures) and jobs["judge"] == 1
    assert {rule for rule in jobs if rule.startswith("aggregate")} == {"aggregate_noise"}
    assert not {"costs", "tune_images", "evaluate_theory", "diagnose", "check_stability"} & set(jobs)


VERBS = ("command run", "command after", "resume")


@pytest.mark.parametrize(("only", "target"), [("ONLY=noise transfer", "noise transfer"), ("ONLY=", ""), ("", "")])
def test_make_runs_what_only_names(only, target):
    said = {
        name: printed(name, *filter(None, [only]), "ARGS=-n --x").splitlines()[-2:] for name in ("reproduce", "resume")
    }
    asked = [f"CORES=3 .venv/bin/python -m workflow.core.{verb} {target} -n --x" for verb in VERBS]
    assert said == {"reproduce": [asked[0], asked[1]], "resume": [asked[2], asked[1]]}


def test_a_study_that_the_configuration_does_not_plan_ends_with_one_line(finished):
    done = snakemake(finished, "-n", "--", "real")
    line = "real: this configuration plans nothing of it; config/README.md tells how to switch it on"
    said = (done.stdout + done.stderr).splitlines()
    assert done.returncode != 0 and [text.strip() for text in said if "plans nothing" in text] == [line]
    assert not any("Traceback (most recent call last)" in text for text in said)


# --- make list --------------------------------------------------------------------------------------------------------
def test_list_counts_the_jobs_of_each_study_and_takes_the_times_of_the_last_run(finished):
    done = make(finished, "list")
    assert done.returncode == 0, done.stderr
    rows = {row.split()[0]: row.split() for row in done.stdout.splitlines()[1:]}
    assert int(rows["noise"][1]) == sum(planned(said(finished, "first")).values())
    assert rows["real"][1] == "0"
    for name, study in STUDIES.items():
        files = [*(finished / BENCHMARKS / "preconditioning" / name).rglob("*.tsv")]
        seconds = [float(path.read_text(encoding="utf-8").splitlines()[1].split()[0]) for path in files]
        assert rows[name][2] == f"{sum(seconds) / 60:.0f}" if seconds else rows[name][2] == "about", study
    assert set(rows) == {"core-minutes:", *configuration.rooms(), *STUDIES, "real"}


NODES = {0: "data", 1: "train", 2: "train", 3: "gather", 4: "noise", 5: "diagnose", 6: "diagnosis"}
LINKS = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (0, 5), (3, 5), (5, 6)]  # from a job to one that needs it


def test_a_job_that_serves_two_studies_counts_for_both():
    nodes = [{"id": number, "value": {"rule": rule}} for number, rule in NODES.items()]
    graph = {"nodes": nodes, "edges": [{"u": one, "v": other} for one, other in LINKS]}
    assert listing.job_counts(graph) == {"noise": 4, "diagnosis": 5}


def test_times_are_of_the_last_run_or_an_estimate(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = Study("noise", "paper", "a title", "a reference", core_minutes=90)
    assert listing.measured(study) is None
    for name, seconds in (("train/a", 90), ("train/b", 240)):
        path = tmp_path / BENCHMARKS / f"paper/noise/{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\n{seconds}\t-\n", encoding="utf-8")
    assert listing.measured(study) == 5.5
    table = listing.table(
        {"noise": study, "other": study._replace(name="other")}, {"noise": 3, "other": 0}, {"noise": 5.5, "other": None}
    )
    rows = [line.split() for line in table.splitlines()]
    assert rows[2] == ["noise", "3", "6", "a", "title"] and rows[3] == ["other", "0", "about", "90", "a", "title"]


# --- own code first ---------------------------------------------------------------------------------------------------
@pytest.fixture
def elsewhere(tmp_path):
    """A folder that has a package of our name, which cannot be used."""
    package = tmp_path / "elsewhere/featurelearning"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('the package of another checkout')\n", encoding="utf-8")
    return package.parent


def test_a_copy_runs_its_own_package_whatever_is_installed_or_on_the_path(tmp_path, elsewhere):
    folder = copy_of_repository(tmp_path / "copy")
    with open(folder / "scripts/featurelearning/files/records.py", "a", encoding="utf-8") as file:
        file.write("\nprint('records of', __file__)\n")
    done = snakemake(folder, "--", DATA, PYTHONPATH=str(elsewhere))
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"records of {folder}/scripts/featurelearning/files/records.py" in done.stdout + done.stderr


def test_so_does_what_is_called_without_make(elsewhere):
    command = [sys.executable, "-m", "workflow.core.resume", "-n"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(elsewhere)}
    )
    assert "resume: --dryrun given" in done.stderr


def test_a_job_with_the_package_of_another_checkout_stops_and_names_both(tmp_path):
    """As where Snakemake deletes PYTHONPATH, in conda's environments, and an editable install is of another clone."""
    copy = copy_of_repository(tmp_path / "copy")
    code = (
        "from types import SimpleNamespace\n"
        "from featurelearning.files import joblog\n"
        f"with joblog.of(SimpleNamespace(log=['log'], scriptdir={str(copy / 'scripts/preconditioning')!r})):\n"
        "    print('the script runs')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{ROOT}/scripts"},
    )
    line = (tmp_path / "log").read_text(encoding="utf-8").splitlines()[-1]
    assert done.returncode == 1 and "the script runs" not in (tmp_path / "log").read_text(encoding="utf-8")
    assert line.startswith(
        f"ImportError: featurelearning was imported from {ROOT}/scripts/featurelearning, but this job belongs to "
        f"{copy}/scripts/featurelearning; allowed: the package of the job's own checkout; take the other one out of"
    )


# --- rooms ------------------------------------------------------------------------------------------------------------
GIVEN = re.compile(r"^(?:(def) (\w+)\(|(?:use )?(rule) (?:\w+ as )?(\w+)\b|(\w+) \|?= )")
LOCAL = re.compile(r"(?:def|class|rule|use|localrules|on\w+)\b")  # what begins a block with names of its own
IMPORT = re.compile(r"^(?:from (\S+) )?import (.+)$")


def names(text: str) -> dict[str, str]:
    """Return the global names of a *.smk file, each with what it is imported from; '' for one that the file gives."""
    found, local = {}, False
    for line in text.splitlines():
        local = bool(LOCAL.match(line)) if line[:1].strip() else local
        line = line if not line[:1].isspace() or local else line.lstrip()  # below try, if and for
        if given := GIVEN.match(line):
            _, function, rule, name, variable = given.groups()
            found[f"{rule} {name}" if rule else function or variable] = ""
        elif imported := IMPORT.match(line):
            for part in imported[2].split(", "):
                found[part.split(" as ")[-1]] = f"{imported[1]}.{part.split(' as ')[0]}"
    return found


def clashes(rooms: dict[str, list[str]]) -> set[str]:
    """Return the global names to which two rooms, each the texts of its files, give meanings of their own."""
    given = [{name: of for text in texts for name, of in names(text).items()} for texts in rooms.values()]
    pairs = itertools.combinations(given, 2)
    return {name for a, b in pairs for name in a.keys() & b.keys() if a[name] != b[name] or not a[name]}


def test_rooms_give_no_name_twice():
    """All *.smk files share one set of global names, so that a second meaning would silently replace the first."""
    rooms = {room: [path.read_text("utf-8") for path in (ROOT / "workflow" / room).glob("*.smk")] for room in ROOMS}
    rooms["core"].append((ROOT / "workflow/Snakefile").read_text(encoding="utf-8"))
    assert {"CONFIG", "settings", "rule all", "rooms"} <= names("\n".join(rooms["core"])).keys()
    assert all({f"rule {room}"} <= names("\n".join(rooms[room])).keys() for room in ROOMS if room != "core")
    assert clashes(rooms) == set()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CONFIG = 1\n", "CONFIG"),
        ("if True:\n    CONFIG = 1\n", "CONFIG"),
        ("SHARED |= {}\n", "SHARED"),
        ("def seeds(wildcards):\n", "seeds"),
        ("rule judge:\n", "rule judge"),
        ("use rule plot as judge with:\n", "rule judge"),
        ("from workflow.paper import grid\n", "grid"),
    ],
)
def test_a_name_that_two_rooms_give_is_found(text, name):
    core = "CONFIG = 0\nSHARED = {}\ndef seeds():\nrule judge:\nfrom workflow.core import grid, rooms\n"
    assert clashes({"core": [core], "paper": ["from workflow.core import rooms\nOWN = 1\n", text]}) == {name}


@pytest.mark.parametrize(("words", "limit"), [((), "None"), (("--max-jobs-per-timespan", "5/2s"), "(5, 2.0)")])
def test_only_a_limit_of_jobs_a_second_that_was_asked_for_is_kept(words, limit, tmp_path):
    """Where it has one, Snakemake has as many timers as jobs have ended, each of which looks for jobs every second."""
    folder = copy_of_repository(tmp_path / "copy")
    told = 'limit = workflow.scheduler.job_rate_limiter; print("limit:", limit and (limit.max_jobs, limit.timespan))'
    shared = folder / "workflow" / "core" / "common.smk"
    text = shared.read_text(encoding="utf-8")
    shared.write_text(text.replace("    unlimited()\n", f"    unlimited()\n    {told}\n", 1), encoding="utf-8")
    done = snakemake(folder, *words, "--", DATA)
    assert done.returncode == 0 and f"limit: {limit}\n" in done.stdout + done.stderr
