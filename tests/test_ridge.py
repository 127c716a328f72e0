"""The closed-form head against scikit-learn, whose objective is n times ours: alpha = ridge * n."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error

from featurelearning import ridge
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
