"""Runs that are stopped and go on: the same bits as without a stop, whatever the method; the key; the files."""

import functools
import os
import signal
import threading

import numpy as np
import pytest
import torch

from featurelearning.files import checkpoints
from featurelearning.networks import curvature, dense, two_layer_kernels, two_layer_relu
from featurelearning.optimizers import adam, sgd, sigma_power, torch_optimizer
from featurelearning.optimizers.problem import Problem
from featurelearning.training import descent, loop
from references import METHODS, StopAt, hyperparameters, random_params

M, D, H, N = 3, 5, 8, 20
STEPS = loop.schedule(60, 8)
RATES = [0.05, 300.0, 0.02]  # the second model diverges


@pytest.fixture(scope="module")
def library(compiled):
    return two_layer_kernels.build(compiled)


def run(optimizer, dtype=torch.float32, library=None, checkpoint=None, given=None) -> loop.Run:
    """Train three models on the mean squared error."""
    rng = np.random.default_rng(11)
    params = {key: value.to(dtype) for key, value in random_params(rng, M, D, H).items()}
    x, y = (torch.tensor(rng.standard_normal(shape), dtype=dtype) for shape in ((M, N, D), (M, N)))
    gradients = functools.partial(two_layer_relu.mse_gradients, x=x, y=y)
    problem = Problem(
        torch.linspace(0.1, 2, D, dtype=dtype).repeat(M, 1),
        hyperparameters=given or hyperparameters(optimizer),
        gradients_along=functools.partial(dense.gradients_along, gradients),
        network=two_layer_relu,
        inputs=x,
        output_root=curvature.squared_error_root,
        streams=torch.arange(2 * M, dtype=torch.int32).reshape(M, 2),
    )
    rate = torch.tensor(RATES, dtype=dtype)
    advance = library and descent.stepper(two_layer_kernels, library, x, y, problem.preconditioner, rate, 0.01)
    rule = loop.Rule(gradients, optimizer, problem, rate, 0.01, advance=advance)

    def measure(params):
        return {"train_mse": two_layer_relu.mean_squared_error(params, x, y)}

    return loop.train(params, rule, loop.Record(STEPS, measure, [f"model {model}" for model in range(M)]), checkpoint)


def stopped_again_and_again(path, looks: int, train) -> loop.Run:
    """Train, stopped at every n-th look and begun anew from the saved state, until the run is through."""
    for _ in range(1000):
        try:
            return train(checkpoint=checkpoints.Checkpoint(path, 1e9, StopAt(looks)))
        except checkpoints.Interrupted:
            continue
    raise AssertionError("the run never ends")


def assert_same_bits(found: loop.Run, wanted: loop.Run) -> None:
    np.testing.assert_array_equal(found.diverged_at, wanted.diverged_at)
    np.testing.assert_array_equal(found.curves["train_mse"], wanted.curves["train_mse"])
    for key, value in wanted.params.items():
        np.testing.assert_array_equal(found.params[key].numpy(), value.numpy())


@pytest.mark.parametrize("looks", [2, 3, 8])
@pytest.mark.parametrize("optimizer", METHODS.values(), ids=METHODS)
def test_a_run_that_was_stopped_has_the_same_bits(optimizer, looks, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "PIECE", 0)  # a step at a time
    train = functools.partial(run, optimizer)
    whole = train()
    assert (whole.diverged_at[[0, 2]] == -1).all()
    assert_same_bits(stopped_again_and_again(tmp_path / "state", looks, train), whole)


