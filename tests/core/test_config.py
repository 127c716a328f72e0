"""The configuration: the files that come with the workflow, and a message for every way to get one wrong."""

import copy
import json
import math
import re
import subprocess
import sys
from collections import Counter
from itertools import product, zip_longest
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from workflow.core import configuration, grid, rooms
from workflow.preconditioning import grid as p1
from workflow.preconditioning import image_grid

CONFIG = Path(__file__).parents[2] / "config"
DEFAULT = configuration.default()
TINY = configuration.read("tiny")
HIGH = "single_index.cases.High"
KEYS = configuration.keys(configuration.model(tuple(DEFAULT["papers"])))
FREE = (
    "noise.estimators",
    "noise.methods",
    "theory.methods",
    "ood.methods",
    "theory.methods",
    "teachers.cases.*.teacher",
    "teachers.cases.*.eigenvalues",
)  # the rules know their keys


def changed(changes: dict) -> dict:
    """Return the default with values at dotted keys; `...` as a value removes the key."""
    config = copy.deepcopy(DEFAULT)
    for key, value in changes.items():
        *sections, name = key.split(".")
        section = config
        for part in sections:
            section = section[part]
        if value is ...:
            del section[name]
        else:
            section[name] = value
    return config


def faults(config: dict) -> list[str]:
    with pytest.raises(configuration.ConfigError) as caught:
        configuration.validate(config)
    head, *lines = str(caught.value).split("\n")
    count = "1 fault" if len(lines) == 1 else f"{len(lines)} faults"
    assert head == f"{count} in the configuration; config/README.md explains every key:"
    return lines


def dotted(config: dict, prefix: str = "") -> set[str]:
    """Return the keys of a file, with `*` for the names that the user chooses, down to lists and free dictionaries."""
    found = set()
    for name, value in config.items():
        key = f"{prefix}{name}"
        if prefix in ("single_index.cases.", "firmness.variants.", "teachers.cases."):
            found |= dotted(value, f"{prefix}*.")
            continue
        found.add(key)
        if isinstance(value, dict) and key not in FREE:
            found |= dotted(value, f"{key}.")
    return found


# --- good configurations ---------------------------------------------------------------------------------------


def test_default_is_valid():
    cfg = configuration.validate(DEFAULT)
    assert cfg.exponents == (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0)
    assert cfg.noise.estimators["population"] == cfg.noise.snrs == (0.5, 1.0, 2.0, 5.0)
    assert cfg.single_index.cases["Low"].teacher_direction == 9
    assert cfg.single_index.weight_decay == 1e-6 and cfg.ood.folder is None and cfg.compile is True


def test_default_holds_the_released_settings():
    cfg = configuration.validate(DEFAULT)
    high, low = (cfg.single_index.cases[name].eigenvalues for name in ("High", "Low"))
    assert high == (10, *[0.1] * 9) and low == (*[10] * 9, 0.1)
    assert {len(cfg.ood.methods[name]["tune"]["learning_rate"]) for name in ("sgd", "adam", "sigma_power")} == {7}


def test_tiny_over_default_is_valid_and_has_the_same_studies():
    config = copy.deepcopy(DEFAULT)
    update_config(config, TINY)
    cfg = configuration.validate(config)
    assert cfg.noise.estimators == {"population": (1.0, 2.0), "empirical": (1.0,)}
    assert cfg.compile, "tiny runs the code that the default runs"
    own = {"steps", "learning_rate", "only", "methods"}
    assert cfg.theory.model_dump(exclude=own) == configuration.validate(DEFAULT).theory.model_dump(exclude=own)
    assert {"sgd", "sigma_power"} < set(cfg.ood.methods) and set(cfg.noise.methods) == {"sam"}


def test_tiny_says_nothing_twice():
    def repeated(ours: dict, base: dict) -> list[str]:
        both = ((key, value, base.get(key, ...)) for key, value in ours.items())
        return [k for k, v, b in both if v == b or (isinstance(v, dict) and repeated(v, b))]

    assert repeated(TINY, DEFAULT) == []


def test_text_from_the_command_line_is_read():
    # Snakemake reads --config 'noise={snrs: [1, 2], ...}' with YAML's base loader: every scalar is text
    config = copy.deepcopy(DEFAULT)
    line = (
        "{noise: {snrs: [1, 2.50], estimators: {population: [1, 2.5], oas: []}}, ood: {folder: null}, compile: False}"
    )
    update_config(config, yaml.load(line, Loader=yaml.BaseLoader))
    update_config(config, {"seeds": 1e1, "single_index": {"weight_decay": "1e-6", "steps": "1e3"}})
    cfg = configuration.validate(config)
    assert cfg.single_index.steps == 1000
    assert cfg.noise.snrs == (1.0, 2.5) and set(cfg.noise.estimators) == {"population", "empirical", "ledoit_wolf"}
    assert cfg.ood.folder is None and cfg.compile is False
    assert cfg.seeds == 10 and isinstance(cfg.seeds, int) and cfg.single_index.weight_decay == 1e-6


