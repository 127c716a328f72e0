"""The log of a job: what is printed, the error with its traceback, and progress."""

import pytest

import joblog


def test_print_goes_to_the_log(tmp_path, capsys):
    with joblog.to(tmp_path / "log"):
        print("hello")
    assert (tmp_path / "log").read_text() == "hello\n" and capsys.readouterr().out == ""


def test_an_error_is_logged_with_its_traceback_and_fails_the_job(tmp_path):
    with pytest.raises(SystemExit), joblog.to(tmp_path / "log"):
        raise ValueError("wrong key")
    text = (tmp_path / "log").read_text()
    assert "Traceback" in text and text.endswith("ValueError: wrong key\n")


def test_progress_prints_a_line_per_tenth(capsys):
    report = joblog.progress(1000, "arm")
    for step in range(0, 1001, 10):
        report(step)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "arm: step 0 of 1000" and lines[-1] == "arm: step 1000 of 1000" and len(lines) == 11
