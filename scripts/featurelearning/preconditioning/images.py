"""MNIST with class patterns: digits carry the high-variance feature, small fixed patterns the low-variance one.

An image of class c is shown as clip(image + pattern[c], 0, 1). Three test sets tell what a model reads: they differ
in the labels and in which pattern lies over which digit (Yoshida & Nitanda 2025, arXiv 2509.25637, experiment E2).
"""

from typing import NamedTuple

import numpy as np

from featurelearning.files.image_sets import CLASSES, ImageSet
from featurelearning.files.sets import SETS
from featurelearning.seeding import generator

_, TRAIN_IMAGES, PIXELS = SETS["mnist"]


class OodSet(NamedTuple):
    """What a test set asks of each image: labels int64 [n], and pattern_index int64 [n], the pattern laid over it."""

    labels: np.ndarray
    pattern_index: np.ndarray


def class_patterns(master: int, seed: int, scale: float) -> np.ndarray:
    """Return one pattern per class, N(0, scale^2) independently per pixel: float32 [10, 784]."""
    normal = generator(master, "patterns", seed).standard_normal((CLASSES, PIXELS))
    return (scale * normal).astype(np.float32)


def split(
    master: int, seed: int, n_train: int, n_validation: int, n_images: int = TRAIN_IMAGES, section: str = "ood"
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the training and of the validation images, drawn at random without replacement.

    Both are int64, [n_train] and [n_validation]. They are cut from the front of one permutation of all n_images rows,
    so that another n_validation leaves the training rows as they are. Raises ValueError, naming the keys of the
    section, if there are too few images.
    """
    if n_train + n_validation > n_images:
        raise ValueError(
            f"{section}.samples_train + {section}.samples_validation: {n_train} + {n_validation} exceed the {n_images} "
            f"training images; lower one of them"
        )
    rows = generator(master, "split", seed).permutation(n_images)
    return rows[:n_train], rows[n_train : n_train + n_validation]


def compose(images: np.ndarray, patterns: np.ndarray, pattern_index: np.ndarray) -> np.ndarray:
    """Return clip(images + patterns[pattern_index], 0, 1): float32 [n, 784].

    Shapes: images float32 [n, 784], pixels 0..1, patterns float32 [10, 784], pattern_index integers [n].
    Raises TypeError for images of another type: bytes 0..255 are not scaled here.
    """
    if images.dtype != np.float32:
        raise TypeError(f"images: dtype {images.dtype}; allowed: float32 (pixels 0..1, as image_sets.load gives them)")
    shown = patterns[pattern_index]
    shown += images
    return np.clip(shown, 0, 1, out=shown)


def ood_sets(digits: np.ndarray, master: int, seed: int) -> dict[str, OodSet]:
    """Return the three test sets over images that show the given digits (integers [n]).

    in_distribution: label = pattern = digit. flipped_noise: label = digit, patterns swapped in pairs (0-1, 2-3, ...),
    so the digit is invariant and the pattern spurious. flipped_digits: label uniformly random and pattern = label, so
    the pattern is invariant and the digit spurious. The labels are random in this last set only.

    The random labels come from the first child of the generator of the class patterns: reproducible for each
    (master, seed), and independent of the patterns however many numbers those take.
    """
    digits = digits.astype(np.int64)
    child = generator(master, "patterns", seed).spawn(1)[0]
    random_labels = child.integers(CLASSES, size=len(digits))
    return {
        "in_distribution": OodSet(digits, digits),
        "flipped_noise": OodSet(digits, digits ^ 1),
        "flipped_digits": OodSet(random_labels, random_labels),
    }


def drawn(source: ImageSet, of_seed, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a seed's images of the source [n, d] and their labels int64 [n], with class patterns where it has them.

    of_seed: the data set of one seed, with the rows of the training set in {name}_index, and patterns. name: train or
    validation.
    """
    rows = of_seed[f"{name}_index"].values
    images, labels = source.train_images[rows], source.train_labels[rows]
    return (compose(images, of_seed["pattern"].values, labels) if "pattern" in of_seed else images), labels
