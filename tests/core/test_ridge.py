"""The closed-form head against scikit-learn, whose objective is n times ours: alpha = ridge * n."""

import numpy as np
import pytest
from scipy.linalg import solve
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.metrics import mean_squared_error

from featurelearning.training import ridge
from references import assert_close


@pytest.mark.parametrize("n, h", [(200, 30), (30, 30), (30, 200)])
@pytest.mark.parametrize("penalty", [1e-3, 0.3])
def test_the_head_is_scikit_learns(n, h, penalty):
    rng = np.random.default_rng(n + h)
    features = np.maximum(rng.standard_normal((n, h)) + 0.5, 0)
    features[:, :3] = 0  # dead units
    y = rng.standard_normal(n) + 4
    head = ridge.fit(features, y, penalty)
    wanted = Ridge(alpha=penalty * n, solver="svd").fit(features, y)
    assert_close(head.weight, wanted.coef_)
    assert_close(head.bias, wanted.intercept_)
    assert_close(ridge.mean_squared_error(head, features, y), mean_squared_error(y, wanted.predict(features)))


def test_the_gradient_of_the_stated_objective_vanishes():
    rng = np.random.default_rng(0)
    z, y = rng.standard_normal((50, 7)), rng.standard_normal(50) + 1
    head = ridge.fit(z, y, 0.01)
    error = z @ head.weight + head.bias - y
    assert np.abs(z.T @ error / 50 + 0.01 * head.weight).max() < 1e-14
    assert abs(error.mean()) < 1e-14


def test_features_of_a_diverged_model_give_nan_and_no_error():
    features = np.ones((5, 3))
    features[2, 1] = np.nan
    head = ridge.fit(features, np.arange(5.0), 1e-3)
    assert head.weight.shape == (3,) and np.isnan(head.weight).all() and np.isnan(head.bias)
    assert np.isnan(ridge.mean_squared_error(head, features, np.arange(5.0)))


@pytest.mark.parametrize("n, h", [(60, 7), (7, 60)])
def test_one_output_is_to_the_bit_what_the_formula_of_one_output_gives(n, h):
    rng = np.random.default_rng(h)
    z, y = rng.standard_normal((n, h)), rng.standard_normal(n) + 3
    centred, residual, penalty = z - z.mean(axis=0), y - y.mean(), 0.01 * n
    if h <= n:
        weight = solve(centred.T @ centred + penalty * np.eye(h), centred.T @ residual, assume_a="pos")
    else:
        weight = centred.T @ solve(centred @ centred.T + penalty * np.eye(n), residual, assume_a="pos")
    head = ridge.fit(z, y, 0.01)
    np.testing.assert_array_equal(head.weight, weight)
    assert isinstance(head.bias, float) and head.bias == float(y.mean() - z.mean(axis=0) @ weight)


@pytest.mark.parametrize("n, h", [(80, 9), (20, 40)])
def test_several_outputs_are_as_many_heads(n, h):
    rng = np.random.default_rng(n)
    z, y = rng.standard_normal((n, h)), rng.standard_normal((n, 4)) + np.arange(4)
    head = ridge.fit(z, y, 0.02)
    wanted = Ridge(alpha=0.02 * n, solver="svd").fit(z, y)
    assert_close(head.weight, wanted.coef_.T)
    assert_close(head.bias, wanted.intercept_)
    for i in range(4):
        one = ridge.fit(z, y[:, i], 0.02)
        assert_close(head.weight[:, i], one.weight)
        assert_close(head.bias[i], one.bias)


def test_the_classifying_head_is_scikit_learns():
    # scikit-learn's targets are -1 and 1, which scales and shifts every output alike and moves no largest one.
    rng = np.random.default_rng(5)
    labels = rng.integers(10, size=300)
    z = rng.standard_normal((300, 12)) + 1.2 * rng.standard_normal((10, 12))[labels]
    fresh, asked = z[200:], labels[200:]
    head = ridge.fit(z[:200], ridge.one_hot(labels[:200], 10), 1e-3)
    wanted = RidgeClassifier(alpha=1e-3 * 200, solver="svd").fit(z[:200], labels[:200])
    np.testing.assert_array_equal((fresh @ head.weight + head.bias).argmax(axis=1), wanted.predict(fresh))
    assert ridge.accuracy(head, fresh, asked) == wanted.score(fresh, asked)
    assert 0.2 < wanted.score(fresh, asked) < 1


def test_one_hot_against_a_plain_loop():
    labels = np.array([2, 0, 1, 2])
    wanted = [[1.0 if c == label else 0.0 for c in range(3)] for label in labels.tolist()]
    np.testing.assert_array_equal(ridge.one_hot(labels, 3), wanted)


def test_a_class_without_samples_is_never_chosen_on_the_data_and_raises_nothing():
    z = np.random.default_rng(0).standard_normal((30, 40))
    labels = np.repeat([0, 2], 15)
    head = ridge.fit(z, ridge.one_hot(labels, 3), 1e-6)
    assert_close(head.weight[:, 1], np.zeros(40))
    assert ridge.accuracy(head, z, labels) == 1


def test_several_outputs_of_a_diverged_model_are_nan():
    z = np.full((6, 3), np.nan)
    head = ridge.fit(z, ridge.one_hot(np.arange(6) % 2, 2), 1e-3)
    assert head.weight.shape == (3, 2) and head.bias.shape == (2,)
    assert np.isnan(head.weight).all() and np.isnan(head.bias).all()
    assert np.isnan(ridge.accuracy(head, z, np.zeros(6, int)))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ridge.fit(np.ones((5, 2)), np.ones(4), 0.1), r"y: shape \[4\] given; allowed: \[5\]"),
        (lambda: ridge.fit(np.ones((5, 2)), np.full(5, np.nan), 0.1), "y: 5 of 5 values are not finite"),
        (lambda: ridge.fit(np.ones((5, 2)), np.ones(5), 0.0), "ridge: 0 given; allowed: above 0"),
        (
            lambda: ridge.mean_squared_error(ridge.Head(np.ones(2), 0.0), np.ones((5, 2)), np.ones((5, 1))),
            r"y: shape \[5, 1\] given; allowed: \[5\]",
        ),
        (lambda: ridge.one_hot(np.array([0, 3]), 3), "labels: classes 0 to 3 given; allowed: 0 to 2"),
        (
            lambda: ridge.accuracy(ridge.Head(np.ones((2, 3)), np.ones(3)), np.ones((5, 2)), np.ones((5, 1))),
            r"labels: shape \[5, 1\] given; allowed: \[5\]",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
