"""Original files in folders as people have them: as they come, and as torchvision, Keras and Kaggle lay them."""

import functools
import gzip
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pooch

from featurelearning.files.sets import File

PACKED = ("", ".gz")
SPOILT = (OSError, EOFError, LookupError, ValueError, zipfile.BadZipFile, zlib.error)
# The arrays of Keras' file of MNIST, and what they hold.
ARRAYS = {
    "train-images-idx3-ubyte": "x_train",
    "train-labels-idx1-ubyte": "y_train",
    "t10k-images-idx3-ubyte": "x_test",
    "t10k-labels-idx1-ubyte": "y_test",
}


class Layout(NamedTuple):
    """Where below a folder the files of a set may lie, and a file of arrays that may stand for all of them."""

    places: tuple[str, ...] = (".",)
    arrays: str | None = None


LAYOUTS = {
    "mnist": Layout((".", "raw", "MNIST/raw", "mnist"), "mnist.npz"),
    "fashion_mnist": Layout((".", "raw", "FashionMNIST/raw", "fashion-mnist", "fashion_mnist")),
    "cifar10": Layout((".", "cifar10", "cifar-10")),
    "svhn": Layout((".", "svhn", "SVHN")),
}
AS_THEY_COME = Layout()
# Names that others give to a file of the same content.
ALIASES = {"cifar-10-python.tar.gz": ("cifar-10-batches-py.tar.gz", "cifar-10-batches-py-target_archive")}


def names(file: File) -> tuple[str, ...]:
    """Return the names that a file has with those who keep it, without .gz; the last is a folder of its name."""
    dotted = file.name.replace("-idx", ".idx")
    return tuple(dict.fromkeys((file.name, dotted, *ALIASES.get(file.name, ()), f"{file.name}/{file.name}")))


def from_folder(place: str, files: Sequence[File], scratch: Path, layout: Layout = AS_THEY_COME) -> None:
    """Copy the files from a local folder that holds them plain or as .gz, under one of the names and places known.

    Of several candidates the one whose content is right is taken. Raises FileNotFoundError that names all names tried.
    """
    folder = Path(place)
    if not folder.is_dir():
        raise FileNotFoundError("there is no such folder")
    missing = [file for file in files if next(_candidates(folder, file, layout), None) is None]
    if missing:
        raise FileNotFoundError(_told(missing, folder, layout))
    for file in files:
        target, wrong = scratch / file.name, []
        for write in _candidates(folder, file, layout):
            try:
                write(target)
            except SPOILT as error:
                wrong.append((write, error))
                continue
            if pooch.file_hash(str(target), alg="sha256") == file.sha256:
                break
            wrong.append((write, None))
        else:  # the first one is told
            wrong[0][0](target)


def _candidates(folder: Path, file: File, layout: Layout) -> Iterator[functools.partial]:
    for place in layout.places:
        for name in names(file):
            for end in PACKED:
                path = folder / place / f"{name}{end}"
                if path.is_file():
                    yield functools.partial(unpack if end else shutil.copyfile, path)
        if layout.arrays and file.name in ARRAYS and (path := folder / place / layout.arrays).is_file():
            yield functools.partial(as_idx, path, ARRAYS[file.name])


def _told(missing: Sequence[File], folder: Path, layout: Layout) -> str:
    tried = [name for file in missing for name in names(file)] + [layout.arrays] * bool(layout.arrays)
    text = (
        f"{', '.join(file.name for file in missing)}: not there; tried, plain and as .gz: {', '.join(tried)}; in "
        f"{', '.join(layout.places)} of the folder"
    )
    unpacked = [name for file in missing for name in ALIASES.get(file.name, ()) if _has(folder, layout, name)]
    return text + (
        f"; {unpacked[0].removesuffix('.tar.gz')} is the archive unpacked, whose files have no known checksum: put the "
        "archive itself beside it"
        if unpacked
        else ""
    )


def _has(folder: Path, layout: Layout, archive: str) -> bool:
    return any((folder / place / archive.removesuffix(".tar.gz")).is_dir() for place in layout.places)


def unpack(archive: Path, target: Path) -> None:
    """Write what a .gz holds."""
    with gzip.open(archive) as packed, target.open("wb") as plain:
        shutil.copyfileobj(packed, plain)


def as_idx(path: Path, name: str, target: Path) -> None:
    """Write an array of unsigned bytes out of an .npz file in the format of MNIST, which has the original's checksum.

    That is 0, 0, 8, the number of dimensions, their sizes as big-endian integers, the values. Raises KeyError where the
    array is not there, ValueError where it holds other numbers than 0 to 255.
    """
    with np.load(path, allow_pickle=False) as arrays:
        found = arrays[name]
    bytes_ = found.astype(np.uint8)
    if not np.array_equal(bytes_, found):
        raise ValueError(f"{path}: {name} holds {found.dtype} beyond 0 to 255; allowed: unsigned bytes")
    header = bytes([0, 0, 8, found.ndim]) + struct.pack(f">{found.ndim}I", *found.shape)
    target.write_bytes(header + bytes_.tobytes())
