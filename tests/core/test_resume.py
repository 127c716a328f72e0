"""What `make resume` stops, what it leaves alone, and when it refuses."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml

from featurelearning.files import atomic
from repository import ROOT
from workflow.core import resume

FAKE = """#!/usr/bin/env python3
import pathlib, sys
here = pathlib.Path(__file__).parent
jobs = (here / "jobs").read_text().splitlines()
if pathlib.Path(sys.argv[0]).name == "squeue":
    print(*jobs, sep="\\n", end="\\n" * bool(jobs))
else:
    (here / "jobs").write_text("\\n".join(job for job in jobs if job.split("|")[0] not in sys.argv[1:]))
"""


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A squeue and an scancel whose queue is a file of rows `id|name|folder`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("squeue", "scancel"):
        (folder / name).write_text(FAKE)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / resume.LOGS).mkdir(parents=True)
    return folder / "jobs"


def sleeper(folder: Path, *words: str) -> subprocess.Popen:
    """Start a process in a folder whose command line has these words."""
    folder.mkdir(exist_ok=True)
    code = "import time; print(flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", code, *words], cwd=folder, stdout=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    return process


def test_what_is_looked_for_is_what_the_profile_says():
    profile = yaml.safe_load((ROOT / "workflow/profiles/slurm/config.yaml").read_text(encoding="utf-8"))
    assert profile["slurm-jobname-prefix"] + "_" == resume.PREFIX and profile["slurm-logdir"] == resume.LOGS


def test_the_jobs_of_this_folder_are_cancelled_and_no_others(queue, tmp_path):
    others = [f"2|other_b|{tmp_path}", f"3|{resume.PREFIX}c|{tmp_path / 'elsewhere'}"]
    queue.write_text("\n".join([f"1|{resume.PREFIX}a|{tmp_path}", *others, f"14_2|{resume.PREFIX}a|{tmp_path}"]))
    assert resume.queued(tmp_path) == ["1", "14_2"]
    resume.stop_jobs(tmp_path)
    assert queue.read_text().splitlines() == others


def test_a_queue_that_does_not_answer_is_an_error(queue, tmp_path):
    with pytest.raises(SystemExit, match="(?s)squeue: .*No such file.* try again when SLURM is up"):
        resume.queued(tmp_path)


def test_a_folder_that_never_ran_on_slurm_asks_no_queue(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert resume.queued(tmp_path) == []


def test_scripts_of_this_folder_are_stopped_and_no_others(queue, tmp_path):
    queue.write_text("")
    here, there = (sleeper(tmp_path / name, ".snakemake/scripts/tmp.train_images.py") for name in ("here", "there"))
    try:
        resume.stop_jobs(tmp_path / "here")
        assert not psutil.pid_exists(here.pid) and there.poll() is None
    finally:
        for process in (here, there):
            process.kill()
            process.wait()


def test_a_process_is_found_by_its_folder_under_any_name(tmp_path):
    """As in a container, where the folder is mounted at another place: here through a link."""
    alive = sleeper(tmp_path / "here", "snakemake")
    (tmp_path / "link").symlink_to(tmp_path / "here")
    try:
        assert [process.pid for process, _ in resume.processes(tmp_path / "link")] == [alive.pid]
        assert list(resume.processes(tmp_path)) == []
    finally:
        alive.kill()
        alive.wait()


def test_a_job_that_has_just_ended_is_no_error(queue, tmp_path, monkeypatch):
    queue.write_text("")
    gone = sleeper(tmp_path / "here")
    process = psutil.Process(gone.pid)
    gone.kill()
    gone.wait()
    monkeypatch.setattr(resume, "processes", lambda folder: [(process, [".snakemake/scripts/tmp.py"])])
    resume.stop_jobs(tmp_path)


def test_a_run_on_another_machine_may_be_alive(queue, tmp_path, monkeypatch):
    queue.write_text(f"1|{resume.PREFIX}a|{tmp_path}")
    (tmp_path / resume.RUN).write_text("login7\n")
    monkeypatch.setattr(sys, "argv", ["resume.py", "--cores", "2", "--directory", str(tmp_path)])
    with pytest.raises(SystemExit) as caught:
        resume.main()
    message = str(caught.value)
    assert message.startswith(f"resume: the last run of {tmp_path} was started on login7 and may be alive there")
    assert message.endswith(f"run this there, or, if that machine is gone, first: rm {tmp_path / resume.RUN}")
    assert resume.queued(tmp_path) == ["1"]
    (tmp_path / resume.RUN).write_text(socket.gethostname())
    assert resume.begun_elsewhere(tmp_path) is None


def test_jobs_that_do_not_end_are_an_error(queue, tmp_path, monkeypatch):
    (queue.parent / "scancel").write_text("#!/bin/sh\n")
    queue.write_text(f"1|{resume.PREFIX}a|{tmp_path}")
    monkeypatch.setattr(resume, "PATIENCE", 0)
    with pytest.raises(SystemExit, match="do not end; see `squeue --me` and `ps`, then try again"):
        resume.stop_jobs(tmp_path)


def test_a_run_that_is_alive_is_not_disturbed(queue, tmp_path, monkeypatch):
    queue.write_text(f"1|{resume.PREFIX}a|{tmp_path}")
    alive = sleeper(tmp_path, "snakemake")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["resume.py", "--cores", "2"])
    monkeypatch.setattr(resume, "is_run", lambda command: command[-1:] == ["snakemake"])
    try:
        with pytest.raises(SystemExit) as caught:
            resume.main()
        assert f"a run is alive in {tmp_path} (process {alive.pid}); allowed: none" in str(caught.value)
        assert str(caught.value).endswith(f"stop it first: kill {alive.pid}")
        assert resume.queued(tmp_path) == ["1"] and alive.poll() is None
    finally:
        alive.kill()
        alive.wait()


def test_what_was_half_written_is_removed_and_nothing_else(tmp_path):
    kept = [tmp_path / "results" / name for name in (".run", "noise.nc", ".hidden.nc", "data/a.nc")]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    with atomic.whole(tmp_path / "results/data/a.nc") as temporary:
        temporary.write_text("half")
        temporary.with_name(temporary.name.replace("a.nc", "b.nc")).write_text("half")
    resume.remove_half_written(tmp_path)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)


@pytest.mark.parametrize(
    ("argument", "given"), [("-n", "--dryrun"), ("-np", "--dryrun"), ("--summary", "--summary"), ("--touch", "--touch")]
)
def test_what_is_no_run_is_refused_and_stops_nothing(queue, tmp_path, monkeypatch, argument, given):
    queue.write_text(f"1|{resume.PREFIX}a|{tmp_path}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["resume.py", "--cores", "2", argument])
    with pytest.raises(SystemExit, match=f"resume: {given} given, .* to see what is left: make status"):
        resume.main()
    assert resume.queued(tmp_path) == ["1"]


@pytest.mark.parametrize(
    "command, run",
    [
        (["python3", "/a/.venv/bin/snakemake", "--cores", "2"], True),
        (["/a/python3", "-m", "snakemake", "--profile", "workflow/profiles/slurm"], True),
        (["python", "-u", "-m", "snakemake", "-c1"], True),
        (["python3.12", "-um", "snakemake"], True),
        (["/a/python3.11", "-X", "dev", "-W", "ignore", "-Wdefault", "-m", "snakemake"], True),
        (["python", "-Xdev", "-msnakemake"], True),
        (["python", "-I", "-B", "/a/.venv/bin/snakemake", "-n"], True),
        (["python", "--check-hash-based-pycs=never", "-m", "snakemake.__main__"], True),
        (["/a/.venv/bin/snakemake", "--directory", "elsewhere"], True),
        (["pypy3", "-m", "snakemake"], True),
        (["python", "-c", "import time", "snakemake"], False),
        (["python", "-X", "snakemake", "other.py"], False),
        (["python", "-m", "pytest", "snakemake"], False),
        (["python", "-m"], False),
        (["python", "-"], False),
        (["python"], False),
        (["python3", "-u", "-m", "snakemake", "--cores", "all", "--mode", "remote"], False),
        (["python3", "-m", "snakemake", "--cores", "all", "--mode", "remote"], False),
        (["python3", "-m", "workflow.core.resume", "--profile", "workflow/profiles/slurm"], False),
        (["make", "resume", "ARGS=snakemake"], False),
        (["vim", "notes", "on", "snakemake"], False),
        ([], False),
    ],
)
def test_a_run_is_told_from_a_job_and_from_other_commands(command, run):
    assert resume.is_run(command) is run
