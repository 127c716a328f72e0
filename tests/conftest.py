"""What all tests share: the run of config/tiny.yaml, the order of the files, one thread for each process of pytest."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from repository import ROOT, reproduce, require

# Rule scripts are no package, and each paper's tests have helpers of their own.
sys.path[:0] = [
    str(path) for floor in ("scripts", "tests") for path in sorted((ROOT / floor).iterdir()) if path.is_dir()
]

# Files that take minutes come first, so that they do not end last where files run side by side: Slurm's wait more than
# they compute, and the kills wait for the finished copy. Other files that need the copy come when it is likely there.
FIRST = ("test_slurm.py", "test_kills.py")
SIDE_BY_SIDE = "PYTEST_XDIST_WORKER" in os.environ

if SIDE_BY_SIDE:  # before torch is imported
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items):
    waiting = {item.path for item in items if "finished" in item.fixturenames}

    def place(item) -> int:
        name = item.path.name
        return FIRST.index(name) if name in FIRST else len(FIRST) + (item.path in waiting)

    items.sort(key=place)


def common(tmp_path_factory) -> Path:
    """Return the folder of temporary files that all processes of pytest share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if SIDE_BY_SIDE else own


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A copy of the repository in which tiny.yaml has run (`repository.reproduce`), one for all processes of pytest.

    It is only to be read: others copy it meanwhile. Its path has a blank and an umlaut, as people's have.
    """
    shared = common(tmp_path_factory)
    folder, failure = shared / "fertig ü" / "repo", shared / "failure.txt"
    with FileLock(shared / "finished.lock"):
        if not folder.exists() and (said := reproduce(folder)):
            failure.write_text(said, encoding="utf-8")
    assert not failure.exists(), failure.read_text(encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """A folder in which the C++ of the two-layer network is built, one for all processes of pytest."""
    from featurelearning.networks import two_layer_kernels  # torch, only now

    folder = common(tmp_path_factory) / "compiled"
    with FileLock(f"{folder}.lock"):
        require(two_layer_kernels.build(folder), "no C++ compiler, g++ or clang++: what it builds was not tried")
    return folder


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the finished repository that a test may change; it keeps Snakemake's own records."""
    return shutil.copytree(finished, tmp_path / "copy", symlinks=True)
