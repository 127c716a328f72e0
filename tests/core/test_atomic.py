"""Files written whole or not at all, on disks that are full or may not be written."""

import os
import subprocess

import pytest

from featurelearning.files import atomic
from repository import require


@pytest.fixture
def disk(tmp_path):
    """A disk of its own, one MiB large, and a function that makes it read-only."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True)
    require(mounted.returncode == 0, "a small disk cannot be mounted here (not root): a full disk was not tried")
    yield place, lambda: subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    subprocess.run(["umount", place], check=True)


def write(path, size: int) -> None:
    with atomic.whole(path) as temporary:
        temporary.write_bytes(b"x" * size)


def test_folders_are_made_and_a_file_replaces_another(tmp_path):
    for size in (3, 4):
        write(tmp_path / "a" / "b" / "file", size)
    assert (tmp_path / "a/b/file").stat().st_size == 4 and os.listdir(tmp_path / "a/b") == ["file"]


def test_a_full_disk_is_named_with_the_room_that_is_left(disk):
    place, _ = disk
    write(place / "file", 1000)
    with pytest.raises(atomic.WriteError) as caught:
        write(place / "file", 2**21)
    message = str(caught.value)
    assert message.startswith(f"{place / 'file'}: cannot be written (OSError: [Errno 28] No space left on device); ")
    assert f"0.0 MiB are free in {place}; allowed: a folder that can be written, with room; make room or " in message
    assert (place / "file").stat().st_size == 1000 and os.listdir(place) == ["file"]


def test_so_is_a_folder_that_may_not_be_written(disk):
    place, make_read_only = disk
    make_read_only()
    with pytest.raises(atomic.WriteError) as caught:
        write(place / "new" / "file", 1)
    message = str(caught.value)
    assert message.startswith(f"{place / 'new' / 'file'}: cannot be written (OSError: [Errno 30] Read-only file system")
    assert f"1.0 MiB are free in {place}" in message


@pytest.mark.parametrize("error", [KeyError("x"), KeyboardInterrupt(), SystemExit(1)])
def test_other_errors_pass_and_leave_nothing(tmp_path, error):
    with pytest.raises(type(error)), atomic.whole(tmp_path / "file") as temporary:
        temporary.write_text("half")
        raise error
    assert os.listdir(tmp_path) == []
