"""The grid of the study of real data, and that it names the files which the scripts fetch and read."""

import pytest

from featurelearning.files import downloads, image_sets
from featurelearning.files.sets import SETS
from workflow.core.configuration import default, validate
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


def test_rules_fetch_the_files_that_scripts_read():
    named = {name: tuple(file.name for file in files) for name, (files, _) in downloads.COLLECTIONS.items()}
    named["mnist"] = tuple(file.name for file in downloads.MNIST_FILES)
    assert named == {name: found.files for name, found in SETS.items()}
    assert set(named) == set(image_sets.READERS) == set(SETS)
    assert named["cifar10"] == (image_sets.CIFAR10,) and named["svhn"] == image_sets.SVHN