def test_pairs_may_be_others_or_none():
    other = {"real.pairs": [["cifar10", "svhn"]], "real.folders": {"cifar10": "a", "svhn": "b"}}
    assert configuration.validate(changed(other)).real.pairs == (("cifar10", "svhn"),)
    none = changed({"real.pairs": [], "real.samples_target": 10**6, "real.covariance_ridge": 1e-30})
    assert configuration.validate(none).real.pairs == ()


def test_only_names_what_is_run():
    both = configuration.validate(changed({"noise.only": ["adam", "sam"], "firmness.only": ["Many"], "ood.only": None}))
    assert set(both.noise.methods) == {"adam", "sam"} and set(both.firmness.variants) == {"Many"}
    assert set(both.ood.methods) == set(DEFAULT["ood"]["methods"])
    assert configuration.validate(changed({"teachers.only": []})).teachers.cases == {}
    assert configuration.validate(changed({"teachers.only": ...})).teachers.cases


def test_only_refuses_what_is_not_given():
    [fault] = faults(changed({"noise.only": ["adamm"]}))
    assert fault.endswith("given; only names adamm; allowed: entries of this key; write adam")


def test_minus_zero_is_zero():
    cfg = configuration.validate(changed({"exponents": [-1, -0.0, 1]}))
    assert math.copysign(1, cfg.exponents[1]) == 1


def test_a_power_law_is_a_list_of_eigenvalues():
    values = configuration.validate(DEFAULT).teachers.cases["PowerLawLow"].eigenvalues
    assert values == tuple(10 * k**-2.0 for k in range(1, 11)) and values[-1] == 0.1


def test_config_is_frozen():
    cfg = configuration.validate(DEFAULT)
    with pytest.raises(ValueError, match="frozen"):
        cfg.noise.snrs = (1.0,)


# --- no drift between the model, the files and the page -----------------------------------------------------------


def test_model_and_default_have_the_same_keys():
    assert dotted(DEFAULT) == set(KEYS)


def test_readme_explains_exactly_the_keys_of_the_model():
    rows = re.findall(r"^\| `([a-z_.*]+)` \|", (CONFIG / "README.md").read_text(encoding="utf-8"), flags=re.M)
    assert len(rows) == len(set(rows)) and set(rows) == set(KEYS)


def test_readme_gives_the_scalar_defaults():
    rows = re.findall(
        r"^\| `([a-z_.]+)` \|.*\| ([^|]+) \|$", (CONFIG / "README.md").read_text(encoding="utf-8"), flags=re.M
    )
    given = dict(rows)
    for key in KEYS:
        value = DEFAULT
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) and "*" not in key else None
        if isinstance(value, (int, float, str)):
            assert yaml.safe_load(given[key]) == value, key


def test_every_key_can_be_set_on_the_command_line():
    assert all(re.fullmatch(r"[a-zA-Z_][\w-]*\w", part) for key in KEYS for part in key.split(".") if part != "*")


# --- bad configurations: one change, the whole line ------------------------------------------------------------------

FLOAT32 = "leaves float32; allowed: powers from 1.2e-38 to 3.4e+38; change exponents"
EXPONENTS = "[-2, -1.5, -1, -0.5, 0, 0.5, 1]"
SNRS = '{"population": [0.5, 1, 2, 5], "empirical": [1], "ledoit_wolf": [1], "oas": [3]}'
ESTIMATORS = "allowed: 'population', 'empirical', 'ledoit_wolf' or 'oas'"

DIFFERENT = "allowed: names that differ, in more than capitals, since file names carry them; rename one"
TEACHER = {"eigenvalues": [2, 1], "teacher": {"kind": "single_index", "direction": 0}}
CASE = {"eigenvalues": [2, 1], "teacher_direction": 0, "target_direction": 1}

