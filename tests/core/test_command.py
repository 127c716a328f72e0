"""What the arguments of a run mean, read by Snakemake's own parser: dry runs, parts, options that would be dropped."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake.cli import get_argument_parser

from repository import ROOT
from workflow.core import command
from workflow.core.configuration import ConfigError

SLURM = ["--profile", "workflow/profiles/slurm"]


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """Profiles are looked for below the working directory."""
    monkeypatch.chdir(ROOT)


@pytest.fixture
def became(monkeypatch):
    """What the process would have become, instead of becoming it."""
    found = []
    monkeypatch.setattr(command, "become_snakemake", found.append)
    return found


@pytest.fixture
def made(tmp_path):
    """A folder with a figure and no report."""
    (tmp_path / "results/paper/figures").mkdir(parents=True)
    (tmp_path / "results/paper/figures/a.png").touch()
    return tmp_path


# --- what a run makes -------------------------------------------------------------------------------------------------
DRY = ["-n", "-np", "-pn", "-nq rules", "-qn", "--dry-run", "--dryrun", "--dry-r", "-n --config a=b", "-n -- noise"]
OTHERS = [
    "--touch",
    "--lint",
    "--list",
    "--lt",
    "--dag",
    "--rulegraph",
    "--d3dag",
    "--summary",
    "-D",
    "--report x.html",
]
OTHERS += [
    "--unlock",
    "--delete-all-output",
    "--list-changes code",
    "--lu",
    "--archive a.tar.gz",
    "--cm x",
    "--containerize",
]
RUNS = ["", "--config seeds=2", "--forceall", "-F", "-R all", "noise", "--until x", "--config ab=-n", "--nolock", "-k"]
PARTS = ["--until noise", "-U noise", "--omit-from x", "-O x", "--batch aggregate_noise=1/3"]


@pytest.mark.parametrize("words", [*DRY, *OTHERS])
def test_what_makes_no_result_is_known_however_it_is_spelt(words, became, made):
    arguments = words.replace("-qn", "-n -q").split()
    given = command.no_run(command.read(arguments))
    assert given == ("--dryrun" if words in DRY else given) and given
    command.main("after", "--directory", str(made), *arguments)
    assert became == []


@pytest.mark.parametrize("words", RUNS)
def test_a_run_is_a_run(words):
    assert command.no_run(command.read(words.split())) is None


def test_a_flag_inside_a_value_is_none():
    settings = command.read(["--config", "ood={folder: /a -n b}", "note=--profile", "--directory", "my results"])
    assert command.no_run(settings) is None and settings.directory == Path("my results")
    assert command.limits(settings)


def test_the_options_of_no_run_are_snakemakes():
    parser = get_argument_parser()
    defaults = vars(parser.parse_args([]))
    assert {command.option(name) for name in command.NO_RUN} <= set(parser._option_string_actions)
    assert not any(defaults[name] for name in (*command.NO_RUN, *command.PART))


# --- the report -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("words", PARTS)
def test_a_part_leaves_no_report_behind(words, became, made):
    command.main("after", "--directory", str(made), *words.split())
    assert became == []


def test_the_report_is_made_after_a_run_where_there_is_something_to_report(became, made, tmp_path_factory):
    command.main("after", "--directory", str(tmp_path_factory.mktemp("empty")), "noise")
    assert became == []
    command.main("after", "--directory", str(made), "noise")
    style = ["--report-stylesheet", str(ROOT / "workflow/core/captions/report.css")]
    assert became == [["--report", command.REPORT, *style, "--directory", str(made), "noise"]]
    (made / command.REPORT).touch()
    command.main("after", "--directory", str(made), "noise")
    os.utime(made / command.REPORT, (0, 0))
    command.main("report", "--directory", str(made))
    assert became[1:] == [["--report", command.REPORT, *style, "--directory", str(made)]]


def test_without_results_the_report_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(SystemExit, match="results: nothing is there yet: run make reproduce"):
        command.main("report", "--directory", str(tmp_path))


# --- limits -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("words", "limits"),
    [
        ([], ["--resources", "gpu=1", "--cores", "3"]),
        (["noise", "--config", "seeds=20"], ["--resources", "gpu=1", "--cores", "3"]),
        (["--cores", "8"], ["--resources", "gpu=1"]),
        (["-c8"], ["--resources", "gpu=1"]),
        (["-j", "8"], ["--resources", "gpu=1"]),
        (["--resources", "gpu=2"], ["--cores", "3"]),
        (["--profile", "none"], ["--resources", "gpu=1", "--cores", "3"]),
        (SLURM, []),
        (["--executor", "slurm"], []),
    ],
)
def test_this_machine_is_limited_and_no_cluster(words, limits, became, monkeypatch):
    monkeypatch.setenv("CORES", "3")
    command.main("run", *words)
    assert became == [[*limits, *words]]


# --- what Snakemake would drop ----------------------------------------------------------------------------------------
DROPPED = {
    "--configfile config/tiny.yaml --configfile config/paper.yaml": "--configfile",
    "--configfiles config/tiny.yaml --configfile=config/paper.yaml": "--configfile",
    "--config seeds=2 --config threads=2": "--config",
    "-C seeds=2 --config threads=2": "--config",
    "--set-resources a:gpu=1 --set-resources b:gpu=1": "--set-resources",
    "--resources gpu=1 --res mem_mb=1": "--resources",
    "--until a -U b": "--until",
    "-R a --forcerun b": "--forcerun",
    "--batch a=1/2 --batch a=2/2": "--batch",
}


@pytest.mark.parametrize(("words", "option"), DROPPED.items())
def test_an_option_that_is_given_twice_is_refused(words, option):
    with pytest.raises(SystemExit) as caught:
        command.read(words.split())
    head, line = str(caught.value).split("\n")
    assert head.startswith("1 fault in the configuration") and line == (
        f"{option} is given 2 times, and Snakemake would drop all but the last; allowed: once; "
        "put all that belongs to it behind one"
    )


@pytest.mark.parametrize(
    "words", ["--cores 2 --cores 3", "-q -q rules", "--configfile config/tiny.yaml config/paper.yaml"]
)
def test_what_loses_nothing_may_be_given_twice(words):
    command.read(words.split())


TWICE = "given, and the last would win; allowed: each key once; write one"


@pytest.mark.parametrize(
    ("entries", "line"),
    [
        (["seeds=2", "seeds=3"], f"--config seeds: 2, 3 {TWICE}"),
        (["ood={steps: 1}", "ood=3"], f"--config ood: {{steps: 1}}, 3 {TWICE}"),
        (["ood={steps: 1, steps: 2}"], "--config ood: line 1: steps stands already in line 1"),
    ],
)
def test_a_key_that_follows_config_twice_is_refused(entries, line):
    with pytest.raises(ConfigError) as caught:
        command.check([], [], entries)
    assert str(caught.value).split("\n")[1].startswith(line)
    command.check([], [], ["ood={steps: 1}", "ood={hidden: 2}", "seeds=010"])  # sections merge


def test_a_word_that_snakemake_does_not_take_is_told_in_its_words():
    with pytest.raises(SystemExit) as caught:
        command.read(["--nonsense"])
    assert caught.value.code == 2


def test_snakemake_itself_refuses_them_before_any_job(tmp_path):
    words = ["-n", "--directory", str(tmp_path), "--snakefile", str(ROOT / "workflow" / "Snakefile")]
    words += [
        "--configfile",
        "config/tiny.yaml",
        "--configfile",
        "config/paper.yaml",
        "--config",
        "seeds=2",
        "seeds=3",
        "--resources",
        "a=1",
        "--res",
        "b=1",
    ]
    done = subprocess.run([sys.executable, "-m", "snakemake", *words], cwd=ROOT, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "Traceback" not in said
    assert "\n3 faults in the configuration" in said and "\n--configfile is given 2 times" in said
