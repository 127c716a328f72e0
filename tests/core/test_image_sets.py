"""The four sets of images, from tiny files in the true formats: idx, Python 2's pickles in a tar archive, MATLAB 5."""

import hashlib
import io
import pickle
import pickletools
import tarfile
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from featurelearning.files import image_sets, sets
from featurelearning.files.downloads import fetch_set
from idx import write_idx

SIZES = {"train": 20, "test": 6}
CACHE = Path(__file__).parents[2] / ".cache" / "data" / "mnist"


class Python2(pickle._Pickler):
    """Pickles as Python 2 with NumPy 1 did: byte strings are its str, and the module of arrays has its old name."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_str(self, value: bytes) -> None:
        self.write(pickle.BINSTRING + len(value).to_bytes(4, "little") + value)

    def save_array(self, function: object) -> None:
        if function is np.empty(0).__reduce__()[0]:
            self.write(pickle.GLOBAL + b"numpy.core.multiarray\n_reconstruct\n")
        else:
            self.save_global(function)

    dispatch[bytes] = save_str
    dispatch[str] = lambda self, value: self.save_str(value.encode())
    dispatch[bool] = lambda self, value: self.save_long(int(value))
    dispatch[type(np.empty(0).__reduce__()[0])] = save_array


def python2(value: object) -> bytes:
    file = io.BytesIO()
    Python2(file, protocol=2).dump(value)
    return file.getvalue()


def planes(n: int, seed: int) -> tuple[np.ndarray, list[int]]:
    """Return images [n, colour, row, column] and labels, every class among them."""
    rng = np.random.default_rng(seed)
    return rng.integers(256, size=(n, 3, 32, 32), dtype=np.uint8), [(3 * i + seed) % 10 for i in range(n)]


def write_cifar10(folder: Path, batches: dict[str, bytes], monkeypatch) -> None:
    """Write the archive of the batches, and have its checksum be the known one."""
    (known,) = sets.SETS["cifar10"].files
    with tarfile.open(folder / known.name, "w:gz") as archive:
        for name, content in batches.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    found = known._replace(sha256=hashlib.sha256((folder / known.name).read_bytes()).hexdigest())
    monkeypatch.setitem(sets.SETS, "cifar10", sets.SETS["cifar10"]._replace(files=(found,)))


def cifar10(pixels: dict, labels: dict) -> dict[str, bytes]:
    batches = {f"data_batch_{i + 1}": ("train", slice(4 * i, 4 * i + 4)) for i in range(5)}
    batches["test_batch"] = ("test", slice(None))
    return {
        name: python2(
            {
                "batch_label": name,
                "labels": labels[split][rows],
                "data": pixels[split].reshape(-1, 3072)[rows],
                "filenames": ["some.png"] * len(labels[split][rows]),
            }
        )
        for name, (split, rows) in batches.items()
    }


def write_svhn(folder: Path, pixels: dict, labels: dict) -> None:
    for split, name in zip(SIZES, (file.name for file in sets.SETS["svhn"].files), strict=True):
        y = np.array([[label or 10] for label in labels[split]], np.uint8)
        savemat(folder / name, {"X": pixels[split].transpose(2, 3, 1, 0), "y": y}, format="5")


@pytest.fixture
def drawn():
    """Images and labels of both splits."""
    pairs = {split: planes(n, seed) for seed, (split, n) in enumerate(SIZES.items())}
    return [{split: pair[i] for split, pair in pairs.items()} for i in (0, 1)]


def assert_set(found: image_sets.ImageSet, pixels: dict, labels: dict) -> None:
    for split, n in SIZES.items():
        x, y = getattr(found, f"{split}_images"), getattr(found, f"{split}_labels")
        assert x.dtype == np.float32 and y.dtype == np.int64 and len(x) == len(y) == n
        np.testing.assert_array_equal(y, labels[split])
        wanted = [[value / 255 for value in image.ravel().tolist()] for image in pixels[split]]
        np.testing.assert_allclose(x, wanted, rtol=1e-7)


def test_cifar10_is_read_from_python_2s_pickles(tmp_path, drawn, monkeypatch):
    write_cifar10(tmp_path, cifar10(*drawn), monkeypatch)
    assert_set(image_sets.load("cifar10", tmp_path), *drawn)


def test_the_pickles_of_the_test_are_python_2s(drawn):
    content = cifar10(*drawn)["test_batch"]
    assert b"cnumpy.core.multiarray\n_reconstruct\n" in content and b"_codecs" not in content
    names = {opcode.name for opcode, _, _ in pickletools.genops(content)}
    assert "BINSTRING" in names and not {"BINUNICODE", "SHORT_BINBYTES", "NEWTRUE", "NEWFALSE"} & names


def test_svhn_has_the_layout_of_cifar10_and_its_ten_is_zero(tmp_path, drawn):
    write_svhn(tmp_path, *drawn)
    assert 0 in drawn[1]["train"]
    assert_set(image_sets.load("svhn", tmp_path), *drawn)


def write_mnist(folder: Path, n: int = 3, side: int = 28, n_labels: int | None = None, label: int = 7) -> Path:
    for prefix in ("train", "t10k"):
        write_idx(folder / f"{prefix}-images-idx3-ubyte", np.full((n, side, side), 200, np.uint8))
        write_idx(folder / f"{prefix}-labels-idx1-ubyte", np.full(n_labels or n, label, np.uint8))
    return folder


@pytest.mark.parametrize("shape", [(5,), (4, 3), (2, 3, 300)])
def test_idx_round_trip(tmp_path, shape):
    array = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
    found = image_sets.read_idx(write_idx(tmp_path / "file", array))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\x08", b"\0\0\x0d\1\0\0\0\0", b"\x1f\x8b\x08\0 gzip", b"\0\0\x08\0", b"<!DOCTYPE html>"]
)
def test_a_wrong_magic_number_is_refused(tmp_path, content):
    path = tmp_path / "train-labels-idx1-ubyte"
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        image_sets.read_idx(path)
    message = str(caught.value)
    assert str(path) in message and f"starts with the bytes {list(content[:4])}" in message
    assert "[0, 0, 8, number of dimensions]" in message and "delete the file and run the same command again" in message


@pytest.mark.parametrize("cut", [6, 16, 50, -1])
def test_a_truncated_file_is_refused(tmp_path, cut):
    path = write_idx(tmp_path / "t10k-images-idx3-ubyte", np.ones((2, 5, 7), np.uint8), cut=cut)
    with pytest.raises(ValueError) as caught:
        image_sets.read_idx(path)
    assert f"{path}: truncated or too long: {cut % 86} bytes, but its header promises" in str(caught.value)
    assert "delete the file and run the same command again" in str(caught.value)


def test_a_file_that_is_too_long_is_refused(tmp_path):
    path = write_idx(tmp_path / "file", np.ones(4, np.uint8))
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ValueError, match=r"too long: 13 bytes, but its header promises 12 for shape \[4\]"):
        image_sets.read_idx(path)


def test_load_flattens_images(tmp_path):
    data = image_sets.read_mnist(write_mnist(tmp_path))
    assert [array.shape for array in data] == [(3, 784), (3,), (3, 784), (3,)]
    assert all(array.dtype == np.uint8 for array in data)


@pytest.mark.parametrize("fault", [{"side": 27}, {"n_labels": 2}, {"label": 10}], ids=["side", "count", "label"])
def test_files_that_do_not_fit_each_other_are_refused(tmp_path, fault):
    with pytest.raises(ValueError, match=r"train-\*: images of shape .*; expected .* up to 9\. Remedy: delete"):
        image_sets.read_mnist(write_mnist(tmp_path, **fault))


def test_facts_about_mnist():
    """Of the real files, fetched into the repository's cache where they are missing."""
    fetch_set("mnist", CACHE, None, None)
    mnist = image_sets.load("mnist", CACHE)
    assert [array.shape for array in mnist] == [(60_000, 784), (60_000,), (10_000, 784), (10_000,)]
    assert mnist.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(mnist.train_labels).tolist() == counts
    assert (mnist.train_images.min(), mnist.train_images.max()) == (0, 1)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_mnist_and_fashion_mnist_are_read_alike(tmp_path, name):
    rng = np.random.default_rng(2)
    pixels = {split: rng.integers(256, size=(n, 28, 28), dtype=np.uint8) for split, n in SIZES.items()}
    labels = {split: rng.integers(10, size=n, dtype=np.uint8) for split, n in SIZES.items()}
    for split, prefix in {"train": "train", "test": "t10k"}.items():
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte", pixels[split])
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte", labels[split])
    assert_set(image_sets.load(name, tmp_path), pixels, labels)