BAD = {
    "misspelt key": ({"exponent": [1]}, "exponent: unknown key; did you mean 'exponents'? (given: [1])"),
    "misspelt key in a section": (
        {"ood.step": 3},
        "ood.step: unknown key; did you mean 'steps'? (given: 3)",
    ),
    "key of another section": ({"snrs": [1]}, "snrs: unknown key; did you mean 'noise.snrs'? (given: [1])"),
    "misspelt key of a case": (
        {f"{HIGH}.eigenvalue": 3},
        f"{HIGH}.eigenvalue: unknown key; did you mean 'eigenvalues'? (given: 3)",
    ),
    "unlike any key": ({"transfer.q": 3}, "transfer.q: unknown key; allowed here: snr, ridge; remove it (given: 3)"),
    "missing key": ({"threads": ...}, "threads: missing; write for example the default, 1"),
    "missing section": (
        {"transfer": ...},
        'transfer: missing; write for example the default, {"snr": 1, "ridge": 0.001}',
    ),
    "section is nothing": (
        {"transfer": None},
        'transfer: null given; allowed: a section of keys; write for example the default, {"snr": 1, "ridge": 0.001}',
    ),
    "one seed": (
        {"seeds": 1},
        "seeds: 1 given; allowed: greater than or equal to 2; write for example the default, 10",
    ),
    "too many seeds": (
        {"seeds": 10001, "ood.tuning_seeds": [20000]},
        "seeds: 10001 given; allowed: less than or equal to 10000; write for example the default, 10",
    ),
    "empty shards": (
        {"seeds_per_shard": 0},
        "seeds_per_shard: 0 given; allowed: greater than or equal to 1; write for example the default, 10",
    ),
    "flag for a number": (
        {"threads": True},
        "threads: true given; allowed: a number; write one, since YAML reads true, false, yes, no, on and off as flags",
    ),
    "number for a flag": (
        {"compile": 1},
        "compile: 1 given; allowed: true or false; write for example the default, true",
    ),
    "unknown device": (
        {"device": "gpu"},
        "device: \"gpu\" given; allowed: 'auto', 'cpu' or 'cuda'; write for example the default, \"auto\"",
    ),
    "fraction for a count": (
        {"ood.hidden": 1.5},
        "ood.hidden: 1.5 given; allowed: an integer; write for example the default, 256",
    ),
    "word for a number": (
        {"theory.learning_rate": "fast"},
        'theory.learning_rate: "fast" given; allowed: a number; write for example the default, 0.01',
    ),
    "not finite": (
        {"transfer.ridge": math.inf},
        "transfer.ridge: Infinity given; allowed: a finite number; write for example the default, 0.001",
    ),
    "empty path": (
        {"data_cache": ""},
        'data_cache: "" given; allowed: text that is not empty; write for example the default, ".cache/data"',
    ),
    "path of a variable that is not set": (
        {"real.folders": {"svhn": "$NOWHERE_AT_ALL/x"}},
        'real.folders.svhn: "$NOWHERE_AT_ALL/x" given; names the environment variable NOWHERE_AT_ALL, which is not set '
        "here; allowed: a folder, or variables that every machine of the run sets; write the folder itself",
    ),
    "one record": (
        {"records": 1},
        "records: 1 given; allowed: greater than or equal to 2; write for example the default, 150",
    ),
    "no list": (
        {"exponents": -1},
        f"exponents: -1 given; allowed: a list in brackets; write for example the default, {EXPONENTS}",
    ),
    "one exponent": (
        {"exponents": [1]},
        f"exponents: [1] given; allowed: at least 2 of them; write for example the default, {EXPONENTS}",
    ),
    "exponents out of order": (
        {"exponents": [1, -1]},
        "exponents: [1, -1] given; allowed: ascending values without repeats; write [-1.0, 1.0]",
    ),
    "exponent twice": (
        {"exponents": [-1, 0, "-0.0"]},
        'exponents: [-1, 0, "-0.0"] given; allowed: ascending values without repeats; write [-1.0, 0.0]',
    ),
    "three decimals": (
        {"exponents": [0, 0.125]},
        "exponents[1]: 0.125 given; allowed: at most two decimals, since file names carry two; write 0.12",
    ),
    "zero eigenvalue": (
        {f"{HIGH}.eigenvalues": [1] * 9 + [0], "exponents": [-2, 1]},
        f"{HIGH}.eigenvalues: {[1] * 9 + [0]} given; eigenvalue 0 with p = -2 has no power; "
        "allowed: positive eigenvalues; raise it above 0",
    ),
    "negative eigenvalue": (
        {f"{HIGH}.eigenvalues": [1] * 9 + [-1], "exponents": [0, 1]},
        f"{HIGH}.eigenvalues: {[1] * 9 + [-1]} given; eigenvalue -1 has no power; "
        "allowed: positive eigenvalues; raise it above 0",
    ),
    "ascending eigenvalues": (
        {f"{HIGH}.eigenvalues": [1] * 9 + [2]},
        f"{HIGH}.eigenvalues: {[1] * 9 + [2]} given; allowed: descending values; write {[2.0] + [1.0] * 9}",
    ),
    "other dimension": (
        {f"{HIGH}.eigenvalues": [3, 2], f"{HIGH}.target_direction": 1},
        'single_index.cases: {"High": {"eigenvalues": [3, 2], "teacher_direction": 0, "target_direction": 1}, "Low": '
        '{"eigenvalues": [10, 10, 10, ... given; allowed: as many eigenvalues in every case; add or drop some, '
        "there are {'High': 2, 'Low': 10}",
    ),
    "direction outside": (
        {f"{HIGH}.teacher_direction": 10},
        f"{HIGH}.teacher_direction: 10 given; allowed: 0 to 9, since directions count the eigenvalues from 0; "
        "choose one of them",
    ),
    "same direction": (
        {f"{HIGH}.target_direction": 0},
        f"{HIGH}.target_direction: 0 given; allowed: a direction other than teacher_direction, "
        "since transfer moves the teacher; choose another",
    ),
    "case name": (
        {"single_index.cases.very_high": DEFAULT["single_index"]["cases"]["High"]},
        'single_index.cases.very_high: "very_high" given; allowed: a letter, then letters and digits only; '
        "config/README.md tells how to write it",
    ),
    "no cases": (
        {"single_index.cases": {}},
        "single_index.cases: {} given; allowed: at least 1 of them; write for example the default, "
        '{"High": {"eigenvalues": [10, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], "teacher_direction": 0, '
        '"target_direction...',
    ),
    "SNR of zero": (
        {"transfer.snr": 0},
        "transfer.snr: 0 given; allowed: greater than 0; write for example the default, 1",
    ),
    "unknown estimator": (
        {"noise.estimators.lediot_wolf": [1]},
        f"noise.estimators.lediot_wolf: \"lediot_wolf\" given; {ESTIMATORS}; did you mean 'ledoit_wolf'?",
    ),
    "estimator beyond the SNRs": (
        {"noise.estimators.oas": [3]},
        f"noise.estimators: {SNRS} given; [3.0] asked for; allowed: noise.snrs, [0.5, 1.0, 2.0, 5.0]; "
        "add them there or drop them here",
    ),
    "SNR without an estimator": (
        {"noise.snrs": [0.5, 1, 2, 5, 10]},
        f"noise.estimators: {SNRS.replace('3', '1')} given; no estimator has [10.0]; "
        "allowed: each of noise.snrs in some list; add them or drop them there",
    ),
    "too few samples for an inverse": (
        {"single_index.samples_train": 9},
        "single_index.samples_train: 9 given; allowed: greater than or equal to 20; write for example the default, 200",
    ),
    "transfer without models": (
        {"transfer.snr": 3},
        "transfer.snr: 3 given; allowed: an SNR of noise.snrs that an estimator trains, [0.5, 1.0, 2.0, 5.0]; "
        "choose one or add it there",
    ),
    "more images than there are": (
        {"ood.samples_train": 59000},
        "ood.samples_validation: 1200 given; allowed: at most 1000, what ood.samples_train leaves of MNIST's 60000 "
        "images; lower either",
    ),
    "no ridge on MNIST": (
        {"ood.covariance_ridge": 0},
        "ood.covariance_ridge: 0 given; allowed: greater than 0; write for example the default, 0.001",
    ),
    "ridge too small": (
        {"ood.covariance_ridge": 1e-20},
        f"ood.covariance_ridge: 1e-20 given; eigenvalue 1.27551e-23 with p = -2 {FLOAT32}",
    ),
    "unknown method": (
        {"ood.methods": {"adamm": {"tune": {"learning_rate": [1]}}}},
        'ood.methods: {"adamm": {"tune": {"learning_rate": [1]}}} given; adamm is no method; allowed: the modules of '
        "scripts/featurelearning/optimizers; write adam",
    ),
    "hyper-parameter of another method": (
        {"ood.methods": {"adam": {"tune": {"learning_rate": [1]}, "momentun": 1}}},
        'ood.methods: {"adam": {"tune": {"learning_rate": [1]}, "momentun": 1}} given; adam.momentun: unknown key; '
        "allowed: tune; write tune",
    ),
    "method without a hyper-parameter": (
        {"ood.methods": {"momentum": {"tune": {"learning_rate": [1]}}}},
        'ood.methods: {"momentum": {"tune": {"learning_rate": [1]}}} given; momentum.momentum: missing; '
        "allowed: a value for each of tune, momentum; add it",
    ),
    "method without tuning": (
        {"ood.methods": {"adam": {}}},
        'ood.methods: {"adam": {}} given; adam.tune: missing; allowed: a value for each of tune; add it',
    ),
    "method without rates": (
        {"ood.methods": {"adam": {"tune": {"rate": [1]}}}},
        'ood.methods: {"adam": {"tune": {"rate": [1]}}} given; adam.tune: {\'rate\': [1]} given; '
        "allowed: lists to choose from; write learning_rate: [...]",
    ),
    "rates out of order": (
        {"ood.methods": {"adam": {"tune": {"learning_rate": [0.1, 0.01]}}}},
        'ood.methods: {"adam": {"tune": {"learning_rate": [0.1, 0.01]}}} given; adam.tune.learning_rate: [0.1, 0.01] '
        "given; allowed: ascending values without repeats; write [0.01, 0.1]",
    ),
    "rate of zero": (
        {"ood.methods": {"adam": {"tune": {"learning_rate": [0, 0.1]}}}},
        'ood.methods: {"adam": {"tune": {"learning_rate": [0, 0.1]}}} given; adam.tune.learning_rate: [0.0, 0.1] '
        "given; allowed: above 0",
    ),
    "tuning what there is not": (
        {"ood.methods": {"adam": {"tune": {"learning_rate": [1], "rho": [1]}}}},
        'ood.methods: {"adam": {"tune": {"learning_rate": [1], "rho": [1]}}} given; adam.tune.rho: not tuned; '
        "allowed: learning_rate or a hyper-parameter but p; remove it",
    ),
    "no method at all": (
        {"ood.methods": {"adam": {"tune": {"learning_rate": []}}}},
        'ood.methods: {"adam": {"tune": {"learning_rate": []}}} given; no method has a learning rate; '
        "allowed: at least one; fill a list",
    ),
    "covariance among the other methods": (
        {"noise.methods": {"sigma_power": {"snrs": [1]}}},
        'noise.methods: {"sigma_power": {"snrs": [1]}} given; sigma_power given; allowed: the other methods; '
        "write its SNRs in noise.estimators",
    ),
    "method beyond the SNRs": (
        {"noise.methods": {"adam": {"snrs": [3]}}},
        'noise.methods: {"adam": {"snrs": [3]}} given; adam.snrs: [3.0] asked for; allowed: noise.snrs, '
        "[0.5, 1.0, 2.0, 5.0]; add them there",
    ),
    "method with a word": (
        {"noise.methods": {"momentum": {"snrs": [1], "momentum": "much"}}},
        'noise.methods: {"momentum": {"snrs": [1], "momentum": "much"}} given; momentum.momentum: much given; '
        "allowed: a finite number or a list of them; write one",
    ),
    "method with three decimals of p": (
        {"noise.methods": {"adahessian": {"snrs": [1], "p": [0.125]}}},
        'noise.methods: {"adahessian": {"snrs": [1], "p": [0.125]}} given; adahessian.p: [0.125] given; '
        "allowed: at most two decimals, since file names carry two; write 0.12",
    ),
    "class that is none": (
        {"theory.methods": {"torch_optimizer": {"measure": [], "class": "NAdam"}}},
        'theory.methods: {"torch_optimizer": {"measure": [], "class": "NAdam"}} given; torch_optimizer.class: NAdam '
        "given; allowed: package.module:Class, as torch.optim:NAdam; write it so",
    ),
    "no class": (
        {"noise.methods": {"torch_optimizer": {"snrs": [1]}}},
        'noise.methods: {"torch_optimizer": {"snrs": [1]}} given; torch_optimizer.class: missing; '
        "allowed: a value for each of snrs, learning_rate, class; add it",
    ),
    "argument that no class takes": (
        {"noise.methods": {"torch_optimizer": {"snrs": [1], "class": "torch.optim:Rprop", "eta": 1}}},
        'noise.methods: {"torch_optimizer": {"snrs": [1], "class": "torch.optim:Rprop", "eta": 1}} given; '
        "torch_optimizer.eta: 1 given, which torch.optim:Rprop does not take; allowed: etas, step_sizes, capturable, "
        "foreach, maximize, differentiable; write etas",
    ),
    "number for a pair": (
        {"noise.methods": {"torch_optimizer": {"snrs": [1], "class": "torch.optim:Rprop", "etas": 0.5}}},
        'noise.methods: {"torch_optimizer": {"snrs": [1], "class": "torch.optim:Rprop", "etas": 0.5}} given; '
        "torch_optimizer.etas: 0.5 given; allowed: a list of numbers, within the list of its arms; write for example "
        "its default, [[0.5, 1.2]]",
    ),
    "argument of no kind": (
        {"noise.methods": {"torch_optimizer": {"snrs": [1], "class": "torch.optim:SGD", "momentum": {"a": 1}}}},
        'noise.methods: {"torch_optimizer": {"snrs": [1], "class": "torch.optim:SGD", "momentum": {"a": 1}}} given; '
        "torch_optimizer.momentum: {'a': 1} given; allowed: a number, true, false, null, a word, or a list of these or "
        "of lists of numbers; write one",
    ),
    "argument given twice": (
        {"noise.methods": {"torch_optimizer": {"snrs": [1], "class": "torch.optim:SGD", "momentum": [0.9, 0.9]}}},
        'noise.methods: {"torch_optimizer": {"snrs": [1], "class": "torch.optim:SGD", "momentum": [0.9, 0.9]}} given; '
        "torch_optimizer.momentum: [0.9, 0.9] given; allowed: each value once; write [0.9]",
    ),
    "tuned value that a class refuses": (
        {
            "ood.methods": {
                "torch_optimizer": {"class": "torch.optim:SGD", "tune": {"learning_rate": [1], "momentum": -1}}
            }
        },
        'ood.methods: {"torch_optimizer": {"class": "torch.optim:SGD", "tune": {"learning_rate": [1], "momentum": '
        "-1}}} given; torch_optimizer.class: torch.optim:SGD given, which makes no step with momentum -1.0 "
        "(ValueError: Invalid momentum value: -1.0); allowed: a class that steps from a closure or from gradients, "
        "which it does not differentiate, for weights and biases alike, with values that it accepts; change them",
    ),
    "method with a rate of zero": (
        {"noise.methods": {"adam": {"snrs": [1], "learning_rate": 0}}},
        'noise.methods: {"adam": {"snrs": [1], "learning_rate": 0}} given; adam.learning_rate: 0 given; '
        "allowed: greater than 0; raise it",
    ),
    "unknown teacher": (
        {"teachers.cases": {"A": {"eigenvalues": [2, 1], "teacher": {"kind": "linear"}}}},
        'teachers.cases.A.teacher: {"kind": "linear"} given; kind \'linear\'; allowed: single_index, two_index, '
        "multi_modal, hierarchical; write one of them",
    ),
    "teacher without its share": (
        {"teachers.cases": {"A": {"eigenvalues": [2, 1], "teacher": {"kind": "two_index", "high": 0, "low": 1}}}},
        'teachers.cases.A.teacher: {"kind": "two_index", "high": 0, "low": 1} given; two_index with high, low; '
        "allowed: high, low, share; give exactly these",
    ),
    "teacher off the spectrum": (
        {"teachers.cases": {"A": {"eigenvalues": [2, 1], "teacher": {"kind": "single_index", "direction": 2}}}},
        'teachers.cases.A.teacher: {"kind": "single_index", "direction": 2} given; direction 2; allowed: 0 to 1, '
        "a direction; choose one of them",
    ),
    "one mode": (
        {
            "teachers.cases": {
                "A": {"eigenvalues": [2, 1], "teacher": {"kind": "multi_modal", "direction": 0, "modes": 1}}
            }
        },
        'teachers.cases.A.teacher: {"kind": "multi_modal", "direction": 0, "modes": 1} given; modes 1; '
        "allowed: 2 or more; raise it",
    ),
    "a fraction of a direction": (
        {"teachers.cases": {"A": {"eigenvalues": [2, 1], "teacher": {"kind": "single_index", "direction": 0.9}}}},
        'teachers.cases.A.teacher: {"kind": "single_index", "direction": 0.9} given; direction 0.9; '
        "allowed: an integer; write 1",
    ),
    "a fraction of a mode": (
        {
            "teachers.cases": {
                "A": {"eigenvalues": [2, 1], "teacher": {"kind": "multi_modal", "direction": 0, "modes": 2.5}}
            }
        },
        'teachers.cases.A.teacher: {"kind": "multi_modal", "direction": 0, "modes": 2.5} given; modes 2.5; '
        "allowed: an integer; write 2",
    ),
    "a fraction of a dimension": (
        {"teachers.cases": {"A": {**TEACHER, "eigenvalues": {"power_law": 2, "dimension": 10.7, "largest": 10}}}},
        'teachers.cases.A.eigenvalues: {"power_law": 2, "dimension": 10.7, "largest": 10} given; dimension 10.7; '
        "allowed: an integer, 2 to 10000; change it",
    ),
    "more dimensions than any machine holds": (
        {"teachers.cases": {"A": {**TEACHER, "eigenvalues": {"power_law": 0, "dimension": "1e30", "largest": 10}}}},
        'teachers.cases.A.eigenvalues: {"power_law": 0, "dimension": "1e30", "largest": 10} given; dimension 1e+30; '
        "allowed: an integer, 2 to 10000; change it",
    ),
    "half a power law": (
        {
            "teachers.cases": {
                "A": {"eigenvalues": {"power_law": 2}, "teacher": {"kind": "single_index", "direction": 0}}
            }
        },
        'teachers.cases.A.eigenvalues: {"power_law": 2} given; allowed: a list, or the keys power_law, dimension, '
        "largest; write {power_law: 2, dimension: 10, largest: 10}",
    ),
    "case of two studies": (
        {"teachers.cases": {"High": {"eigenvalues": [2, 1], "teacher": {"kind": "single_index", "direction": 0}}}},
        'teachers.cases: {"High": {"eigenvalues": [2, 1], "teacher": {"kind": "single_index", "direction": 0}}} given; '
        f"'High' is a case of single_index and a case of teachers; {DIFFERENT}",
    ),
    "cases in other capitals": (
        {"teachers.cases": {"One": TEACHER, "ONE": TEACHER}},
        f"teachers.cases: {json.dumps({'One': TEACHER, 'ONE': TEACHER})[:117]}... given; "
        f"'One' is a case of teachers, 'ONE' a case of teachers; {DIFFERENT}",
    ),
    "variant of nothing": (
        {"firmness.variants": {"Fewer": {"samples": 50}}},
        "firmness.variants.Fewer.samples: unknown key; did you mean 'samples_train'? (given: 50)",
    ),
    "tuning on results' seeds": (
        {"ood.tuning_seeds": [0, 1001]},
        "ood.tuning_seeds[0]: 0 given; allowed: greater than or equal to 1000; "
        "write for example the default, [1000, 1001]",
    ),
    "results reach the tuning seeds": (
        {"seeds": 1001, "real.tuning_seeds": [2000]},
        "ood.tuning_seeds: [1000, 1001] given; allowed: 1001 or more, since the results use seeds 0 to 1000; "
        "raise them",
    ),
    "pair of one set": (
        {"real.pairs": [["mnist", "mnist"]]},
        'real.pairs[0]: ["mnist", "mnist"] given; allowed: a source and another set of images of its size; '
        "write [mnist, fashion_mnist]",
    ),
    "pair of two sizes": (
        {"real.pairs": [["cifar10", "mnist"]]},
        'real.pairs[0]: ["cifar10", "mnist"] given; allowed: a source and another set of images of its size; '
        "write [cifar10, svhn]",
    ),
    "pair twice": (
        {"real.pairs": [["svhn", "cifar10"], ["svhn", "cifar10"]]},
        'real.pairs: [["svhn", "cifar10"], ["svhn", "cifar10"]] given; allowed: each value once; '
        "write [('svhn', 'cifar10')]",
    ),
    "unknown set": (
        {"real.pairs": [["mnist", "fashion"]]},
        "real.pairs[0][1]: \"fashion\" given; allowed: 'mnist', 'fashion_mnist', 'cifar10' or 'svhn'; "
        "did you mean 'fashion_mnist'?",
    ),
    "folder of a set that has another key": (
        {"real.folders": {"mnist": "here"}},
        "real.folders.mnist: \"mnist\" given; allowed: 'fashion_mnist', 'cifar10' or 'svhn'; "
        "config/README.md tells how to write it",
    ),
    "more images than the source has": (
        {"real.pairs": [["cifar10", "svhn"]], "real.samples_train": 49000},
        "real.samples_validation: 1200 given; allowed: at most 1000, what real.samples_train leaves of the 50000 "
        "images of cifar10; lower either",
    ),
    "more images than the target has": (
        {"real.pairs": [["svhn", "cifar10"]], "real.samples_target": 50001},
        "real.samples_target: 50001 given; allowed: at most 50000, the training images of cifar10; lower it",
    ),
    "ridge too small for 3072 pixels": (
        {"real.pairs": [["cifar10", "svhn"]], "real.covariance_ridge": 1e-20},
        f"real.covariance_ridge: 1e-20 given; eigenvalue 3.25521e-24 with p = -2 {FLOAT32}",
    ),
    "theory without full rank": (
        {"theory.samples_train": 4},
        "theory.samples_train: 4 given; allowed: 5 (theory.dimension) or more, or the covariance is singular; raise it",
    ),
    "well-conditioned theory": (
        {"theory.condition_number": 10},
        "theory.condition_number: 10 given; allowed: greater than or equal to 100; write for example the default, 100",
    ),
}


