"""The methods that the configuration may name are read from the optimisers' modules."""

import importlib

import pytest

import methods


def test_every_module_with_an_update_is_a_method():
    assert {"sgd", "momentum", "adam", "sigma_power"} <= set(methods.HYPERPARAMETERS)
    assert not {"problem", "__init__"} & set(methods.HYPERPARAMETERS)


@pytest.mark.parametrize("name", methods.HYPERPARAMETERS)
def test_what_is_read_is_what_the_module_says(name):
    module = importlib.import_module(f"featurelearning.optimizers.{name}")
    assert methods.HYPERPARAMETERS[name] == getattr(module, "HYPERPARAMETERS", ())
    assert callable(module.init) and callable(module.update)
