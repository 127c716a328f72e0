"""The compiled descent against the general path, which has references of its own."""

import functools
import os

import numpy as np
import pytest
import torch

from featurelearning import descent, models, training
from featurelearning.optimizers import sigma_power
from featurelearning.optimizers.problem import Problem
from references import EXACT
from repository import require

STEPS = 100


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    found = descent.build(tmp_path_factory.mktemp("compiled"))
    require(found, "no C++ compiler, g++ or clang++: the compiled descent was not tried")
    return found


def task(m, n, d, h, full, dtype=torch.float64):
    """Return parameters, inputs, labels, P and rates of m random models; P is not symmetric where it is full."""
    rng = np.random.default_rng([m, n, d, h])
    params = models.stack([models.torch_default(rng, d, h, 1) for _ in range(m)], dtype)
    p = np.eye(d) + 0.3 * rng.standard_normal((m, d, d)) / d if full else rng.uniform(0.5, 1.5, (m, d))
    arrays = (rng.standard_normal((m, n, d)), rng.standard_normal((m, n)), p, rng.uniform(0.5, 1.5, m) * 0.1 / d)
    return params, *(torch.as_tensor(array, dtype=dtype) for array in arrays)


def both(library, params, x, y, p, rate, weight_decay, steps):
    """Return what the compiled descent and the general path make of the same models."""
    gradients = functools.partial(models.mse_gradients, x=x, y=y)
    general = training.stepper(gradients, sigma_power, Problem(p), rate.reshape(-1, 1, 1), weight_decay, False)
    fast = descent.stepper(library, x, y, p, rate, weight_decay)
    updates = torch.zeros(len(x), dtype=torch.int32)
    with torch.no_grad():
        return [advance(params, {}, updates, steps) for advance in (fast, general)]


def deviation(a: models.Params, b: models.Params) -> float:
    return max(float((a[key] - b[key]).abs().max() / b[key].abs().max()) for key in a)


@pytest.mark.parametrize("full", [False, True], ids=["diagonal", "full"])
@pytest.mark.parametrize(
    ("m", "n", "d", "h"),
    # one of everything; less than a vector; off every tile border; more inputs than one sweep; the paper's shape
    [
        (3, 1, 1, 1),
        (2, 7, 3, 5),
        (3, 33, 11, 17),
        (2, 65, 12, 64),
        (4, 129, 25, 96),
        (1, 60, 100, 20),
        (2, 200, 10, 500),
    ],
)
def test_agrees_with_the_general_path(library, m, n, d, h, full):
    params, x, y, p, rate = task(m, n, d, h, full)
    (fast, _, done), (general, _, expected) = both(library, params, x, y, p, rate, 0.05, STEPS)
    assert done.tolist() == expected.tolist() == [STEPS] * m
    assert deviation(fast, general) <= EXACT
    assert deviation(params, general) > 1e-3  # the models did move


def test_sees_a_small_change_of_the_preconditioner(library):
    params, x, y, p, rate = task(2, 40, 6, 24, False)
    (fast, *_), _ = both(library, params, x, y, p * (1 + 1e-6), rate, 0.0, STEPS)
    _, (general, *_) = both(library, params, x, y, p, rate, 0.0, STEPS)
    assert deviation(fast, general) > EXACT


def test_leaves_its_arguments_alone(library):
    params, x, y, p, rate = task(2, 20, 4, 8, False)
    before = {key: value.clone() for key, value in params.items()}
    both(library, params, x, y, p, rate, 0.0, 5)
    assert all(torch.equal(params[key], before[key]) for key in params)


def test_single_precision_follows_double(library):
    params, x, y, p, rate = task(3, 50, 5, 40, False, torch.float32)
    (fast, *_), (general, *_) = both(library, params, x, y, p, rate, 0.01, 20)
    assert fast["weight1"].dtype == torch.float32 and deviation(fast, general) < 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_diverging_model_is_masked_at_the_same_step_and_the_others_go_on(library, dtype):
    params, x, y, p, rate = task(4, 30, 5, 16, False, dtype)
    rate = rate * torch.tensor([1, 1e6, 1, 30], dtype=dtype)
    params["weight1"][2, 1, 3] = torch.inf
    (fast, _, done), (general, _, expected) = both(library, params, x, y, p, rate, 0.0, STEPS)
    assert done.tolist() == expected.tolist() and done[0] == STEPS and done[1] < STEPS and done[2] == 0
    for key in fast:
        assert torch.equal(fast[key].isnan(), general[key].isnan())
    alone = {key: value[:1] for key, value in params.items()}
    (single, *_), _ = both(library, alone, x[:1], y[:1], p[:1], rate[:1], 0.0, STEPS)
    assert all(torch.equal(single[key][0], fast[key][0]) for key in fast)


def test_many_calls_are_one_call(library):
    params, x, y, p, rate = task(2, 20, 4, 8, False)
    advance = descent.stepper(library, x, y, p, rate, 0.01)
    updates = torch.zeros(2, dtype=torch.int32)
    once, _, _ = advance(params, {}, updates, 12)
    for count in (1, 0, 4, 7):
        params, _, updates = advance(params, {}, updates, count)
    assert updates.tolist() == [12, 12] and all(torch.equal(once[key], params[key]) for key in once)


def test_without_a_compiler_one_line_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert descent.build(tmp_path / "none") is None
    assert capsys.readouterr().out.splitlines() == [
        "compile: no C++ compiler (g++, clang++, $CXX): the general step runs instead, slower"
    ]


def test_a_failing_compiler_is_reported_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    compiler = tmp_path / "g++"
    compiler.write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    assert descent.build(tmp_path / "cache") is None
    assert "failed, the general step runs instead" in capsys.readouterr().out and not os.listdir(tmp_path / "cache")
