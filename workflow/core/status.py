"""Which files are done, stale, missing, begun or failed, rule by rule: `make status`, whose ARGS go to snakemake."""

import csv
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

STATES = ("done", "stale", "missing", "begun", "failed")
WORKFLOW = Path(__file__).parent
SHOWN = 5  # files named of each state
NOTES = {
    "missing": "missing",
    "begun": "begun (a log but no result: it runs now, was killed, or the result was removed)",
    "failed": "failed (with the log that says why)",
}


def main(arguments: list[str]) -> None:
    """Print the state of the files that Snakemake would make with these arguments; ends as it does if it fails."""
    command = ["snakemake", "--summary", *arguments]
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    print(report(parse(done.stdout), shlex.join(command)))


def parse(text: str) -> list[dict[str, str]]:
    """Return the rows of `snakemake --summary`, an output file each, in the order of the rules."""
    rows = csv.DictReader(text[text.index("output_file\t") :].splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    order = {rule: i for i, rule in enumerate(rules())}
    return sorted(rows, key=lambda row: (order[row["rule"]], row["output_file"]))


def rules() -> list[str]:
    """Return the names of all rules as the Snakefile includes them, which is from data to results."""
    files = re.findall(r'^include: "(.+)"', (WORKFLOW / "Snakefile").read_text(encoding="utf-8"), re.MULTILINE)
    texts = [(WORKFLOW / file).read_text(encoding="utf-8") for file in files]
    return [name for text in texts for name in re.findall(r"^(?:rule|use rule \w+ as) (\w+)", text, re.MULTILINE)]


def report(rows: list[dict[str, str]], command: str) -> str:
    """Return the table of states by rule, and below it the files that need attention."""
    states = [state(row) for row in rows]
    text = [table([row["rule"] for row in rows], states)]
    for name, note in NOTES.items():
        files = [described(row) for row, found in zip(rows, states, strict=True) if found == name]
        text += ["", f"{note}:", *files[:SHOWN]] if files else []
        text += [f"and {len(files) - SHOWN} more"] if len(files) > SHOWN else []
    stale = f"stale files, with the reason, are those to be updated in: {command}"
    return "\n".join([*text, *(["", stale] if "stale" in states else [])])


def state(row: dict[str, str]) -> str:
    """Return the state of one output file: from its row, and where there is no file from its log."""
    if row["status"] != "missing":
        return "done" if (row["status"], row["plan"]) == ("ok", "no update") else "stale"
    log = written_log(row)
    if log is None:
        return "missing"
    return "failed" if "Traceback" in log.read_text(encoding="utf-8", errors="replace") else "begun"


def written_log(row: dict[str, str]) -> Path | None:
    """Return the log of a missing file's job if there is one; Snakemake names only the logs of files that exist."""
    output, logs = Path(row["output_file"]), Path("results/logs")
    candidates = [logs / f"{row['rule']}.log", logs / row["rule"] / f"{output.stem}.log"]
    if output.is_relative_to("results"):
        candidates.append(logs / output.relative_to("results").with_suffix(".log"))
    return next((path for path in candidates if path.is_file()), None)


def table(rules: Iterable[str], states: Iterable[str]) -> str:
    """Return how many files of each rule are in each state, and of all rules together."""
    counts = Counter(zip(rules, states, strict=True))
    names = list(dict.fromkeys(rule for rule, _ in counts))
    rows = [[name, *(counts[name, found] for found in STATES)] for name in names]
    rows.append(["all", *(sum(row[i] for row in rows) for i in range(1, len(STATES) + 1))])
    lines = [["files of rule", *STATES, "total"], *([*row, sum(row[1:])] for row in rows)]
    return "\n".join(f"{first:<24}" + "".join(f"{cell:>9}" for cell in rest) for first, *rest in lines)


def described(row: dict[str, str]) -> str:
    """Return a file that is not there, and its log if it has one."""
    log = written_log(row)
    return f"  {row['output_file']}" + (f"  {log}" if log else "")


if __name__ == "__main__":
    main(sys.argv[1:])
