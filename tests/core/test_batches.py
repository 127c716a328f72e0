"""The memory of a batch: its estimate against hand counts and a real device, and that parts train the same models."""

import numpy as np
import pytest
import torch

from featurelearning.files import checkpoints
from featurelearning.networks import dense, two_layer_relu
from featurelearning.training import batches, classification, experiments, methods, regression
from featurelearning.training.experiments import Models, Place, Recipe
from references import StopAt, assert_close

SETTINGS = {"steps": 20, "records": 5, "learning_rate": 0.05, "weight_decay": 0.1}
M, D, H, N = 7, 4, 6, 15


def network(rng, outputs=1):
    return two_layer_relu.torch_default(rng, D, H, outputs)


def problem(m=M):
    """Return models, data and per-model arguments of a regression in an eigenbasis."""
    rng = np.random.default_rng(5)
    data = {"x_train": rng.standard_normal((m, N, D)), "y_train": rng.standard_normal((m, N))}
    data |= {"x_test": rng.standard_normal((m, 2 * N, D)), "y_test": rng.standard_normal((m, 2 * N))}
    data["clean_test"] = data["y_test"] + 0.1
    basis = np.stack([np.linalg.qr(rng.standard_normal((D, D)))[0] for _ in range(m)])
    powers = rng.uniform(0.5, 1.5, (m, D))
    return [network(rng) for _ in range(m)], data, [f"model {i}" for i in range(m)], basis, powers


def fit(memory=None):
    initial, data, names, basis, powers = problem()
    recipe = Recipe("sigma_power", **SETTINGS, basis=basis, powers=powers)
    return regression.fit(
        Models(two_layer_relu, initial, data, names), recipe, Place(dtype=torch.float64, memory=memory)
    )


@pytest.mark.parametrize(
    "models, each, memory, sizes",
    [
        (10, 5, 50, [10]),
        (10, 5, 49, [5, 5]),
        (10, 5, 20, [3, 3, 4]),
        (10, 5, 5, [1] * 10),
        (3, 5, 1, [1, 1, 1]),
    ],
)
def test_parts_are_few_even_and_whole(models, each, memory, sizes):
    parts = batches.parts(models, each, memory)
    assert sorted(part.stop - part.start for part in parts) == sizes
    assert [i for part in parts for i in range(models)[part]] == list(range(models))


def test_the_estimate_counts_data_parameters_and_activations():
    initial, data, *_ = problem()
    numbers = N * D + N + 2 * N * D + 2 * N + 2 * N
    parameters = D * H + H + H + 1
    expected = 4 * (numbers + 6 * parameters + 2 * 7 + 4 * 2 * N * (H + 1))
    assert batches.bytes_per_model(initial[0], data, 7, 4) == expected


@pytest.mark.parametrize("name", methods.known())
def test_the_state_of_every_method_is_counted_without_making_it(name):
    initial, data, names, basis, powers = problem()
    module = methods.load(name)
    given = {key: np.full(M, 0.5) for key in getattr(module, "HYPERPARAMETERS", {})}
    given |= {module.CLASS: "torch.optim:Adam"} if hasattr(module, "CLASS") else {}
    streams = np.zeros((M, 2), np.int32)
    recipe = Recipe(name, **SETTINGS, hyperparameters=given, basis=basis, powers=powers, streams=streams)
    models = Models(two_layer_relu, initial, data, names)
    made = experiments.problem_of(recipe, Place())._replace(
        network=two_layer_relu, inputs=torch.tensor(data["x_train"], dtype=torch.float32)
    )
    state = module.init(dense.stack(initial, torch.float32), made)
    numbers = [value.numel() / M for part in state.values() for value in part.values()]
    assert experiments.state_size(models, recipe) == sum(numbers)
    squares = {"soap": 2 * (D**2 + 2 * H**2 + 1), "shampoo": 2 * (D**2 + 3 * H**2 + 2)}
    assert sum(numbers) >= squares.get(name, 0)