@pytest.mark.parametrize(
    "given",
    [
        {
            "class": "torch.optim:LBFGS",
            "max_iter": 4,
            "line_search_fn": "strong_wolfe",
        },  # lists and numbers in its state
        {"class": "torch.optim:ASGD"},  # numbers in float32
    ],
    ids=lambda given: given["class"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_so_has_one_of_a_class(given, dtype, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "PIECE", 0)
    train = functools.partial(run, torch_optimizer, dtype, given=given)
    assert_same_bits(stopped_again_and_again(tmp_path / "state", 7, train), train())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_so_has_one_of_the_compiled_descent(library, dtype, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "PIECE", 0)
    train = functools.partial(run, sigma_power, dtype, library)
    whole = train()
    assert (whole.diverged_at > 0).tolist() == [False, True, False]
    assert_same_bits(stopped_again_and_again(tmp_path / "state", 2, train), whole)


def test_a_forgotten_state_would_be_seen(tmp_path, monkeypatch):
    """Adam's moments are part of the state: without them the run goes elsewhere."""
    monkeypatch.setattr(checkpoints, "PIECE", 0)
    path, train = tmp_path / "state", functools.partial(run, adam)
    with pytest.raises(checkpoints.Interrupted):
        train(checkpoint=checkpoints.Checkpoint(path, 1e9, StopAt(30)))
    state = torch.load(path)
    torch.save(state | {"state": adam.init(state["params"], Problem())}, path)
    found = train(checkpoint=checkpoints.Checkpoint(path, 1e9, threading.Event()))
    assert not np.array_equal(found.curves["train_mse"], train().curves["train_mse"])


def test_the_state_is_saved_when_its_time_has_come(tmp_path):
    often, never = (checkpoints.Checkpoint(tmp_path / name, s, threading.Event()) for name, s in (("a", 0), ("b", 1e9)))
    for checkpoint in (often, never):
        checkpoint.offer({"step": 3})
    assert often.restore(torch.device("cpu")) == {"step": 3} and never.restore(torch.device("cpu")) is None


def test_pieces_take_about_a_second_and_grow_at_most_tenfold(tmp_path):
    checkpoint = checkpoints.Checkpoint(tmp_path / "state", 1, threading.Event())
    checkpoint.paced(1, 1e-3)
    assert checkpoint.piece == 10
    checkpoint.paced(10, 0.05)
    assert checkpoint.piece == 100
    checkpoint.paced(100, 0.5)
    assert checkpoint.piece == 200
    checkpoint.paced(200, 1000.0)
    assert checkpoint.piece == 1


def test_sigterm_saves_says_where_and_the_next_run_goes_on_and_cleans_up(tmp_path, capsys):
    handler = signal.getsignal(signal.SIGTERM)
    folder = tmp_path / "state"
    with pytest.raises(checkpoints.Interrupted) as caught, checkpoints.kept(folder, 1e9, {"p": 1}, []) as checkpoint:
        os.kill(os.getpid(), signal.SIGTERM)
        run(sgd, checkpoint=checkpoint)
    [path] = folder.iterdir()
    assert str(caught.value) == (
        f"stopped by SIGTERM after step 1; the state is saved in {path}, the same command goes on from there"
    )
    assert signal.getsignal(signal.SIGTERM) is handler
    with checkpoints.kept(folder, 1e9, {"p": 1}, []) as checkpoint:
        assert_same_bits(run(sgd, checkpoint=checkpoint), run(sgd))
    assert f"training goes on after step 1, saved in {path}" in capsys.readouterr().out
    assert list(folder.iterdir()) == []


def test_an_error_leaves_the_state_for_the_next_run(tmp_path):
    with pytest.raises(ZeroDivisionError), checkpoints.kept(tmp_path, 0, {}, []) as checkpoint:
        checkpoint.part("0-4").offer({"step": 7})
        raise ZeroDivisionError
    with checkpoints.kept(tmp_path, 0, {}, []) as checkpoint:
        assert checkpoint.part("0-4").restore(torch.device("cpu")) == {"step": 7}
        assert checkpoint.part("5-9").restore(torch.device("cpu")) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"half of it", None])
def test_a_state_that_cannot_be_read_is_not_used(content, tmp_path, capsys):
    path = tmp_path / "state"
    checkpoint = checkpoints.Checkpoint(path, 0, threading.Event())
    checkpoint.offer({"step": 3, "params": {"weight1": torch.ones(1000)}})
    path.write_bytes(path.read_bytes()[:2000] if content is None else content)
    assert checkpoint.restore(torch.device("cpu")) is None
    assert capsys.readouterr().out.startswith(f"{path}: unreadable (") and path.exists()


def test_the_key_holds_all_that_the_result_depends_on(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"data")
    b.write_bytes(b"data")
    made_with = {"parameters": '{"steps": 5}', "code_fingerprint": "1", "device": "cpu"}
    key = checkpoints.key(made_with, [a])
    assert key == checkpoints.key(dict(reversed(made_with.items())), [b]) and len(key) == 32
    others = [checkpoints.key(made_with | {name: "other"}, [a]) for name in made_with]
    b.write_bytes(b"date")
    others += [checkpoints.key(made_with, files) for files in ([b], [], [a, a])]
    assert len({key, *others}) == 1 + len(others)
