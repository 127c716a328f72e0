"""The methods that the configuration may name are read from the optimisers' modules."""

import importlib
import importlib.util

import pytest

from workflow.core import methods


def test_every_module_with_an_update_is_a_method():
    assert {"sgd", "momentum", "adam", "sigma_power"} <= set(methods.HYPERPARAMETERS)
    assert not {"problem", "__init__"} & set(methods.HYPERPARAMETERS)


@pytest.mark.parametrize("name", methods.HYPERPARAMETERS)
def test_what_is_read_is_what_the_module_says(name):
    module = importlib.import_module(f"featurelearning.optimizers.{name}")
    assert methods.HYPERPARAMETERS[name] == getattr(module, "HYPERPARAMETERS", {})
    assert callable(module.init) and callable(module.update)


def test_methods_that_run_a_class_are_found_and_ask_it():
    assert methods.CLASSES == {"torch_optimizer": "class"}
    assert methods.faults("torch_optimizer", {"class": "torch.optim:SGD"}) == []
    [fault] = methods.faults("torch_optimizer", {"class": "torch.optim:SGD", "beta": 1})
    assert fault.startswith("beta: 1 given, which torch.optim:SGD does not take; allowed: momentum, ")


def test_a_class_is_left_to_the_job_where_snakemake_runs_without_torch(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert methods.faults("torch_optimizer", {"class": "no.such:One"}) == []


OWN = {"rate": (0, None), "decay": (-0.5, 1e-3)}


def step(names: str) -> str:
    return f"{names}\n\n\ndef update(state):\n    return state\n"


MODULES = {
    "own": step('HYPERPARAMETERS = {"rate": (0, None), "decay": (-0.5, 1e-3)}'),
    "none": step("OTHER = 1"),
    "helper": 'HYPERPARAMETERS = {"rate": (0, 1)}\n\n\ndef updated(state):\n    return state\n',
    "both": "from featurelearning.optimizers.own import HYPERPARAMETERS, init, update\n",
    "names": step("from featurelearning.optimizers.own import HYPERPARAMETERS"),
    "chain": "from featurelearning.optimizers.both import HYPERPARAMETERS, update\n",
    "function": 'from featurelearning.optimizers.own import update\n\nHYPERPARAMETERS = {"damping": (None, None)}\n',
    "unused": "from featurelearning.optimizers.own import HYPERPARAMETERS\n",
}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("own", OWN),
        ("none", {}),
        ("helper", None),
        ("both", OWN),
        ("names", OWN),
        ("chain", OWN),
        ("function", {"damping": (None, None)}),
        ("unused", None),
    ],
)
def test_names_and_update_may_be_imported_from_a_module_beside_it(name, found, tmp_path):
    for module, text in MODULES.items():
        (tmp_path / f"{module}.py").write_text(text, encoding="utf-8")
    assert methods.declared(tmp_path / f"{name}.py") == found


@pytest.mark.parametrize("given", ['("rate",)', '{"rate": 3}', '{"rate": (0, math.inf)}', '{"rate": (0, 1, 2)}', "7"])
def test_a_declaration_without_ranges_is_refused_with_the_file_and_an_example(given, tmp_path):
    path = tmp_path / "own.py"
    path.write_text(step(f"HYPERPARAMETERS = {given}"), encoding="utf-8")
    with pytest.raises(ValueError) as caught:
        methods.declared(path)
    message = str(caught.value)
    assert (
        message.startswith(f"{path}: HYPERPARAMETERS = ") and 'write for example HYPERPARAMETERS = {"rho": ' in message
    )