@pytest.mark.parametrize("models_at_once", [1, 2, 3, 6])
def test_a_batch_in_parts_trains_the_same_models(models_at_once, capsys):
    whole = fit()
    assert capsys.readouterr().out == ""
    initial, data, *_ = problem()
    parts = fit(models_at_once * batches.bytes_per_model(initial[0], data, 0, 8))
    count = -(-M // models_at_once)
    line = f"memory: {M} models are more than the device holds, they are trained in {count} parts\n"
    assert capsys.readouterr().out == line
    for name, curve in whole.curves.items():
        assert_close(parts.curves[name], curve, 1e-12)
    for name, value in whole.params.items():
        assert_close(parts.params[name], value, 1e-12)
    assert_close(parts.first_layer_change, whole.first_layer_change, 1e-12)
    np.testing.assert_array_equal(parts.diverged_at, [-1] * M)


def test_learning_rates_go_with_their_models():
    rng = np.random.default_rng(6)
    initial = [network(rng, 3) for _ in range(4)]
    sets = {f"{kind}_{name}" for kind in "xy" for name in ("train", "validation")}
    x, y = rng.standard_normal((4, N, D)), rng.integers(0, 3, (4, N))
    data = {name: x if name.startswith("x") else y for name in sets}
    recipe = Recipe("sgd", **SETTINGS | {"learning_rate": np.array([0.01, 0.1, 0.5, 1.0])})
    models = Models(two_layer_relu, initial, data, list("abcd"))
    whole, parts = (
        classification.fit(models, recipe, Place(dtype=torch.float64, memory=memory)) for memory in (None, 1)
    )
    assert_close(parts.curves["train_loss"], whole.curves["train_loss"], 1e-12)
    assert len(set(whole.curves["train_loss"][:, -1])) == 4


def test_parts_that_were_trained_are_not_trained_again(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(checkpoints, "PIECE", 1e9)  # four looks a part, however busy the machine is
    initial, data, names, basis, _ = problem()
    memory = 3 * batches.bytes_per_model(initial[0], data, 2 * (D * H + H + H + 1) + 1, 8)

    def train(looks):
        checkpoint = checkpoints.Checkpoint(tmp_path / "state", 1e9, StopAt(looks))
        place = Place(dtype=torch.float64, memory=memory, checkpoint=checkpoint)
        models = Models(two_layer_relu, initial, data, names)
        return regression.fit(models, Recipe("adam", **SETTINGS, basis=basis), place)

    whole = train(looks=1000)
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(checkpoints.Interrupted):
        train(looks=8)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state.0-1.eager", "state.2-3.eager"]
    capsys.readouterr()
    again = train(looks=1000)
    out = capsys.readouterr().out
    assert "training goes on after step 20, saved in" in out and "/state.0-1.eager" in out and "/state.2-3.eager" in out
    for name, curve in whole.curves.items():
        np.testing.assert_array_equal(again.curves[name], curve)
    for name, value in whole.params.items():
        np.testing.assert_array_equal(again.params[name], value)


def test_the_estimate_is_enough_on_a_real_device():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device: the estimate was not held against a real one")
    rng = np.random.default_rng(7)
    m, n, d, h = 8, 2000, 10, 500
    initial = [two_layer_relu.kaiming_uniform(rng, d, h, 1, 0.1) for _ in range(m)]
    data = {"x_train": rng.standard_normal((m, n, d)), "y_train": rng.standard_normal((m, n))}
    data |= {"x_test": data["x_train"], "y_test": data["y_train"], "clean_test": data["y_train"]}
    torch.cuda.reset_peak_memory_stats()
    models = Models(two_layer_relu, initial, data, [str(i) for i in range(m)])
    regression.fit(models, Recipe("adam", **SETTINGS), Place("cuda"))
    peak = torch.cuda.max_memory_allocated()
    state = experiments.state_size(models, Recipe("adam", **SETTINGS))
    assert peak <= m * batches.bytes_per_model(initial[0], data, state, 4) <= 5 * peak
