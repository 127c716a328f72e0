"""Recorded measures against scikit-learn and torch, at sample numbers beyond one block."""

import functools

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, mean_squared_error
from torch.nn import functional

from featurelearning.networks import two_layer_relu
from featurelearning.training import measures
from references import assert_close, network, random_params

M, D, H = 3, 4, 6
PREDICT = functools.partial(measures.predict, two_layer_relu.forward)


def outputs(params, x: torch.Tensor) -> list[np.ndarray]:
    return [network(params, model)(x[model]).detach().numpy() for model in range(M)]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


@pytest.mark.parametrize("n", [1, measures.BLOCK, 2 * measures.BLOCK + 3])
def test_predictions_in_blocks_are_the_networks(rng, n):
    params, x = random_params(rng, M, D, H, 2), torch.tensor(rng.standard_normal((M, n, D)))
    assert_close(PREDICT(params, x), outputs(params, x))


def test_regression_measures_are_mean_squared_errors(rng):
    params = random_params(rng, M, D, H)
    x = {split: torch.tensor(rng.standard_normal((M, n, D))) for split, n in (("train", 30), ("test", 500))}
    y = {key: torch.tensor(rng.standard_normal((M, n))) for key, n in (("train", 30), ("test", 500), ("clean", 500))}
    found = measures.regression(params, x["train"], y["train"], x["test"], y["test"], y["clean"], PREDICT)
    assert list(found) == ["train_mse", "test_mse", "clean_mse"]
    for name, values in found.items():
        label = name.removesuffix("_mse")
        predicted = outputs(params, x["train" if label == "train" else "test"])
        wanted = [mean_squared_error(y[label][model], predicted[model][:, 0]) for model in range(M)]
        assert_close(values, wanted)


def test_classification_measures_are_cross_entropy_and_accuracies(rng):
    params = random_params(rng, M, D, H, 4)
    x = {split: torch.tensor(rng.standard_normal((M, n, D))) for split, n in (("train", 30), ("validation", 500))}
    y = {split: torch.tensor(rng.integers(4, size=(M, x[split].shape[1]))) for split in x}
    found = measures.classification(params, x["train"], y["train"], x["validation"], y["validation"], PREDICT)
    for model in range(M):
        net = network(params, model)
        assert_close(
            found["train_loss"][model], functional.cross_entropy(net(x["train"][model]), y["train"][model]).item()
        )
        for split in x:
            wanted = accuracy_score(y[split][model], net(x[split][model]).argmax(dim=1))
            assert_close(found[f"{split}_accuracy"][model], wanted)
