"""The sets of labelled images that there are: their files and sizes, free of imports, since the workflow reads them.

MNIST: LeCun, Cortes and Burges, 60 000 + 10 000 images of 28 x 28 pixels, CC BY-SA 3.0.
Fashion-MNIST: Xiao, Rasul and Vollgraf (Zalando), in MNIST's sizes and format, MIT.
CIFAR-10: Krizhevsky, 50 000 + 10 000 images of 32 x 32 pixels in three colours.
SVHN, cropped digits: Netzer et al., 73 257 + 26 032 images of 32 x 32 pixels in three colours.
"""

from typing import NamedTuple


class File(NamedTuple):
    """A data file: its name, the SHA-256 of its content, and that of the .gz which a mirror serves, where known."""

    name: str
    sha256: str
    gz_sha256: str | None = None


class Images(NamedTuple):
    """A set's original files, the number of its training images, and the pixels of one."""

    files: tuple[File, ...]
    train: int
    pixels: int


SETS = {
    "mnist": Images(
        (
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
        ),
        60_000,
        28 * 28,
    ),
    "fashion_mnist": Images(
        (
            File("train-images-idx3-ubyte", "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
            File("train-labels-idx1-ubyte", "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
            File("t10k-images-idx3-ubyte", "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
            File("t10k-labels-idx1-ubyte", "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
        ),
        60_000,
        28 * 28,
    ),
    "cifar10": Images(
        (File("cifar-10-python.tar.gz", "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"),),
        50_000,
        3 * 32 * 32,
    ),
    "svhn": Images(
        (
            File("train_32x32.mat", "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8"),
            File("test_32x32.mat", "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b"),
        ),
        73_257,
        3 * 32 * 32,
    ),
}