@pytest.mark.parametrize("changes, line", BAD.values(), ids=BAD)
def test_bad_config(changes, line):
    assert faults(changed(changes)) == [line]


@pytest.mark.parametrize("config", [None, [], "seeds: 3"], ids=["nothing", "list", "text"])
def test_config_that_is_no_section(config):
    (line,) = faults(config)
    assert line.startswith("config: ") and "allowed: a section of keys" in line


def test_overflow_names_eigenvalue_and_exponents():
    high = "[10, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1] given; eigenvalue"
    low = "[10, 10, 10, 10, 10, 10, 10, 10, 10, 0.1] given; eigenvalue"
    assert faults(changed({"exponents": [-40, 0, 38, 39], "teachers.cases": {}})) == [
        f"{HIGH}.eigenvalues: {high} 10 with p = -40, 39 {FLOAT32}",
        f"{HIGH}.eigenvalues: {high} 0.1 with p = -40, 38, 39 {FLOAT32}",  # 1e-38 is subnormal, 1e38 is not too large
        f"single_index.cases.Low.eigenvalues: {low} 10 with p = -40, 39 {FLOAT32}",
        f"single_index.cases.Low.eigenvalues: {low} 0.1 with p = -40, 38, 39 {FLOAT32}",
        f"ood.covariance_ridge: 0.001 given; eigenvalue 1.27551e-06 with p = -40, 38, 39 {FLOAT32}",
        f"real.covariance_ridge: 0.001 given; eigenvalue 1.27551e-06 with p = -40, 38, 39 {FLOAT32}",
    ]


