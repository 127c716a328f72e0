"""Go on after a run that was killed: stop what it has left running, unlock the folder, run the same command again.

    make resume
    make resume ARGS="--profile workflow/profiles/slurm"

Snakemake alone, told to unlock and to run again, would start jobs that are still in a cluster's queue a second time.
"""

import contextlib
import getpass
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from workflow.core import command

PREFIX = "featurelearning_"  # slurm-jobname-prefix in workflow/profiles/slurm
LOGS = "results/logs/slurm"  # slurm-logdir there: a folder that has it has run on SLURM
RUN = "results/.run"  # names the machine of a run that has not come to its end; written by common.smk
HALF_WRITTEN = re.compile(r"\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.")  # names that atomic.py writes to
PYTHON = re.compile(r"(?i)(python|pypy)[0-9.]*(\.exe)?")
# Of Python, one that takes a value behind others that take none.
OPTION = re.compile(r"(?s)-(?:[^-mcWX]*([mcWX])(.*)|.*)")
PATIENCE = 120  # seconds for what was left to end; a job that trains saves its state first


def processes(folder: Path) -> Iterator[tuple[psutil.Process, list[str]]]:
    """Yield the processes that work in a folder, whatever it is called where they run, with their command lines."""
    for process in psutil.process_iter():
        try:
            link = Path(f"/proc/{process.pid}/cwd")  # is the folder itself; its name is that of a container
            if (link if link.exists() else Path(process.cwd())).samefile(folder):
                yield process, process.cmdline()
        except (psutil.Error, OSError):  # another user's, or just ended
            continue


def is_run(command: list[str]) -> bool:
    """Return whether a command is a run of Snakemake, and not a job of one."""
    return program(command) in ("snakemake", "snakemake.__main__") and "--mode" not in command


def program(command: list[str]) -> str:
    """Return what a command runs: the module or the script of a Python with any options, or else the program."""
    name, *words = command or [""]
    if not PYTHON.fullmatch(Path(name).name):
        return Path(name).name
    while words and words[0].startswith("-"):
        option, value = OPTION.fullmatch(words.pop(0)).groups()
        if option and not value and words:
            value = words.pop(0)
        if option in ("m", "c"):
            return value if option == "m" else ""
    return Path(words[0]).name if words else ""


def is_job(command: list[str]) -> bool:
    """Return whether a command is a script that Snakemake has started."""
    return any(".snakemake/scripts/" in word for word in command)


def queued(folder: Path) -> list[str]:
    """Return the SLURM jobs of this folder that wait or run; none where it has never run on SLURM."""
    if not (folder / LOGS).is_dir():
        return []
    command = ["squeue", "--noheader", f"--user={getpass.getuser()}", "--format=%i|%j|%Z"]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode:
        raise SystemExit(
            f"squeue: {answer.stderr.strip()}; it must say which jobs are left: try again when SLURM is up"
        )
    rows = [line.split("|", 2) for line in answer.stdout.splitlines()]
    return [job for job, name, place in rows if name.startswith(PREFIX) and Path(place) == folder]


def stop_jobs(folder: Path) -> None:
    """Stop the jobs that a killed run has left, on this machine and in SLURM's queue, and wait until they are gone."""
    here = [process for process, command in processes(folder) if is_job(command)]
    for process in here:
        with contextlib.suppress(psutil.NoSuchProcess):  # it ends by itself when it loses its Snakemake
            process.terminate()
    if jobs := queued(folder):
        subprocess.run(["scancel", *jobs], check=True)
    if here or jobs:
        print(f"resume: stopping {len(here)} jobs here and {len(jobs)} in SLURM's queue", file=sys.stderr)
    deadline = time.monotonic() + PATIENCE
    while psutil.wait_procs(here, timeout=0)[1] or queued(folder):
        if time.monotonic() > deadline:
            raise SystemExit(f"resume: jobs of {folder} do not end; see `squeue --me` and `ps`, then try again")
        time.sleep(1)


def remove_half_written(folder: Path) -> None:
    """Remove the temporary files of jobs that were killed while they wrote; none is alive now."""
    for path in (folder / "results").rglob(".*"):
        if HALF_WRITTEN.match(path.name):
            path.unlink()


def begun_elsewhere(folder: Path) -> str | None:
    """Return the machine on which a run of a folder was started and has not ended, if it is not this one."""
    path = folder / RUN
    host = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    return host if host not in ("", socket.gethostname()) else None


def main() -> None:
    """Stop what was left, unlock, and become the run that the arguments ask for."""
    arguments = sys.argv[1:]
    remedy = (
        "but this stops jobs and unlocks a folder; allowed: the arguments of a run; to see what is left: make status"
    )
    settings = command.require_run("resume", arguments, remedy)
    folder = Path(settings.directory or ".").resolve()
    if host := begun_elsewhere(folder):
        raise SystemExit(
            f"resume: the last run of {folder} was started on {host} and may be alive there, which cannot be seen from "
            f"{socket.gethostname()}; run this there, or, if that machine is gone, first: rm {folder / RUN}"
        )
    if running := [str(process.pid) for process, command in processes(folder) if is_run(command)]:
        raise SystemExit(
            f"resume: a run is alive in {folder} (process {', '.join(running)}); allowed: none, since this stops its "
            f"jobs; wait for it, or stop it first: kill {' '.join(running)}"
        )
    stop_jobs(folder)
    remove_half_written(folder)
    subprocess.run([sys.executable, "-m", "snakemake", "--unlock", *arguments], check=True)
    command.become_snakemake([*command.limits(settings), *arguments])


if __name__ == "__main__":
    main()
