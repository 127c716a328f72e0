"""Which papers and studies there are, their jobs and times: `make list`, whose ARGS go to snakemake."""

import csv
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from featurelearning.evidence.studies import Study
from workflow.core import command, configuration, rooms

HEAD = ("ONLY=", "jobs", "core-minutes", "what it is")


def main(arguments: list[str]) -> None:
    """Print a line for each paper and study of the configuration that these arguments of Snakemake give."""
    remedy = "but this lists what a run would make; allowed: the arguments of a run; give those"
    command.require_run("list", arguments, remedy, but=("dryrun",))
    studies = rooms.declared(configuration.rooms())
    papers = dict.fromkeys(study.paper for study in studies.values())
    jobs = job_counts(graph([*papers, *studies], arguments))
    print(table(studies, jobs, {name: measured(study) for name, study in studies.items()}))


def graph(targets: Iterable[str], arguments: list[str]) -> dict:
    """Return Snakemake's graph of the jobs of some targets: nodes, and edges from a job to those that need it.

    Targets of which the configuration plans nothing are left out, one by one; ends as Snakemake does if it fails.
    """
    targets = list(targets)
    while targets:
        # Its edges are those of jobs that are to run, hence --forceall; nothing runs.
        command = [sys.executable, "-m", "snakemake", *targets, "--d3dag", "--forceall", *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        if not done.returncode:
            return json.loads(done.stdout[done.stdout.index('{"nodes"') :])
        said = ("{}: this configuration plans nothing of it", "No rule to produce {} ")
        unplanned = [name for name in targets if any(text.format(name) in done.stderr for text in said)]
        if not unplanned:
            raise SystemExit(done.stdout + done.stderr)
        targets = [name for name in targets if name not in unplanned]
    return {"nodes": [], "edges": []}


def job_counts(graph: dict) -> dict[str, int]:
    """Return the number of jobs that each target rule of a graph needs; a job that serves several counts for each."""
    needs = defaultdict(list)
    for link in graph["edges"]:
        needs[link["v"]].append(link["u"])
    ends = {
        node["id"]: node["value"]["rule"] for node in graph["nodes"] if not any(node["id"] in u for u in needs.values())
    }
    counts = {}
    for end, rule in ends.items():
        seen, waiting = set(), [*needs[end]]
        while waiting:
            job = waiting.pop()
            if job not in seen:
                seen.add(job)
                waiting += needs[job]
        counts[rule] = len(seen)
    return counts


def measured(study: Study) -> float | None:
    """Return the core-minutes of a study's own jobs in the last run, or None before there was one."""
    files = Path(f"results/benchmarks/{study.paper}/{study.name}").rglob("*.tsv")
    texts = [path.read_text(encoding="utf-8").splitlines() for path in files]
    seconds = [float(row["s"]) for text in texts for row in csv.DictReader(text, delimiter="\t")]
    return sum(seconds) / 60 if seconds else None


def table(studies: dict[str, Study], jobs: dict[str, int], minutes: dict[str, float | None]) -> str:
    """Return the table: a line for each paper, and below it one for each of its studies."""
    rows = [HEAD]
    for paper in dict.fromkeys(study.paper for study in studies.values()):
        own = [study for study in studies.values() if study.paper == paper]
        spent = [minutes[study.name] or study.core_minutes for study in own if study.name in jobs]
        about = "" if all(minutes[study.name] for study in own if study.name in jobs) else "about "
        rows.append((paper, str(jobs.get(paper, 0)), f"{about}{sum(spent):.0f}", f"{len(own)} studies"))
        for study in own:
            found = minutes[study.name]
            time = f"{found:.0f}" if found is not None else f"about {study.core_minutes:g}"
            planned = study.name in jobs
            rows.append(
                (f"  {study.name}", str(jobs[study.name]) if planned else "0", time if planned else "", study.title)
            )
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = ["  ".join([row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in (1, 2)), row[3]]) for row in rows]
    note = (
        "core-minutes: of the study's own jobs in the last run; `about`: at full size on an ordinary core, an estimate"
    )
    return "\n".join([*(line.rstrip() for line in lines), note])


if __name__ == "__main__":
    main(sys.argv[1:])
