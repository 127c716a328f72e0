"""The grid of the studies of images, and that it names the files which the scripts fetch and read."""

from pathlib import Path

import pytest

from workflow.core.configuration import default, validate
from workflow.core.grid import TUNING, image_files
from workflow.preconditioning import image_grid


@pytest.fixture
def raw():
    return default()


def test_default_grid(raw):
    cfg = validate(raw)
    assert len(image_grid.arms(cfg, "real")) == 7 and len(image_grid.tuned_files(cfg, "real")) == 2 * 7
    assert "results/preconditioning/real/tune/mnist/sigma_empirical_p-1.00.nc" in image_grid.tuned_files(cfg, "real")
    assert len(image_grid.evaluated_files(cfg, "real")) == len(set(image_grid.evaluated_files(cfg, "real"))) == 2 * 7
    name = "results/preconditioning/real/evaluate/fashion_mnist_to_mnist/sigma_empirical_p+0.50/seeds0000-0009.nc"
    assert name in image_grid.evaluated_files(cfg, "real")
    trained = image_grid.trained_files(cfg, "real")
    assert trained["results/preconditioning/real/train/mnist/sigma_empirical_p+0.50/seeds0000-0009.nc"] == 10
    assert sum(trained.values()) == 2 * 7 * cfg.seeds


def test_a_source_of_two_pairs_is_trained_once(raw):
    raw["real"]["pairs"] = [["svhn", "cifar10"]]
    one = image_grid.trained_files(validate(raw), "real")
    raw["real"]["pairs"] = [["svhn", "cifar10"], ["cifar10", "svhn"], ["mnist", "fashion_mnist"]]
    many = validate(raw)
    assert set(one) < set(image_grid.trained_files(many, "real"))
    assert len(image_grid.tuned_files(many, "real")) == 3 * 7 == len(image_grid.evaluated_files(many, "real"))


def test_without_pairs_there_is_no_study(raw):
    raw["real"]["pairs"] = []
    cfg = validate(raw)
    for files in (image_grid.tuned_files, image_grid.evaluated_files, image_grid.trained_files):
        assert not files(cfg, "real") and files(cfg, "ood")


def test_tuning_seeds_are_the_studys_own(raw):
    raw["real"]["tuning_seeds"] = [3000]
    cfg = validate(raw)
    assert image_grid.seeds(cfg, "real", TUNING) == [3000]
    assert image_grid.seeds(cfg, "ood", TUNING) == [1000, 1001]
    assert image_grid.seeds(cfg, "real", "seeds0010-0012") == [10, 11, 12]


def test_each_set_may_come_from_a_folder_and_has_one_key(raw):
    raw["ood"]["folder"], raw["real"]["folders"] = "digits", {"svhn": "numbers", "cifar10": None}
    assert validate(raw).image_folders() == {
        "mnist": ("ood.folder", "digits"),
        "fashion_mnist": ("real.folders.fashion_mnist", None),
        "cifar10": ("real.folders.cifar10", None),
        "svhn": ("real.folders.svhn", "numbers"),
    }


def test_rules_fetch_the_files_that_scripts_read(raw):
    cfg = validate(raw | {"data_cache": "cache"})
    assert image_files(cfg, "svhn") == ["cache/svhn/train_32x32.mat", "cache/svhn/test_32x32.mat"]
    found = [Path(path).name for path in image_files(cfg, "mnist")]
    assert found == [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
