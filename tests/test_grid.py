"""From a configuration to arms, shards and files."""

from pathlib import Path

import pytest
import yaml

import grid
from model import validate

ROOT = Path(__file__).parents[1]


@pytest.fixture
def raw():
    return yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))


def test_default_grid_is_the_papers(raw):
    cfg = validate(raw)
    assert len(grid.noise_arms(cfg)) == 4 * 7  # estimators x exponents
    assert len(grid.noise_files(cfg, "train")) == 2 * 7 * (4 + 3)  # cases x exponents x (SNRs, and three at SNR 1)
    assert len(grid.transfer_files(cfg)) == 2 * 28
    assert [arm.id for arm in grid.ood_arms(cfg)][:4] == ["sgd", "momentum", "adam", "sigma_empirical_p-2.00"]
    population = [cell for cell in grid.cells(cfg) if cell[0].estimator == "population"]
    assert len(population) * cfg.seeds == 560


def test_file_names_carry_every_parameter(raw):
    cfg = validate(raw)
    files = [*grid.noise_files(cfg, "train"), *grid.noise_files(cfg, "evaluate"), *grid.transfer_files(cfg)]
    files += [*grid.ood_files(cfg), *grid.theory_files(cfg)]
    assert len(set(files)) == len(files)
    assert "results/noise/train/sigma_population_p-0.50/High_snr0.50_seeds0000-0009.nc" in files


def test_more_seeds_add_shards_and_touch_none(raw):
    few = validate(raw | {"seeds": 40})
    many = validate(raw | {"seeds": 50})
    assert set(grid.shards(few)) < set(grid.shards(many))
    assert set(grid.shards(many)) - set(grid.shards(few)) == {"seeds0040-0049"}
    assert set(grid.noise_files(few, "train")) < set(grid.noise_files(many, "train"))


@pytest.mark.parametrize(
    ("seeds", "size", "names"),
    [
        (10, 10, ["seeds0000-0009"]),
        (3, 2, ["seeds0000-0001", "seeds0002-0002"]),
        (11, 10, ["seeds0000-0009", "seeds0010-0010"]),
    ],
)
def test_shards(raw, seeds, size, names):
    cfg = validate(raw | {"seeds": seeds, "seeds_per_shard": size})
    assert list(grid.shards(cfg)) == names
    assert sum(grid.shards(cfg).values(), []) == list(range(seeds))


def test_one_more_exponent_adds_arms_only(raw):
    cfg = validate(raw)
    more = validate(raw | {"exponents": [*raw["exponents"], 2]})
    assert set(grid.arms(cfg)) < set(grid.arms(more))


def test_tuning_seeds_are_no_result_seeds(raw):
    cfg = validate(raw)
    assert grid.seeds(cfg, grid.TUNING) == [1000, 1001]
    assert grid.TUNING not in grid.shards(cfg)


def test_constraint_matches_exactly():
    import re

    pattern = grid.any_of(["p+1.00", "p-1.00", "a"])
    assert all(re.fullmatch(pattern, name) for name in ("p+1.00", "p-1.00", "a"))
    assert not any(re.fullmatch(pattern, name) for name in ("p+1x00", "pp1.00", "b"))
