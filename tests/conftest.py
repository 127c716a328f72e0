"""The run of config/tiny.yaml that the tests of the workflow and of its report share."""

import os
import shutil
import sys

import pytest
from filelock import FileLock

from repository import ROOT, reproduce

# The scripts and the tests of every paper, as modules.
sys.path[:0] = [str(folder) for place in ("scripts", "tests") for folder in (ROOT / place).iterdir() if folder.is_dir()]


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A copy of the repository in which tiny.yaml has run (`repository.reproduce`), one for all processes of pytest.

    It is only to be read: others copy it meanwhile.
    """
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    folder, failure = shared / "finished", shared / "failure.txt"
    with FileLock(shared / "finished.lock"):
        if not folder.exists() and (said := reproduce(folder)):
            failure.write_text(said, encoding="utf-8")
    assert not failure.exists(), failure.read_text(encoding="utf-8")
    return folder


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the finished repository that a test may change; it keeps Snakemake's own records."""
    return shutil.copytree(finished, tmp_path / "copy", symlinks=True)
