"""From a configuration to arms, shards and files."""

import math
import re
from itertools import combinations, product
from types import SimpleNamespace

import pytest

from featurelearning.files.sets import SETS
from workflow.core import grid as core
from workflow.core.configuration import ConfigError, default, validate
from workflow.preconditioning import grid, image_grid

ARMS = ("adam", "momentum")


@pytest.fixture
def raw():
    return default()


def test_default_grid_is_the_papers(raw):
    cfg = validate(raw)
    by_covariance = [arm for arm in grid.noise_arms(cfg) if arm.method == "sigma_power"]
    assert len(by_covariance) == 4 * 7  # estimators x exponents
    files = [path for path in grid.synthetic_files(cfg, "noise", "train") if "/sigma_" in path]
    assert len(files) == 2 * 7 * (4 + 3)  # cases x exponents x (SNRs, and three at SNR 1)
    assert len([path for path in grid.transfer_files(cfg) if "/sigma_" in path]) == 2 * 28
    assert {"sgd", "momentum", "adam", "sigma_empirical_p-2.00"} < set(image_grid.arms(cfg, "ood"))
    population = [cell for cell in grid.cells(cfg, "noise") if cell[0].estimator == "population"]
    assert len(population) * cfg.seeds == 560


def test_file_names_carry_every_parameter(raw):
    cfg = validate(raw)
    stages = ((study, stage) for study in grid.SYNTHETIC for stage in ("train", "evaluate"))
    files = [path for study, stage in stages for path in grid.synthetic_files(cfg, study, stage)]
    files += [
        *grid.transfer_files(cfg),
        *(path for study in image_grid.STUDIES for path in image_grid.evaluated_files(cfg, study)),
        *grid.theory_files(cfg),
    ]
    assert len(set(files)) == len(files)
    assert "results/preconditioning/noise/train/sigma_population_p-0.50/High_snr0.50_seeds0000-0009.nc" in files


def test_more_seeds_add_shards_and_touch_none(raw):
    few = validate(raw | {"seeds": 40})
    many = validate(raw | {"seeds": 50})
    assert set(core.shards(few)) < set(core.shards(many))
    assert set(core.shards(many)) - set(core.shards(few)) == {"seeds0040-0049"}
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
    assert list(core.shards(cfg)) == names
    assert sum(core.shards(cfg).values(), []) == list(range(seeds))


def test_one_more_exponent_adds_arms_only(raw):
    cfg = validate(raw)
    more = validate(raw | {"exponents": [*raw["exponents"], 2]})
    of_images = [lambda each, study=study: image_grid.arms(each, study).values() for study in image_grid.STUDIES]
    for arms in (grid.noise_arms, grid.transfer_arms, *of_images):
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
    (arm,) = image_grid.arms(cfg, "ood").values()
    assert arm.id == "momentum" and arm.hyperparameters == {}
    assert image_grid.candidates(cfg, "ood", arm) == [
        {"learning_rate": 0.1, "momentum": 0},
        {"learning_rate": 0.1, "momentum": 0.9},
        {"learning_rate": 1, "momentum": 0},
        {"learning_rate": 1, "momentum": 0.9},
    ]


def test_a_tuned_number_is_a_list_of_one(raw):
    methods = {"momentum": {"tune": {"momentum": [0, 0.9], "learning_rate": 0.1}}}
    cfg = validate(raw | {"ood": raw["ood"] | {"methods": methods}})
    (arm,) = image_grid.arms(cfg, "ood").values()
    assert [each["learning_rate"] for each in image_grid.candidates(cfg, "ood", arm)] == [0.1, 0.1]
    assert [each["momentum"] for each in image_grid.candidates(cfg, "ood", arm)] == [0, 0.9]


def test_an_arm_has_as_many_candidates_as_its_lists_have_combinations(raw):
    cfg = validate(raw)
    for arm in image_grid.arms(cfg, "ood").values():
        tune = raw["ood"]["methods"][arm.method]["tune"]
        found = [tuple(each.values()) for each in image_grid.candidates(cfg, "ood", arm)]
        assert len(set(found)) == len(found) == math.prod(len(values) for values in tune.values())