@pytest.mark.parametrize("p, accepted", [(6.43, True), (6.44, False), (-6.53, True), (-6.54, False)])
def test_exponents_reach_to_the_end_of_float32(p, accepted):
    # (0.001 / 784) ** p is the narrowest of the default's eigenvalues
    config = changed({"exponents": sorted([0, p])})
    if accepted:
        configuration.validate(config)
    else:
        keys = [line.split(":")[0] for line in faults(config)]
        assert keys == ["ood.covariance_ridge", "real.covariance_ridge"]


def test_every_fault_is_told_at_once():
    # faults within a section, across sections and of names, none of which hides another
    config = changed(
        {
            "seed": 3,
            "seeds": 2000,
            "threads": ...,
            "noise.snr": [1],
            "noise.snrs": [1, 7],
            "transfer.snr": 2,
            "ood.steps": 0,
        }
    )
    keys = [line.split(":")[0] for line in faults(config)]
    assert keys == [
        "threads",
        "noise.estimators",
        "noise.estimators",
        "noise.snr",
        "transfer.snr",
        "ood.steps",
        "ood.tuning_seeds",
        "real.tuning_seeds",
        "seed",
    ]


WIDE = {"hidden": 9}


@pytest.mark.parametrize(
    ("cases", "variants", "line"),
    [
        (
            ("Low", "LowSlow"),
            ("SlowWide", "Wide"),
            "'LowSlowWide' is case Low with variant SlowWide and case LowSlow with variant Wide",
        ),
        (("Low", "LowSlow"), ("Slow",), "'LowSlow' is a case of single_index and case Low with variant Slow"),
        (
            ("Low", "lowS"),
            ("Swide", "wide"),
            "'LowSwide' is case Low with variant Swide, 'lowSwide' case lowS with variant wide",
        ),
    ],
)
def test_no_two_cases_and_variants_share_a_name(cases, variants, line):
    changes = {"single_index.cases": dict.fromkeys(cases, CASE), "firmness.variants": dict.fromkeys(variants, WIDE)}
    (found,) = faults(changed(changes))
    assert found.startswith("firmness.variants: ") and found.endswith(f" given; {line}; {DIFFERENT}")


