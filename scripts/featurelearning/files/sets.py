"""The sets of labelled images that there are: their files and sizes, free of imports, since the workflow reads them."""

from typing import NamedTuple


class Images(NamedTuple):
    """The names of a set's original files, the number of its training images, and the pixels of one."""

    files: tuple[str, ...]
    train: int
    pixels: int


IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
CIFAR10 = "cifar-10-python.tar.gz"
SVHN = ("train_32x32.mat", "test_32x32.mat")
SETS = {
    "mnist": Images(IDX, 60_000, 28 * 28),
    "fashion_mnist": Images(IDX, 60_000, 28 * 28),
    "cifar10": Images((CIFAR10,), 50_000, 3 * 32 * 32),
    "svhn": Images(SVHN, 73_257, 3 * 32 * 32),
}
