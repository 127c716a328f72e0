"""Images: the idx format, MNIST's known facts, class patterns and the three test sets read by closed-form readers."""

import struct
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from featurelearning.files import image_sets
from featurelearning.files.downloads import fetch_mnist
from featurelearning.preconditioning import images
from featurelearning.seeding import generator

CACHE = Path(__file__).parents[2] / ".cache" / "data" / "mnist"


def write_idx(path: Path, array: np.ndarray, magic: bytes | None = None, cut: int | None = None) -> Path:
    """Write the idx format from its description: magic, big-endian sizes, bytes in C order."""
    magic = magic or bytes([0, 0, 8, array.ndim])
    path.write_bytes((magic + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes())[:cut])
    return path


def write_mnist(folder: Path, n: int = 3, side: int = 28, n_labels: int | None = None, label: int = 7) -> Path:
    for prefix in ("train", "t10k"):
        write_idx(folder / f"{prefix}-images-idx3-ubyte", np.full((n, side, side), 200, np.uint8))
        write_idx(folder / f"{prefix}-labels-idx1-ubyte", np.full(n_labels or n, label, np.uint8))
    return folder


@pytest.fixture(scope="module")
def mnist():
    """The real files, fetched into the repository's cache where they are missing."""
    fetch_mnist(CACHE, None)
    return image_sets.load_mnist(CACHE)


@pytest.fixture(scope="module")
def digits():
    return np.random.default_rng(7).integers(10, size=10_000).astype(np.uint8)


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
    data = image_sets.load_mnist(write_mnist(tmp_path))
    assert [array.shape for array in data] == [(3, 784), (3,), (3, 784), (3,)]
    assert all(array.dtype == np.uint8 for array in data)


@pytest.mark.parametrize("fault", [{"side": 27}, {"n_labels": 2}, {"label": 10}], ids=["side", "count", "label"])
def test_files_that_do_not_fit_each_other_are_refused(tmp_path, fault):
    with pytest.raises(ValueError, match=r"train-\*: images of shape .*; expected .* up to 9\. Remedy: delete"):
        image_sets.load_mnist(write_mnist(tmp_path, **fault))


def test_facts_about_mnist(mnist):
    assert [array.shape for array in mnist] == [(60_000, 784), (60_000,), (10_000, 784), (10_000,)]
    assert mnist.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(mnist.train_labels).tolist() == counts
    assert (mnist.train_images.min(), mnist.train_images.max()) == (0, 255)


def test_patterns_are_normal_reproducible_and_drawn_per_seed():
    patterns = images.class_patterns(42, 0, 0.1)
    assert patterns.shape == (10, 784) and patterns.dtype == np.float32
    assert stats.kstest(patterns.ravel() / 0.1, "norm").pvalue > 0.01
    # Correlation of two independent patterns over 784 pixels has the standard deviation 1/28.
    assert np.abs(np.corrcoef(patterns.astype(np.float64)) - np.eye(10)).max() < 4.5 / 28
    np.testing.assert_array_equal(patterns, images.class_patterns(42, 0, 0.1))
    for other in (images.class_patterns(42, 1, 0.1), images.class_patterns(43, 0, 0.1)):
        assert not np.isclose(patterns, other).all(axis=1).any()
    np.testing.assert_allclose(images.class_patterns(42, 0, 0.3), 3 * patterns, rtol=1e-6)


def test_split_is_disjoint_random_and_reproducible():
    train, validation = images.split(42, 0, 1200, 1200)
    rows = np.concatenate([train, validation])
    assert (len(train), len(validation)) == (1200, 1200)
    assert len(np.unique(rows)) == 2400 and rows.min() >= 0 and rows.max() < 60_000
    assert stats.kstest(rows / 60_000, "uniform").pvalue > 0.01
    np.testing.assert_array_equal(train, images.split(42, 0, 1200, 1200)[0])
    assert len(np.intersect1d(train, images.split(42, 1, 1200, 1200)[0])) < 60


def test_another_validation_size_leaves_the_training_rows():
    np.testing.assert_array_equal(images.split(42, 3, 50, 10)[0], images.split(42, 3, 50, 400)[0])


def test_split_can_take_every_image_and_no_more():
    train, validation = images.split(42, 0, 6, 4, n_images=10)
    assert sorted([*train, *validation]) == list(range(10))
    with pytest.raises(ValueError, match="ood.samples_train .*: 6 [+] 5 exceed the 10 training images; lower one"):
        images.split(42, 0, 6, 5, n_images=10)


