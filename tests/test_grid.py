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
    by_covariance = [arm for arm in grid.noise_arms(cfg) if arm.method == "sigma_power"]
    assert len(by_covariance) == 4 * 7  # estimators x exponents
    files = [path for path in grid.synthetic_files(cfg, "noise", "train") if "/sigma_" in path]
    assert len(files) == 2 * 7 * (4 + 3)  # cases x exponents x (SNRs, and three at SNR 1)
    assert len([path for path in grid.transfer_files(cfg) if "/sigma_" in path]) == 2 * 28
    assert {"sgd", "momentum", "adam", "sigma_empirical_p-2.00"} < {arm.id for arm in grid.ood_arms(cfg)}
    population = [cell for cell in grid.cells(cfg, "noise") if cell[0].estimator == "population"]
    assert len(population) * cfg.seeds == 560


def test_file_names_carry_every_parameter(raw):
    cfg = validate(raw)
    stages = ((study, stage) for study in grid.SYNTHETIC for stage in ("train", "evaluate"))
    files = [path for study, stage in stages for path in grid.synthetic_files(cfg, study, stage)]
    files += [*grid.transfer_files(cfg), *grid.ood_files(cfg), *grid.theory_files(cfg)]
    assert len(set(files)) == len(files)
    assert "results/noise/train/sigma_population_p-0.50/High_snr0.50_seeds0000-0009.nc" in files


def test_more_seeds_add_shards_and_touch_none(raw):
    few = validate(raw | {"seeds": 40})
    many = validate(raw | {"seeds": 50})
    assert set(grid.shards(few)) < set(grid.shards(many))
    assert set(grid.shards(many)) - set(grid.shards(few)) == {"seeds0040-0049"}
    for study in grid.SYNTHETIC:
        assert set(grid.synthetic_files(few, study, "train")) < set(grid.synthetic_files(many, study, "train"))


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
    for arms in (grid.noise_arms, grid.transfer_arms, grid.ood_arms):
        before, after = ({arm.id for arm in arms(each)} for each in (cfg, more))
        assert before < after and all("+2.00" in name for name in after - before)


def test_a_list_is_an_arm_for_each_value_and_a_number_is_in_no_name(raw):
    noise = raw["noise"] | {"methods": {"momentum": {"snrs": [1], "momentum": [0.5, 0.9], "learning_rate": 0.1}}}
    found = [arm for arm in grid.noise_arms(validate(raw | {"noise": noise})) if arm.method == "momentum"]
    assert [arm.id for arm in found] == ["momentum_momentum0.5", "momentum_momentum0.9"]
    assert [arm.hyperparameters for arm in found] == [{"momentum": 0.5}, {"momentum": 0.9}]
    assert {arm.learning_rate for arm in found} == {0.1}
    noise["methods"]["momentum"]["momentum"] = 0.9
    (arm,) = (arm for arm in grid.noise_arms(validate(raw | {"noise": noise})) if arm.method == "momentum")
    assert arm.id == "momentum" and arm.hyperparameters == {"momentum": 0.9}


def test_what_is_tuned_is_every_combination_and_belongs_to_no_arm(raw):
    methods = {"momentum": {"tune": {"learning_rate": [0.1, 1], "momentum": [0, 0.9]}}}
    cfg = validate(raw | {"ood": raw["ood"] | {"methods": methods}})
    (arm,) = grid.ood_arms(cfg)
    assert arm.id == "momentum" and arm.hyperparameters == {}
    assert grid.candidates(cfg, arm) == [
        {"learning_rate": 0.1, "momentum": 0},
        {"learning_rate": 0.1, "momentum": 0.9},
        {"learning_rate": 1, "momentum": 0},
        {"learning_rate": 1, "momentum": 0.9},
    ]


def test_a_variant_has_the_cases_of_the_noise_study_and_its_own_setting(raw):
    cfg = validate(raw)
    found, base = grid.cases(cfg, "firmness"), grid.cases(cfg, "noise")
    assert set(found) == {case + variant for case in base for variant in cfg.firmness.variants}
    assert found["LowFew"] == (base["Low"].task, {"samples_train": 50})
    assert all(case.settings == {} for case in base.values())


def test_tuning_seeds_are_no_result_seeds(raw):
    cfg = validate(raw)
    assert grid.seeds(cfg, grid.TUNING) == [1000, 1001]
    assert grid.TUNING not in grid.shards(cfg)


def test_constraint_matches_exactly():
    import re

    pattern = grid.any_of(["p+1.00", "p-1.00", "a"])
    assert all(re.fullmatch(pattern, name) for name in ("p+1.00", "p-1.00", "a"))
    assert not any(re.fullmatch(pattern, name) for name in ("p+1x00", "pp1.00", "b"))
