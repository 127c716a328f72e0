"""Images of MNIST with class patterns, and the three test sets read by closed-form readers."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from featurelearning.files import image_sets
from featurelearning.files.downloads import fetch_set
from featurelearning.preconditioning import images
from featurelearning.seeding import generator

CACHE = Path(__file__).parents[2] / ".cache" / "data" / "mnist"


@pytest.fixture(scope="module")
def mnist():
    """The real files, fetched into the repository's cache where they are missing."""
    fetch_set("mnist", CACHE, None, None)
    return image_sets.load("mnist", CACHE)


@pytest.fixture(scope="module")
def digits():
    return np.random.default_rng(7).integers(10, size=10_000).astype(np.uint8)


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
    pixels = rng.random((6, 784), dtype=np.float32)
    pixels[:, :400] = 0
    patterns = images.class_patterns(42, 0, 0.5)
    index = np.array([3, 0, 9, 9, 1, 4])
    before = pixels.copy(), patterns.copy()
    shown = images.compose(pixels, patterns, index)
    assert shown.dtype == np.float32 and shown.min() == 0 and shown.max() == 1
    for row, image in enumerate(pixels):
        expected = [min(max(x + float(z), 0), 1) for x, z in zip(image.tolist(), patterns[index[row]], strict=True)]
        np.testing.assert_allclose(shown[row], expected, atol=1e-7)
    np.testing.assert_array_equal(pixels, before[0])
    np.testing.assert_array_equal(patterns, before[1])


def test_compose_refuses_images_that_are_not_scaled():
    with pytest.raises(TypeError, match="images: dtype uint8; allowed: float32"):
        images.compose(np.zeros((1, 784), np.uint8), images.class_patterns(42, 0, 0.1), np.array([0]))


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