def test_cases_of_one_study_differ_in_more_than_capitals():
    (found,) = faults(changed({"single_index.cases": {"Low": CASE, "LOW": CASE}}))
    assert found.endswith(f"given; 'Low' is a case, 'LOW' a case; {DIFFERENT}")


# --- any value at any key ------------------------------------------------------------------------------------------

VALUES = (None, "", [], {}, 3, -3, 0.5, "text", True, [[]], [None], [["a"]], {"a": None}, math.nan, math.inf, ...)
# `...`: the key is missing


def places(config: dict, *above: str) -> list[tuple[str, ...]]:
    """Return the path of every key of a configuration, sections and what is in them."""
    found = [(*above, name) for name in config]
    return found + [
        path for name, value in config.items() if isinstance(value, dict) for path in places(value, *above, name)
    ]


def in_turns(paths: list[tuple[str, ...]]) -> list[dict[str, tuple[str, ...]]]:
    """Return the paths in groups of at most one a section: a fault in one section does not hide those of others."""
    by_section = {}
    for path in paths:
        by_section.setdefault(path[0], []).append(path)
    return [[path for path in group if path] for group in zip_longest(*by_section.values())]


def overlaid() -> list[tuple[str, ...]]:
    """Return every key of every file of config/, but for cases of teachers, which are alike: one of each kind."""
    files = (DEFAULT, TINY, configuration.read("paper"))
    found = dict.fromkeys(path for file in files for path in places(file) if path != ("papers",))
    kinds = {case["teacher"]["kind"]: name for name, case in DEFAULT["teachers"]["cases"].items()}
    return [path for path in found if path[:2] != ("teachers", "cases") or path[2:3] == () or path[2] in kinds.values()]


