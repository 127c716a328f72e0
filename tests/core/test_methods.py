"""The methods that the configuration may name are read from the optimisers' modules."""

import importlib

import pytest

from workflow.core import methods


def test_every_module_with_an_update_is_a_method():
    assert {"sgd", "momentum", "adam", "sigma_power"} <= set(methods.HYPERPARAMETERS)
    assert not {"problem", "__init__"} & set(methods.HYPERPARAMETERS)


@pytest.mark.parametrize("name", methods.HYPERPARAMETERS)
def test_what_is_read_is_what_the_module_says(name):
    module = importlib.import_module(f"featurelearning.optimizers.{name}")
    assert methods.HYPERPARAMETERS[name] == getattr(module, "HYPERPARAMETERS", ())
    assert callable(module.init) and callable(module.update)


def step(names: str) -> str:
    return f"{names}\n\n\ndef update(state):\n    return state\n"


MODULES = {
    "own": step('HYPERPARAMETERS = ("rate", "decay")'),
    "none": step("OTHER = 1"),
    "helper": 'HYPERPARAMETERS = ("rate",)\n\n\ndef updated(state):\n    return state\n',
    "both": "from featurelearning.optimizers.own import HYPERPARAMETERS, init, update\n",
    "names": step("from featurelearning.optimizers.own import HYPERPARAMETERS"),
    "chain": "from featurelearning.optimizers.both import HYPERPARAMETERS, update\n",
    "function": 'from featurelearning.optimizers.own import update\n\nHYPERPARAMETERS = ("damping",)\n',
    "unused": "from featurelearning.optimizers.own import HYPERPARAMETERS\n",
}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("own", ("rate", "decay")),
        ("none", ()),
        ("helper", None),
        ("both", ("rate", "decay")),
        ("names", ("rate", "decay")),
        ("chain", ("rate", "decay")),
        ("function", ("damping",)),
        ("unused", None),
    ],
)
def test_names_and_update_may_be_imported_from_a_module_beside_it(name, found, tmp_path):
    for module, text in MODULES.items():
        (tmp_path / f"{module}.py").write_text(text, encoding="utf-8")
    assert methods.declared(tmp_path / f"{name}.py") == found
