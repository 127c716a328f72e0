"""The log of a job: what is printed, the error with its traceback, and progress."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from featurelearning.files import joblog

SCRIPTS = Path(joblog.__file__).parent


def test_print_goes_to_the_log(tmp_path, capsys):
    with joblog.to(tmp_path / "log"):
        print("hello")
    assert (tmp_path / "log").read_text() == "hello\n" and capsys.readouterr().out == ""


def test_an_error_is_logged_with_its_traceback_and_fails_the_job(tmp_path):
    with pytest.raises(SystemExit), joblog.to(tmp_path / "log"):
        raise ValueError("wrong key")
    text = (tmp_path / "log").read_text()
    assert "Traceback" in text and text.endswith("ValueError: wrong key\n")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has ended")
def test_a_job_ends_with_the_process_that_started_it(tmp_path):
    script = tmp_path / "job.py"
    text = f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); import joblog, os, time\n"
    script.write_text(
        text + f"with joblog.to({str(tmp_path / 'log')!r}):\n    print(os.getpid())\n    time.sleep(600)\n"
    )
    starter = f"import subprocess, sys; subprocess.run([sys.executable, {str(script)!r}])"
    parent = subprocess.Popen([sys.executable, "-c", starter])
    deadline = time.monotonic() + 60
    while not ((tmp_path / "log").exists() and (tmp_path / "log").read_text().endswith("\n")):
        assert time.monotonic() < deadline, "the job never began"
        time.sleep(0.05)
    job = psutil.Process(int((tmp_path / "log").read_text()))
    parent.kill()
    parent.wait()
    job.wait(timeout=60)


def test_progress_begins_anew_with_the_next_part_of_a_batch(capsys):
    report = joblog.progress(10, "arm")
    for step in (0, 10, 0, 10):
        report(step)
    assert capsys.readouterr().out.splitlines() == ["arm: step 0 of 10", "arm: step 10 of 10"] * 2


def test_progress_prints_a_line_per_tenth(capsys):
    report = joblog.progress(1000, "arm")
    for step in range(0, 1001, 10):
        report(step)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "arm: step 0 of 1000" and lines[-1] == "arm: step 1000 of 1000" and len(lines) == 11
