"""The grid of the study of real data, and that it names the files which the scripts fetch and read."""

from pathlib import Path

import pytest

from workflow.core.configuration import default, validate
from workflow.core.grid import image_files
from workflow.preconditioning import grid, real_grid


@pytest.fixture
def raw():
    return default()


def test_default_grid(raw):
    cfg = validate(raw)
    assert len(real_grid.arms(cfg)) == 7 and len(real_grid.tuned_files(cfg)) == 2 * 7
    assert "results/preconditioning/real/tune/mnist/sigma_empirical_p-1.00.nc" in real_grid.tuned_files(cfg)
    assert len(real_grid.evaluated_files(cfg)) == len(set(real_grid.evaluated_files(cfg))) == 2 * 7
    name = "results/preconditioning/real/evaluate/fashion_mnist_to_mnist/sigma_empirical_p+0.50/seeds0000-0009.nc"
    assert name in real_grid.evaluated_files(cfg)
    trained = real_grid.trained_files(cfg)
    assert trained["results/preconditioning/real/train/mnist/sigma_empirical_p+0.50/seeds0000-0009.nc"] == 10
    assert sum(trained.values()) == 2 * 7 * cfg.seeds


def test_a_source_of_two_pairs_is_trained_once(raw):
    raw["real"]["pairs"] = [["svhn", "cifar10"]]
    one = real_grid.trained_files(validate(raw))
    raw["real"]["pairs"] = [["svhn", "cifar10"], ["cifar10", "svhn"], ["mnist", "fashion_mnist"]]
    many = validate(raw)
    assert set(one) < set(real_grid.trained_files(many))
    assert len(real_grid.tuned_files(many)) == 3 * 7 == len(real_grid.evaluated_files(many))


def test_without_pairs_there_is_no_study(raw):
    raw["real"]["pairs"] = []
    cfg = validate(raw)
    for files in (real_grid.tuned_files, real_grid.evaluated_files, real_grid.trained_files):
        assert not files(cfg)


def test_tuning_seeds_are_the_studys_own(raw):
    raw["real"]["tuning_seeds"] = [3000]
    cfg = validate(raw)
    assert real_grid.seeds(cfg, grid.TUNING) == [3000] and grid.seeds(cfg, grid.TUNING) == [1000, 1001]
    assert real_grid.seeds(cfg, "seeds0010-0012") == [10, 11, 12]


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
