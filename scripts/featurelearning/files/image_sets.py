"""Four sets of labelled images as one type: MNIST, Fashion-MNIST, CIFAR-10 and SVHN, read from their original files.

Colour images are laid out as in CIFAR-10: the red plane, then green, then blue, each row by row.
"""

import hashlib
import math
import pickle
import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.io import loadmat

from featurelearning.files.sets import SETS

CLASSES = 10  # of each set
SIDE = 28  # of an image in grey
PIXELS = SETS["cifar10"].pixels  # of an image in colour
UNSIGNED_BYTE = 8
REMEDY = "Remedy: delete the file and run the same command again, which fetches it anew."


class ImageSet(NamedTuple):
    """Images float32 [n, d], pixels 0..1; labels int64 [n], classes 0..9."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load(name: str, folder: Path) -> ImageSet:
    """Return the set of that name from the folder that holds its original files.

    Raises ValueError, naming file and remedy, for a file that is damaged or is another one, KeyError for another name.
    """
    train_images, train_labels, test_images, test_labels = READERS[name](folder)
    return ImageSet(
        train_images / np.float32(255),
        train_labels.astype(np.int64),
        test_images / np.float32(255),
        test_labels.astype(np.int64),
    )


def read_idx(path: Path) -> np.ndarray:
    """Return the array of unsigned bytes in an idx file: 0, 0, 8, number of dimensions; big-endian sizes; values.

    Raises ValueError, naming file and remedy, if the magic number or the file's length is wrong.
    """
    raw = np.fromfile(path, dtype=np.uint8)
    magic = raw[:4].tolist()
    if magic[:3] != [0, 0, UNSIGNED_BYTE] or len(magic) < 4 or magic[3] == 0:
        raise ValueError(
            f"{path}: starts with the bytes {magic}; an uncompressed idx file of unsigned bytes starts with "
            f"[0, 0, {UNSIGNED_BYTE}, number of dimensions]. {REMEDY}"
        )
    header = 4 + 4 * magic[3]
    shape = [int.from_bytes(raw[i : i + 4].tobytes(), "big") for i in range(4, header, 4)]
    if raw.size != header + math.prod(shape):
        raise ValueError(
            f"{path}: truncated or too long: {raw.size} bytes, but its header promises "
            f"{header + math.prod(shape)} for shape {shape}. {REMEDY}"
        )
    return raw[header:].reshape(shape)


def _read_pair(folder: Path, prefix: str) -> tuple[np.ndarray, np.ndarray]:
    images = read_idx(folder / f"{prefix}-images-idx3-ubyte")
    labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte")
    if images.shape != (len(labels), SIDE, SIDE) or labels.ndim != 1 or labels.max(initial=0) >= CLASSES:
        raise ValueError(
            f"{folder}/{prefix}-*: images of shape {images.shape} and labels of shape {labels.shape} up to "
            f"{labels.max(initial=0)}; expected (n, {SIDE}, {SIDE}) and (n,) up to {CLASSES - 1}. {REMEDY}"
        )
    return images.reshape(-1, SIDE * SIDE), labels


def read_mnist(folder: Path) -> tuple[np.ndarray, ...]:
    """Return training images uint8 [n, 784] and labels [n], then those of the test, from four idx files.

    Raises ValueError, naming file and remedy, for a file that is damaged or does not fit its partner.
    """
    return *_read_pair(folder, "train"), *_read_pair(folder, "t10k")


class ArrayUnpickler(pickle.Unpickler):
    """Unpickles arrays, lists, dictionaries, numbers and bytes; refuses every other class and function by name."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is asked for; allowed: arrays of numbers and plain values")
        return ALLOWED[module, name]


def dtype(code: bytes, align: int, copy: int) -> np.dtype:
    """Return the dtype that an array pickled by Python 2 asks for; its flags are integers, which NumPy warns of."""
    return np.dtype(code, align=bool(align), copy=bool(copy))


ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): dtype,
}


def read_cifar10(folder: Path) -> tuple[np.ndarray, ...]:
    """Return CIFAR-10's training images uint8 [n, 3072] and labels [n], then those of the test.

    The archive holds pickles, which can run code: nothing is unpickled unless its SHA-256 is the known one, and then
    arrays and plain values only. Source: the layout told at https://www.cs.toronto.edu/~kriz/cifar.html.
    """
    (known,) = SETS["cifar10"].files
    path = folder / known.name
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != known.sha256:
        raise ValueError(
            f"{path}: wrong SHA-256: expected {known.sha256}, got {found}; nothing of it was unpickled. {REMEDY}"
        )
    with tarfile.open(path) as archive:
        batches = [_batch(archive, f"data_batch_{i}") for i in range(1, 6)]
        return *map(np.concatenate, zip(*batches, strict=True)), *_batch(archive, "test_batch")


def _batch(archive: tarfile.TarFile, name: str) -> tuple[np.ndarray, np.ndarray]:
    with archive.extractfile(f"cifar-10-batches-py/{name}") as packed:
        batch = ArrayUnpickler(packed, encoding="bytes").load()
    pixels, labels = batch[b"data"], np.array(batch[b"labels"])
    return _checked(f"{archive.name}: {name}", pixels, labels)


def read_svhn(folder: Path) -> tuple[np.ndarray, ...]:
    """Return the cropped digits of SVHN: training images uint8 [n, 3072] and labels [n], then those of the test.

    The files are MATLAB's, version 5: X [row, column, colour, n], and y [n, 1] in which the digit 0 is 10.
    """
    result = []
    for name, *_ in SETS["svhn"].files:
        content = loadmat(folder / name, variable_names=("X", "y"))
        pixels = content["X"].transpose(3, 2, 0, 1)
        result += _checked(str(folder / name), pixels.reshape(len(pixels), -1), content["y"].ravel() % 10)
    return tuple(result)


def _checked(what: str, pixels: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if pixels.shape != (len(labels), PIXELS) or pixels.dtype != np.uint8 or not set(labels) <= set(range(10)):
        raise ValueError(
            f"{what}: images of shape {pixels.shape} and type {pixels.dtype}, labels of shape {labels.shape} up to "
            f"{labels.max(initial=0)}; expected (n, {PIXELS}), uint8 and (n,) up to 9. {REMEDY}"
        )
    return pixels, labels


READERS = dict(zip(SETS, (read_mnist, read_mnist, read_cifar10, read_svhn), strict=True))
