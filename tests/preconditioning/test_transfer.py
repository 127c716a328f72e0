"""Transfer between real sets: accuracies against torch's own network and scikit-learn's classifier."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifier

from featurelearning.files.image_sets import ImageSet
from featurelearning.networks import two_layer_arrays, two_layer_relu
from featurelearning.preconditioning import images, transfer
from featurelearning.seeding import generator
from references import network, random_params

D, HIDDEN = 6, 8


@pytest.fixture
def data():
    """A small set with ten classes that overlap."""
    rng = np.random.default_rng(3)
    centres = rng.random((10, D))
    parts = []
    for n in (200, 90):
        labels = rng.integers(10, size=n)
        x = np.clip(centres[labels] + 0.15 * rng.standard_normal((n, D)), 0, 1).astype(np.float32)
        parts += [x, labels]
    return ImageSet(*parts)


@pytest.fixture
def params():
    drawn = random_params(np.random.default_rng(4), 1, D, HIDDEN, 10)
    return {key: value[0].numpy() for key, value in drawn.items()}


def test_accuracy_of_the_network_is_torchs(data, params):
    reference = network({key: torch.tensor(value)[None] for key, value in params.items()}, 0)
    with torch.no_grad():
        chosen = reference(torch.tensor(data.test_images, dtype=torch.float64)).argmax(dim=1).numpy()
    data = data._replace(test_labels=np.where(np.arange(90) % 3 == 0, chosen, data.test_labels))
    found = transfer.network_accuracy(params, data)
    assert found == np.mean(chosen == data.test_labels) and 1 / 3 <= found < 1


def test_the_refitted_head_is_scikit_learns_classifier_and_sees_its_rows_only(data, params):
    rows = np.random.default_rng(5).permutation(200)[:120]
    reference = network({key: torch.tensor(value)[None] for key, value in params.items()}, 0)[:2]
    with torch.no_grad():
        z, fresh = (
            reference(torch.tensor(x, dtype=torch.float64)).numpy() for x in (data.train_images, data.test_images)
        )
    wanted = RidgeClassifier(alpha=0.01 * 120, solver="svd").fit(z[rows], data.train_labels[rows])
    found = transfer.refitted_accuracy(params, data, rows, 0.01)
    assert found == wanted.score(fresh, data.test_labels) and found > 0.3
    others = np.setdiff1d(np.arange(200), rows)
    changed = data.train_images.copy()
    changed[others] = 0
    assert transfer.refitted_accuracy(params, data._replace(train_images=changed), rows, 0.01) == found


def test_only_the_first_layer_counts_in_a_transfer(data, params):
    other = params | {"weight2": -params["weight2"], "bias2": params["bias2"] + 1}
    found = [transfer.refitted_accuracy(given, data, np.arange(150), 1e-3) for given in (params, other)]
    assert found[0] == found[1]
    assert transfer.network_accuracy(params, data) != transfer.network_accuracy(other, data)


def test_accuracies_of_a_diverged_model_are_nan(data, params):
    broken = params | {"weight1": np.full((D, HIDDEN), np.nan)}
    assert np.isnan(transfer.network_accuracy(broken, data))
    assert np.isnan(transfer.refitted_accuracy(broken, data, np.arange(50), 1e-3))


def test_the_untrained_network_depends_on_the_seed_alone():
    first = transfer.initial(42, 3, D, HIDDEN)
    wanted = two_layer_relu.torch_default(generator(42, "initialisation", 3), D, HIDDEN, 10)
    for key, value in wanted.items():
        np.testing.assert_array_equal(first[key], value)
    assert not np.isclose(first["weight1"], transfer.initial(42, 4, D, HIDDEN)["weight1"]).any()
    assert two_layer_arrays.hidden(first, np.ones((2, D))).shape == (2, HIDDEN)


def test_too_few_images_name_the_keys_of_the_study():
    with pytest.raises(ValueError, match="real.samples_train [+] real.samples_validation: 150 [+] 51 exceed the 200"):
        images.split(42, 0, 150, 51, 200, "real")