def test_sets_that_may_form_a_pair_have_one_dimension(tmp_path, drawn, monkeypatch):
    write_cifar10(tmp_path, cifar10(*drawn), monkeypatch)
    write_svhn(tmp_path, *drawn)
    widths = {name: image_sets.load(name, tmp_path).test_images.shape[1] for name in ("cifar10", "svhn")}
    assert widths == {"cifar10": 3072, "svhn": 3072} and image_sets.PIXELS == 3072


def test_another_archive_is_refused_before_anything_is_unpickled(tmp_path, drawn, monkeypatch):
    known = sets.SETS["cifar10"]
    write_cifar10(tmp_path, cifar10(*drawn), monkeypatch)
    ((name, found, _),) = sets.SETS["cifar10"].files
    monkeypatch.setitem(sets.SETS, "cifar10", known)
    monkeypatch.setattr(image_sets, "ArrayUnpickler", None)
    with pytest.raises(ValueError) as caught:
        image_sets.load("cifar10", tmp_path)
    message = str(caught.value)
    assert f"wrong SHA-256: expected {known.files[0].sha256}, got {found}; nothing of it was unpickled" in message
    assert str(tmp_path / name) in message and "delete the file and run the same command" in message


class Harmful:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("make", [Harmful, lambda path: {"data": Harmful(path)}, lambda path: path])
def test_a_pickle_that_asks_for_more_than_arrays_is_refused_and_runs_nothing(tmp_path, drawn, monkeypatch, make):
    path = tmp_path / "harm"
    batches = cifar10(*drawn) | {"data_batch_1": pickle.dumps(make(path), protocol=2)}
    write_cifar10(tmp_path, batches, monkeypatch)
    with pytest.raises(pickle.UnpicklingError, match="is asked for; allowed: arrays of numbers and plain values"):
        image_sets.load("cifar10", tmp_path)
    assert not path.exists()