def planned(cfg: configuration.Run) -> None:
    """Plan all that the rules plan of a configuration, but for the lists of files that are long."""
    rooms.studies(cfg), cfg.image_folders(), grid.shards(cfg)
    arms = [arm for study in p1.SYNTHETIC for arm, _ in p1.plan(cfg, study)]
    assert grid.by_id(arms) or not arms
    for study in image_grid.STUDIES:
        assert all(image_grid.candidates(cfg, study, arm) for arm in image_grid.arms(cfg, study).values())
        image_grid.tuned_files(cfg, study)
    for study in p1.SYNTHETIC:
        p1.cases(cfg, study)
    p1.diagnosed(cfg), p1.theory_parameters(cfg), p1.transfer_arms(cfg)


def test_any_value_at_any_key_is_read_or_refused_with_a_line_for_each_fault():
    counts = Counter()
    for group, value in product(in_turns(overlaid()), VALUES):
        config = copy.deepcopy(DEFAULT)
        for *sections, name in group:
            section = config
            for part in sections:
                section = section.setdefault(part, {})
            section[name] = value
            if value is ...:
                del section[name]
        try:
            planned(configuration.validate(config))
            counts["read"] += 1
        except configuration.ConfigError as error:
            head, *lines = str(error).split("\n")
            assert head.endswith(":") and lines and all(re.match(r"[\w.\[\]]+: .+; .+", line) for line in lines), lines
            counts["refused"] += 1
    keys = len(overlaid())
    print(f"{keys} keys x {len(VALUES)} values in {counts.total()} configurations: {dict(counts)}")
    assert keys > 200 and counts["read"] > 20 and counts["refused"] > 300, counts


@pytest.mark.parametrize("papers", [None, "preconditioning", [], {}, 3, ["no such paper"], [[]], [None], ...])
def test_papers_are_a_list_of_those_there(papers):
    (line,) = faults(changed({"papers": papers}))
    given = "missing" if papers is ... else f"{json.dumps(papers)} given"
    assert line == f'papers: {given}; allowed: a list of preconditioning; write ["preconditioning"]'


@pytest.mark.parametrize("name", ["papers", "ood"])
def test_snakemake_refuses_a_section_without_a_traceback(name, tmp_path):
    command = [sys.executable, "-m", "snakemake", "-n", "--directory", str(tmp_path), "--config", f"{name}=3"]
    command += ["--snakefile", str(CONFIG.parent / "workflow" / "Snakefile")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    assert re.search(rf"^{name}: 3 given; allowed: ", done.stdout + done.stderr, re.MULTILINE)
