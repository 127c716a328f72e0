"""The methods that the theory study measures: from the configuration, by any module beside the others."""

import copy
import sys
import types

import numpy as np
import pytest

from defaults import theory_methods
from featurelearning.optimizers import sgd
from featurelearning.preconditioning import effective, equivariance, theory
from references import assert_close
from workflow.core import configuration
from workflow.preconditioning import grid

BOTH, ONE = ["effective", "departure"], ["effective"]
DEFAULT = [  # name, studies, learning rate, hyper-parameters: claims and figures name them
    ("sgd", ONE, None, {}),
    ("momentum", ONE, 0.005, {"momentum": 0.9}),
    ("adam", BOTH, 0.01, {}),
    ("row_sum_hessian", ONE, 0.03, {"p": -1.0}),
    ("adahessian", BOTH, 0.03, {"p": -1.0}),
    ("sam", ONE, None, {"rho": 0.05}),
    ("diagonal_hessian", ONE, 0.03, {"p": -1.0}),
    ("kfac_input", BOTH, 0.003, {"damping": 0.01}),
    ("kfac", BOTH, 0.003, {"damping": 0.01}),
    ("shampoo", ONE, 0.1, {}),
    ("sophia", ONE, 0.003, {}),
    ("muon", BOTH, 0.003, {}),
    ("soap", BOTH, 0.003, {}),
]
SETTINGS = {"dimension": 4, "samples_train": 20, "samples_test": 12, "hidden": 16}
SETTINGS |= {"steps": 1000, "learning_rate": 0.02, "condition_number": 100}


def changed(section: str, methods: dict) -> dict:
    config = copy.deepcopy(configuration.default())
    config[section]["methods"] = methods
    return config


def planned(methods: dict) -> list[dict]:
    return grid.theory_parameters(configuration.validate(changed("theory", methods)))["methods"]


def fault(section: str, methods: dict) -> str:
    with pytest.raises(configuration.ConfigError) as caught:
        configuration.validate(changed(section, methods))
    return str(caught.value)


def test_the_default_is_what_claims_and_figures_name():
    found = [(each["id"], each["measure"], each["learning_rate"], each["hyperparameters"]) for each in theory_methods()]
    assert found == DEFAULT
    assert all(each["id"] == each["method"] for each in theory_methods())


def test_a_list_is_a_method_each_a_power_runs_over_the_exponents_and_an_empty_list_leaves_it_out():
    found = planned(
        {
            "sam": {"measure": ONE, "rho": [0.01, 0.05]},
            "adam": {"measure": []},
            "adahessian": {"measure": ["departure"], "learning_rate": 0.1},
        }
    )
    exponents = configuration.validate(configuration.default()).exponents
    assert [each["id"] for each in found] == [
        "sam_rho0.01",
        "sam_rho0.05",
        *(f"adahessian_p{p:+.2f}" for p in exponents),
    ]
    assert [each["hyperparameters"]["rho"] for each in found[:2]] == [0.01, 0.05]
    assert all(each["learning_rate"] == 0.1 and each["measure"] == ["departure"] for each in found[2:])


@pytest.mark.parametrize(
    "methods, message",
    [
        (
            {"sam": {"measure": ONE}},
            "sam.rho: missing; allowed: a value for each of measure, learning_rate, rho; add it",
        ),
        ({"adam": {}}, "adam.measure: missing; allowed: a value for each of measure, learning_rate; add it"),
        (
            {"adam": {"measure": ["efective"]}},
            "adam.measure: ['efective'] given; allowed: a list of effective, departure",
        ),
        ({"adam": {"measure": "effective"}}, "adam.measure: effective given; allowed: a list of effective, departure"),
        ({"sam": {"measure": ONE, "rho": -1}}, "sam.rho: -1 given; allowed: 0 to inf; change it"),
        (
            {"momentum": {"measure": ONE, "momentum": 1}},
            "momentum.momentum: 1 given; allowed: 0 to 0.999999999; change it",
        ),
        (
            {"adam": {"measure": ONE, "learning_rate": 0}},
            "adam.learning_rate: 0 given; allowed: greater than 0; raise it",
        ),
        ({"sigma_power": {"measure": ONE}}, "sigma_power given; allowed: the other methods"),
        (
            {"adm": {"measure": ONE}},
            "adm is no method; allowed: the modules of scripts/featurelearning/optimizers; write adam",
        ),
    ],
)
def test_a_fault_names_method_key_and_remedy(methods, message):
    assert message in fault("theory", methods)


def test_tuned_values_must_lie_in_the_methods_range_too():
    methods = {"sam": {"tune": {"learning_rate": [0.1], "rho": [-0.1, 0.1]}}}
    assert "sam.tune.rho: [-0.1, 0.1] given; allowed: 0 to inf; change it" in fault("ood", methods)


class Doubled(types.ModuleType):
    """A method that nobody has heard of: twice the gradient."""

    def init(self, params, problem):
        return {}

    def update(self, gradients, state, params, problem):
        return {key: 2 * g for key, g in gradients.items()}, state


def test_a_new_module_is_measured_by_both_studies(monkeypatch):
    monkeypatch.setitem(sys.modules, "featurelearning.optimizers.doubled", Doubled("doubled"))
    rows = [("doubled", "doubled", 0.01), ("plain", "sgd", None)]
    methods = [
        {"id": name, "method": method, "measure": BOTH, "learning_rate": rate, "hyperparameters": {}}
        for name, method, rate in rows
    ]
    study = theory.Study(42, range(2), SETTINGS | {"methods": methods}, [])
    assert [name for name, _, _ in effective.runs(study)][-2:] == ["doubled", "plain"]
    assert theory.measured(study, "departure")["plain"].optimizer is sgd
    departures = equivariance.departure(study)
    assert_close(departures["doubled"], departures["plain"], 1e-6)  # half the rate, so the same course
    found = effective.effective(study)["effective_exponent"]
    assert np.abs(found[-2:]).max() < 1e-10


def test_a_method_without_its_hyperparameter_is_refused_by_name():
    methods = [{"id": "sam", "method": "sam", "measure": BOTH, "learning_rate": None, "hyperparameters": {}}]
    study = theory.Study(42, range(2), SETTINGS | {"methods": methods}, [])
    for measure in (effective.effective, equivariance.departure):
        with pytest.raises(ValueError, match="^hyperparameters of sam: rho: missing; allowed: 0 or more; add it$"):
            measure(study)