FAULTS = {
    "pixels": lambda batch: {**batch, "data": batch["data"][:, :-1]},
    "type": lambda batch: {**batch, "data": batch["data"].astype(np.int16)},
    "count": lambda batch: {**batch, "labels": batch["labels"][:-1]},
    "class": lambda batch: {**batch, "labels": [10, *batch["labels"][1:]]},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_batch_that_is_not_cifar10s_is_refused(tmp_path, drawn, monkeypatch, fault):
    pixels, labels = drawn
    batch = {"data": pixels["test"].reshape(-1, 3072), "labels": labels["test"]}
    write_cifar10(tmp_path, cifar10(*drawn) | {"test_batch": python2(FAULTS[fault](batch))}, monkeypatch)
    with pytest.raises(ValueError, match=r"gz: test_batch: images of shape .*; expected \(n, 3072\), uint8 and"):
        image_sets.load("cifar10", tmp_path)


def test_a_file_that_is_not_svhns_is_refused(tmp_path, drawn):
    pixels, labels = drawn
    write_svhn(tmp_path, {**pixels, "test": pixels["test"][..., :31]}, labels)
    with pytest.raises(ValueError, match=r"test_32x32.mat: images of shape \(6, 2976\).*delete the file"):
        image_sets.load("svhn", tmp_path)


def test_an_unknown_set_is_an_error(tmp_path):
    with pytest.raises(KeyError, match="imagenet"):
        image_sets.load("imagenet", tmp_path)
