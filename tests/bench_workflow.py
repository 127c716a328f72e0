"""How long Snakemake takes to plan the default configuration, against a bare Snakefile with as many jobs in chains.

Both are timed in alternation in one run, so that they compare on a noisy machine; run by hand, or by `make bench`.
"""

import re
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REPEATS = 3
STAGES = ("data", "covariance", "train", "evaluate")
BAR = 1.6
RULE = 'rule {name}:\n    {input}\n    output:\n        "{name}/{{chain}}.nc",\n    script:\n        "empty.py"\n\n\n'
ENDS = """rule aggregate:
    input:
        collect("evaluate/{{chain}}.nc", chain=range({chains})),
    output:
        "aggregate.nc",
    script:
        "empty.py"


rule all:
    default_target: True
    input:
        "aggregate.nc",
        collect("data/{{chain}}.nc", chain=range({chains}, {chains} + {rest})),
"""


def bare(jobs: int) -> str:
    """Return a Snakefile of so many jobs: chains of STAGES, one job that gathers them, `all`, and data for the rest.

    Its rules have an input, an output and a script, and nothing else.
    """
    chains, rest = divmod(jobs - 2, len(STAGES))
    text = RULE.format(name=STAGES[0], input="input: []")
    for before, name in zip(STAGES, STAGES[1:], strict=False):
        text += RULE.format(name=name, input=f'input:\n        "{before}/{{chain}}.nc",')
    return text + ENDS.format(chains=chains, rest=rest)


def dry_run(snakefile: Path) -> tuple[float, str]:
    """Return the processor seconds of a dry-run in an empty folder, and what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "snakemake", "-n", "--scheduler", "greedy", "--quiet", "rules"]
        command += ["--snakefile", str(snakefile), "--directory", folder]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{snakefile}: no dry-run: {(done.stdout + done.stderr)[-2000:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def job_count(snakefile: Path) -> int:
    """Return the number of jobs of a Snakefile whose results are not there."""
    return int(re.search(r"^total +(\d+)", dry_run(snakefile)[1], re.MULTILINE)[1])


def row() -> tuple[str, str, str]:
    """Return a row of `make bench`: the medians of both, and their ratio.

    The time is the processor's, which other programs on the machine hardly change; a dry-run hardly waits.
    """
    ours = ROOT / "workflow" / "Snakefile"
    jobs = job_count(ours)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "Snakefile"
        plain.write_text(bare(jobs), encoding="utf-8")
        plain.with_name("empty.py").touch()
        if (found := job_count(plain)) != jobs:
            raise RuntimeError(f"the bare Snakefile has {found} jobs instead of {jobs}")
        pairs = [(dry_run(ours)[0], dry_run(plain)[0]) for _ in range(REPEATS)]
    here, there = map(statistics.median, zip(*pairs, strict=True))
    value = f"{here / there:.2f} x ({here:.2f} s over {there:.2f} s, {jobs} jobs)"
    return "dry-run of the default over that of a bare Snakefile", value, f"<= {BAR} x"


if __name__ == "__main__":
    print("  ".join(row()))
