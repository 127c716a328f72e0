"""The run of config/tiny.yaml that the tests of the workflow and of its report share."""

import shutil

import pytest

from repository import copy_of_repository, snakemake


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A copy of the repository in which tiny.yaml has run."""
    folder = copy_of_repository(tmp_path_factory.mktemp("repository"))
    done = snakemake(folder)
    assert done.returncode == 0, done.stderr[-6000:]
    return folder


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the finished repository that a test may change; it keeps Snakemake's own records."""
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    return folder