def test_snrs_all_are_those_of_the_noise_study(raw):
    raw["noise"]["methods"] = {"adam": {"snrs": "all"}, "momentum": {"snrs": [1], "momentum": 0.9}}
    cfg = validate(raw)
    assert cfg.noise.methods["adam"]["snrs"] == cfg.noise.snrs == (0.5, 1, 2, 5)
    found = {name: [(case, snr) for arm, case, snr in grid.cells(cfg, "noise") if arm.id == name] for name in ARMS}
    assert found["adam"] == list(product(cfg.single_index.cases, cfg.noise.snrs))
    assert found["momentum"] == [(case, 1) for case in cfg.single_index.cases]


def test_snrs_of_a_method_are_all_or_numbers(raw):
    raw["noise"]["methods"] = {"adam": {"snrs": "every"}}
    with pytest.raises(ConfigError, match="adam.snrs: every given; allowed: a finite number or a list of them"):
        validate(raw)


@pytest.mark.parametrize("study", ["noise", "teachers"])
def test_each_data_set_is_diagnosed_once_and_no_arm_has_a_part_in_it(study, raw):
    cfg = validate(raw | {"seeds": 25})
    found = grid.diagnosis_files(cfg, study)
    trained = grid.synthetic_files(cfg, study, "train")
    assert len(trained) > len(found) == len(set(found))
    assert set(found) == {re.sub("/train/[^/]+/", "/diagnose/", path) for path in trained}
    snrs = cfg.noise.snrs if study == "noise" else (cfg.teachers.snr,)
    assert len(found) == len(grid.cases(cfg, study)) * len(snrs) * 3
    more = validate(raw | {"seeds": 25, "exponents": [*raw["exponents"], 2]})
    assert grid.diagnosis_files(more, study) == found


def test_a_variant_has_the_cases_of_the_noise_study_and_its_own_setting(raw):
    cfg = validate(raw)
    found, base = grid.cases(cfg, "firmness"), grid.cases(cfg, "noise")
    assert set(found) == {case + variant for case in base for variant in cfg.firmness.variants}
    assert found["LowFew"] == (base["Low"].task, {"samples_train": 50})
    assert all(case.settings == {} for case in base.values())


def test_tuning_seeds_are_no_result_seeds(raw):
    cfg = validate(raw)
    assert image_grid.seeds(cfg, "ood", core.TUNING) == [1000, 1001]
    assert core.TUNING not in core.shards(cfg)


def test_constraint_matches_exactly():
    pattern = core.any_of(["p+1.00", "p-1.00", "a"])
    assert all(re.fullmatch(pattern, name) for name in ("p+1.00", "p-1.00", "a"))
    assert not any(re.fullmatch(pattern, name) for name in ("p+1x00", "pp1.00", "b"))


def test_a_study_is_diagnosed_where_its_models_can_judge(raw):
    assert grid.diagnosed(validate(raw)) == ["noise", "teachers"]
    raw["noise"] |= {"estimators": {"empirical": raw["noise"]["snrs"]}}
    raw["teachers"]["cases"] = {}
    assert grid.diagnosed(validate(raw)) == []


def test_values_that_differ_have_ids_that_differ_and_plain_ones_stay_plain(raw):
    values = [1e-12, 0.1234567, 0.1234568, 0.5, 1, 2.5, 1e20]
    raw["noise"]["methods"] = {"sam": {"snrs": [1], "rho": values}}
    found = [arm.id.removeprefix("sam_rho") for arm in grid.noise_arms(validate(raw)) if arm.method == "sam"]
    assert found == ["1e-12", "0.1234567", "0.1234568", "0.5", "1", "2.5", "1e+20"]
    assert [float(each) for each in found] == values
    assert all(re.fullmatch(core.any_of(found), each) for each in found)


def of_class(raw, **given) -> list[core.Arm]:
    """Return the arms of the noise study that run a class."""
    raw["noise"]["methods"] = {"torch_optimizer": {"snrs": [1], **given}}
    return [arm for arm in grid.noise_arms(validate(raw)) if arm.method == "torch_optimizer"]


def test_an_arm_of_a_class_carries_the_class_and_all_that_is_given(raw):
    given = {"class": ["torch.optim:NAdam", "torch.optim:RAdam"], "betas": [[0.9, 0.99]], "weight_decay": [0, 1e-4]}
    found = of_class(raw, learning_rate=0.01, **given)
    head = "torch_optimizer_class-torch.optim"
    assert [arm.id for arm in found] == [
        f"{head}.{name}_betas-0.9x0.99_weight_decay-{decay}"
        for name, decay in product(("NAdam", "RAdam"), ("0", "0.0001"))
    ]
    assert found[1].hyperparameters == {"class": "torch.optim:NAdam", "betas": (0.9, 0.99), "weight_decay": 1e-4}
    assert {(arm.p, arm.learning_rate) for arm in found} == {(None, 0.01)}


