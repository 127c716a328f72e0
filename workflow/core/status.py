"""Which files are done, stale, missing, begun or failed, rule by rule: `make status`, whose ARGS go to snakemake."""

import csv
import graphlib
import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from workflow.core import command

STATES = ("done", "stale", "missing", "begun", "failed")
SHOWN = 5  # files named of each state
RUNS = 1000  # whose logs are read, the newest of Snakemake's; on a cluster each job has one
PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
# Of Snakemake's log: what it says when a job begins, and when one fails.
BLOCK = re.compile(
    r"^(Error in )?(?:local)?(?:rule|checkpoint) \w+:\n(?:    (?!output: ).*\n)*    output: (.*)$", re.MULTILINE
)
NOTES = {
    "missing": "missing",
    "begun": "begun (a log but no result: it runs now, was killed, or the result was removed)",
    "failed": "failed (with the log that says why)",
}


def main(arguments: list[str]) -> None:
    """Print the state of the files that Snakemake would make with these arguments; ends as it does if it fails."""
    remedy = "but this says what a run has made; allowed: the arguments of a run; give those"
    settings = command.require_run("status", arguments, remedy, but=("dryrun",))
    both = [["snakemake", option, *arguments] for option in ("--summary", "--rulegraph")]
    started = [subprocess.Popen([sys.executable, "-m", *command], **PIPES) for command in both]
    answers = [process.communicate() for process in started]
    for process, answer in zip(started, answers, strict=True):
        if process.returncode:
            raise SystemExit("".join(answer))
    rows = parse(answers[0][0], order(answers[1][0]))
    os.chdir(settings.directory or ".")
    if settings.directory:
        print(f"in {settings.directory}:")
    print(report(rows, shlex.join(both[0]), failures(Path(".snakemake/log"))))


def order(graph: str) -> list[str]:
    """Return the rules of Snakemake's graph of rules, each behind those whose files it reads."""
    names = dict(re.findall(r'^\s*(\d+)\[label = "(\w+)', graph, re.MULTILINE))
    needs = {name: [] for name in names.values()}
    for needed, by in re.findall(r"^\s*(\d+) -> (\d+)", graph, re.MULTILINE):
        if names[needed] != names[by]:
            needs[names[by]].append(names[needed])
    return list(graphlib.TopologicalSorter(needs).static_order())


def parse(text: str, rules: list[str]) -> list[dict[str, str]]:
    """Return the rows of `snakemake --summary`, an output file each, in the order of the rules; others come last."""
    rows = csv.DictReader(text[text.index("output_file\t") :].splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    places = {rule: i for i, rule in enumerate(rules)}
    return sorted(rows, key=lambda row: (places.get(row["rule"], len(places)), row["rule"], row["output_file"]))


def failures(logs: Path) -> dict[str, Path]:
    """Return the outputs of jobs that failed when they last ran, each with the log of that run of Snakemake.

    Nothing else tells of a job that failed before it could open its own log, such as one whose script does not import.
    """
    failed = {}
    for path in sorted(logs.glob("*.log"))[-RUNS:]:
        for error, outputs in BLOCK.findall(path.read_text(encoding="utf-8", errors="replace")):
            for output in (re.sub(r" \([^()]*\)$", "", each) for each in outputs.split(", ")):
                failed.pop(output, None)
                failed |= {output: path} if error else {}
    return failed


def report(rows: list[dict[str, str]], command: str, failed: Mapping[str, Path]) -> str:
    """Return the table of states by rule, and below it the files that need attention."""
    states = [state(row, failed) for row in rows]
    text = [table([row["rule"] for row in rows], states)]
    for name, note in NOTES.items():
        files = [described(row, failed) for row, found in zip(rows, states, strict=True) if found == name]
        text += ["", f"{note}:", *files[:SHOWN]] if files else []
        text += [f"and {len(files) - SHOWN} more"] if len(files) > SHOWN else []
    stale = f"stale files, with the reason, are those to be updated in: {command}"
    return "\n".join([*text, *(["", stale] if "stale" in states else [])])


def state(row: dict[str, str], failed: Mapping[str, Path]) -> str:
    """Return the state of one output file: from its row, and where there is no file from the logs."""
    if row["status"] != "missing":
        return "done" if (row["status"], row["plan"]) == ("ok", "no update") else "stale"
    log = written_log(row)
    if row["output_file"] in failed or tells_an_error(log):
        return "failed"
    return "begun" if log else "missing"


def tells_an_error(log: Path | None) -> bool:
    """Return whether a job's log ends in an error; it is empty where the script came to nothing."""
    return log is not None and "Traceback" in log.read_text(encoding="utf-8", errors="replace")


def written_log(row: dict[str, str]) -> Path | None:
    """Return the log of a missing file's job if there is one; Snakemake names only the logs of files that exist.

    It lies below results/logs where the file lies below results, under the name of the file or of the rule; for files
    elsewhere it has the rule's name.
    """
    output, logs = Path(row["output_file"]), Path("results/logs")
    candidates = [logs / f"{row['rule']}.log"]
    if output.is_relative_to("results"):
        place = logs / output.relative_to("results")
        candidates = [place.with_suffix(".log"), place.with_name(f"{row['rule']}.log"), *candidates]
    return next((path for path in candidates if path.is_file()), None)


def table(rules: Iterable[str], states: Iterable[str]) -> str:
    """Return how many files of each rule are in each state, and of all rules together."""
    counts = Counter(zip(rules, states, strict=True))
    names = list(dict.fromkeys(rule for rule, _ in counts))
    rows = [[name, *(counts[name, found] for found in STATES)] for name in names]
    rows.append(["all", *(sum(row[i] for row in rows) for i in range(1, len(STATES) + 1))])
    lines = [["files of rule", *STATES, "total"], *([*row, sum(row[1:])] for row in rows)]
    return "\n".join(f"{first:<24}" + "".join(f"{cell:>9}" for cell in rest) for first, *rest in lines)


def described(row: dict[str, str], failed: Mapping[str, Path]) -> str:
    """Return a file that is not there, and the log that says most of it: of its job, or of Snakemake's run."""
    own, whole = written_log(row), failed.get(row["output_file"])
    log = own if tells_an_error(own) or not whole else whole
    return f"  {row['output_file']}" + (f"  {log}" if log else "")


if __name__ == "__main__":
    main(sys.argv[1:])
