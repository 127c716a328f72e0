"""The command line of a run as Snakemake itself reads it, however its options are spelt.

python -m workflow.core.command run ARGUMENTS       Snakemake with these arguments and this machine's limits
python -m workflow.core.command after ARGUMENTS     after such a run: the report, if it was a run that has made all
python -m workflow.core.command report ARGUMENTS    the report
"""

import argparse
import contextlib
import io
import os
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from snakemake.cli import get_argument_parser, parse_args

from workflow.core import configuration, files
from workflow.core.configuration import ConfigError

ROOT = Path(__file__).resolve().parents[2]
REPORT = "results/report.html"
# One of these is there as soon as there is something to report.
MADE = ("results/*/*/claims.csv", "results/*/figures/*")
READ = (*MADE, "results/*/*/claims.html", "results/*/*.html", "results/costs.html")
CAPTIONS = "workflow/*/captions/*"
# Of Snakemake's options those with which it makes no result, and those with which it makes a part.
NO_RUN = (
    *("dryrun", "touch", "lint", "list_target_rules", "list_rules", "print_compilation", "containerize", "report"),
    *("reporter", "generate_unit_tests", "dag", "rulegraph", "filegraph", "d3dag", "unlock", "cleanup_metadata"),
    *("conda_cleanup_envs", "conda_create_envs_only", "list_conda_envs", "cleanup_shadow", "container_cleanup_images"),
    *("list_changes", "list_input_changes", "list_params_changes", "list_untracked", "summary", "detailed_summary"),
    *("archive", "delete_all_output", "delete_temp_output"),
)
PART = ("until", "omit_from", "batch")
ONE = (str, int, float, Path, type(None))  # of such values the last one is meant
TWICE = ("targets", "quiet")  # lists of which nothing is lost


class Counted(argparse.Namespace):
    """What a parser sets, and how often it sets each list."""

    def __init__(self) -> None:
        object.__setattr__(self, "lists", Counter())

    def __setattr__(self, name: str, value: object) -> None:
        first = not hasattr(self, name)  # the default, which every parser sets first
        super().__setattr__(name, value)
        self.lists[name] += not first and not isinstance(value, ONE) and name not in TWICE


def read(arguments: Sequence[str]) -> argparse.Namespace:
    """Return Snakemake's settings, those of its profiles among them.

    Ends with what Snakemake says of an argument that it does not take, or with a line for each fault of `check`.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):  # it says which profile it reads, as it will again
            settings = parse_args(list(arguments))[1]
    except SystemExit:
        print(said.getvalue(), end="", file=sys.stderr)
        raise
    try:
        check(arguments, settings.configfile, settings.config or ())
    except ConfigError as error:
        raise SystemExit(str(error)) from None
    return settings


def check(arguments: Sequence[str], configfiles: Iterable[Path], entries: Iterable[str]) -> None:
    """Raise ConfigError with a line for every fault of the files of configuration and of what follows --config.

    An option that is given twice is one.
    """
    configuration.check([*configuration.own_files(), *configfiles], [*repeated(arguments), *files.given(entries)])


def repeated(arguments: Sequence[str]) -> list[str]:
    """Return a line for each option with a list that is given twice: Snakemake takes the last one without a word."""
    found = Counted()
    get_argument_parser().parse_known_args(list(arguments), namespace=found)
    return [
        f"{option(name)} is given {count} times, and Snakemake would drop all but the last; allowed: once; "
        "put all that belongs to it behind one"
        for name, count in found.lists.items()
        if count > 1
    ]


def option(name: str) -> str:
    """Return how the option of a setting is spelt."""
    return f"--{name.replace('_', '-')}"


def no_run(settings: argparse.Namespace, but: Sequence[str] = ()) -> str | None:
    """Return the option with which Snakemake makes no result, if one is given that is not among some."""
    given = [] if settings.report_after_run else [name for name in NO_RUN if getattr(settings, name)]
    return next((option(name) for name in given if name not in but), None)


def require_run(who: str, arguments: Sequence[str], remedy: str, but: Sequence[str] = ()) -> argparse.Namespace:
    """Return the settings; ends with one line where an option of no run is given that is not among some."""
    settings = read(arguments)
    if given := no_run(settings, but):
        raise SystemExit(f"{who}: {given} given, {remedy}")
    return settings


def limits(settings: argparse.Namespace) -> list[str]:
    """Return this machine's limits as arguments: its cores, CORES of the environment, and one training on its GPU.

    What is given stays, and a run on a cluster has none: --cores would hold for all of it.
    """
    if settings.executor not in (None, "local"):
        return []
    own = [] if settings.resources else ["--resources", "gpu=1"]
    return own + ([] if settings.cores or settings.jobs else ["--cores", os.environ.get("CORES", "all")])


def become_snakemake(arguments: Sequence[str]) -> None:
    """Become Snakemake with these arguments, which are shown."""
    print(shlex.join(["snakemake", *arguments]), flush=True)
    os.execv(sys.executable, [sys.executable, "-m", "snakemake", *arguments])


def report(arguments: Sequence[str], settings: argparse.Namespace) -> None:
    """Become Snakemake that makes the report, where what it shows is newer than it."""
    folder = Path(settings.directory or ".")
    shown = [path for pattern in READ for path in folder.glob(pattern)] + [*ROOT.glob(CAPTIONS)]
    made = folder / REPORT
    if made.exists() and all(path.stat().st_mtime <= made.stat().st_mtime for path in shown):
        print(f"{made}: up to date")
        return
    # The profile names its style as seen from here, and Snakemake looks for it in the folder of the run.
    style = (
        ["--report-stylesheet", str(Path(settings.report_stylesheet).resolve())] if settings.report_stylesheet else []
    )
    become_snakemake(["--report", REPORT, *style, *arguments])


def main(verb: str, *arguments: str) -> None:
    """Do what a target of make asks for, see the head of this file."""
    try:
        with contextlib.redirect_stdout(io.StringIO() if verb == "after" else sys.stdout):
            settings = read(arguments)
    except SystemExit as end:  # --help has been told by the run
        if verb == "after" and not end.code:
            return
        raise
    there = any(path for pattern in MADE for path in Path(settings.directory or ".").glob(pattern))
    if verb == "run":
        become_snakemake([*limits(settings), *arguments])
    elif verb == "report" and not there:
        raise SystemExit("results: nothing is there yet: run make reproduce")
    elif verb == "report" or there and not (no_run(settings) or any(getattr(settings, name) for name in PART)):
        report(arguments, settings)


if __name__ == "__main__":
    main(*sys.argv[1:])