def test_compose_against_a_plain_loop():
    rng = np.random.default_rng(1)
    pixels = rng.integers(256, size=(6, 784), dtype=np.uint8)
    pixels[:, :400] = 0
    patterns = images.class_patterns(42, 0, 0.5)
    index = np.array([3, 0, 9, 9, 1, 4])
    before = pixels.copy(), patterns.copy()
    shown = images.compose(pixels, patterns, index)
    assert shown.dtype == np.float32 and shown.min() == 0 and shown.max() == 1
    for row, image in enumerate(pixels):
        expected = [
            min(max(x / 255 + float(z), 0), 1) for x, z in zip(image.tolist(), patterns[index[row]], strict=True)
        ]
        np.testing.assert_allclose(shown[row], expected, atol=1e-7)
    np.testing.assert_array_equal(pixels, before[0])
    np.testing.assert_array_equal(patterns, before[1])


def test_compose_refuses_images_that_are_scaled_already():
    with pytest.raises(TypeError, match="images: dtype float32; allowed: uint8"):
        images.compose(np.zeros((1, 784), np.float32), images.class_patterns(42, 0, 0.1), np.array([0]))


def reader_accuracies(sets: dict[str, images.OodSet], cue) -> dict[str, float]:
    """Accuracy of the reader that answers, for each cue, the commonest label of that cue in distribution."""
    known = sets["in_distribution"]
    answer = [np.bincount(known.labels[cue(known) == value]).argmax() for value in range(10)]
    return {name: np.mean(np.array(answer)[cue(asked)] == asked.labels) for name, asked in sets.items()}


@pytest.mark.parametrize("seed", range(3))
def test_a_reader_of_patterns_alone(digits, seed):
    found = reader_accuracies(images.ood_sets(digits, 42, seed), lambda asked: asked.pattern_index)
    assert found == {"in_distribution": 1, "flipped_noise": 0, "flipped_digits": 1}


@pytest.mark.parametrize("seed", range(3))
def test_a_reader_of_digits_alone(digits, seed):
    found = reader_accuracies(images.ood_sets(digits, 42, seed), lambda asked: digits)
    assert found["in_distribution"] == 1 and found["flipped_noise"] == 1
    # Binomial with 10 000 draws: four standard deviations are 0.012.
    assert found["flipped_digits"] == pytest.approx(0.1, abs=0.012)


def test_the_test_sets_follow_their_definition(digits):
    sets = images.ood_sets(digits, 42, 0)
    partner = {0: 1, 1: 0, 2: 3, 3: 2, 4: 5, 5: 4, 6: 7, 7: 6, 8: 9, 9: 8}
    np.testing.assert_array_equal(sets["flipped_noise"].pattern_index, [partner[digit] for digit in digits.tolist()])
    np.testing.assert_array_equal(sets["flipped_noise"].labels, digits)
    np.testing.assert_array_equal(sets["in_distribution"].labels, digits)
    table = np.zeros((10, 10))
    np.add.at(table, (digits, sets["flipped_digits"].labels), 1)
    assert stats.chi2_contingency(table).pvalue > 0.01
    assert all(array.dtype == np.int64 for asked in sets.values() for array in asked)


def test_random_labels_are_reproducible_and_drawn_per_seed(digits):
    labels = images.ood_sets(digits, 42, 0)["flipped_digits"].labels
    np.testing.assert_array_equal(labels, images.ood_sets(digits, 42, 0)["flipped_digits"].labels)
    others = [images.ood_sets(digits, *key)["flipped_digits"].labels for key in [(42, 1), (43, 0)]]
    stream_of_the_patterns = generator(42, "patterns", 0).integers(10, size=len(digits))
    for other in [*others, stream_of_the_patterns]:
        assert np.mean(labels == other) == pytest.approx(0.1, abs=0.012)


def test_patterns_can_be_read_from_real_images_wherever_they_lie(mnist):
    patterns = images.class_patterns(42, 0, 0.1)
    background = np.flatnonzero(mnist.test_images.max(axis=0) == 0)
    for asked in images.ood_sets(mnist.test_labels, 42, 0).values():
        shown = images.compose(mnist.test_images[:200], patterns, asked.pattern_index[:200])
        # Where no digit is, the picture is the pattern's positive part.
        distance = [np.abs(shown[:, background] - np.maximum(p[background], 0)).sum(axis=1) for p in patterns]
        np.testing.assert_array_equal(np.argmin(distance, axis=0), asked.pattern_index[:200])