def test_arguments_of_a_class_are_numbers_flags_words_or_null_also_on_the_command_line(raw):
    given = {"class": "torch.optim:LBFGS", "max_iter": "5", "tolerance_grad": "1e-6", "max_eval": "null"}
    [arm] = of_class(raw, line_search_fn="strong_wolfe", **given)
    assert arm.hyperparameters == {
        "class": "torch.optim:LBFGS",
        "line_search_fn": "strong_wolfe",
        "max_eval": None,
        "max_iter": 5,
        "tolerance_grad": 1e-6,
    }
    assert isinstance(arm.hyperparameters["max_iter"], int)
    assert arm.id == (
        "torch_optimizer_class-torch.optim.LBFGS_line_search_fn-strong-wolfe_max_eval-null_max_iter-5_tolerance_grad-1e-06"
    )
    [arm] = of_class(raw, **{"class": "torch.optim:SGD", "nesterov": "true", "momentum": "0.9"})
    assert arm.hyperparameters == {"class": "torch.optim:SGD", "momentum": 0.9, "nesterov": True}


def test_no_two_arms_of_classes_share_an_id():
    """Names and values are chosen so that they run into each other: beta 10 and beta1 0, a b and a_b, 0x1 and 0."""
    values = [
        None,
        True,
        False,
        0,
        1,
        -1,
        10,
        0.1,
        1e-5,
        -1e-5,
        1e20,
        "a",
        "a_b",
        "b1",
        (0, 1),
        (0,),
        (0.1, -1),
        (0, 1, 1),
    ]
    names = ["a", "b", "a_b", "beta", "beta1", "_b"]
    cfg = SimpleNamespace(exponents=())
    ids, pairs = [], [*combinations(names, 2), *((name, None) for name in names)]
    for named, (one, other) in product(("m.o:A", "m_o:A", "m:o_A", "m:A_b"), pairs):
        for pair in product(values, values if other else [None]):
            given = {"class": named} | {name: value for name, value in zip((one, other), pair, strict=True) if name}
            [arm] = core.method_arms(cfg, "torch_optimizer", {k: (v,) for k, v in given.items()}, ())
            ids.append(arm.id)
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[\w.+-]+", id) for id in ids)


def test_what_is_tuned_of_a_class_is_in_no_id(raw):
    tune = {"learning_rate": [0.01, 0.1], "momentum": [0, 0.9]}
    methods = {"torch_optimizer": {"class": "torch.optim:SGD", "tune": tune}}
    cfg = validate(raw | {"ood": raw["ood"] | {"methods": methods}})
    (arm,) = image_grid.arms(cfg, "ood").values()
    assert arm.id == "torch_optimizer_class-torch.optim.SGD" and arm.hyperparameters == {"class": "torch.optim:SGD"}
    assert len(image_grid.candidates(cfg, "ood", arm)) == 4


def test_the_theory_measures_a_class(raw):
    raw["theory"]["methods"] = {"torch_optimizer": {"measure": ["effective"], "class": "torch.optim:NAdam"}}
    [method] = grid.theory_parameters(validate(raw))["methods"]
    assert method["id"] == "torch_optimizer_class-torch.optim.NAdam"
    assert method["hyperparameters"] == {"class": "torch.optim:NAdam"}


def test_two_arms_with_one_id_are_refused():
    one, two = core.Arm("a_b1", "a", hyperparameters={"b": 1}), core.Arm("a_b1", "a_b1")
    assert core.by_id([one, one]) == {"a_b1": one}
    with pytest.raises(ConfigError) as caught:
        core.by_id([one, two])
    assert str(caught.value).startswith(f"a_b1: names {one} and {two}; allowed: an id for each arm")


def test_names_that_file_names_join_tell_their_parts(raw):
    cfg = validate(raw)
    assert not any("_to_" in name for name in SETS)  # results/.../{source}_to_{target}/...
    names = [name for study in (*grid.SYNTHETIC, "transfer") for name in grid.cases(cfg, study)]
    assert all(name.isalnum() for name in names)  # {case}_snr{snr}_{shard}.nc
    raw["teachers"]["cases"]["High_snr1"] = raw["teachers"]["cases"]["ModesHigh"]
    with pytest.raises(
        ConfigError, match="teachers.cases.High_snr1: .* allowed: a letter, then letters and digits only"
    ):
        validate(raw)
