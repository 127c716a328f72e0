"""The training loop against plain torch loops: records, weight decay, batching, divergence, compilation."""

import functools
import types

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from featurelearning.networks import curvature, dense, two_layer_relu
from featurelearning.optimizers import adahessian, adam, muon, sgd, sigma_power, soap
from featurelearning.optimizers.problem import Problem
from featurelearning.seeding import generator
from featurelearning.training import compiling, loop
from references import METHODS, assert_close, descend, hyperparameters, network, random_params, weights
from repository import require
from workflow.core import methods

M, D, H, N = 4, 5, 8, 20


def task(m: int = M, seed: int = 30) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    return (
        random_params(rng, m, D, H),
        torch.tensor(rng.standard_normal((m, N, D))),
        torch.tensor(rng.normal(size=(m, N))),
    )


def fit(params, x, y, optimizer=sgd, problem=None, rate=0.05, weight_decay=0.0, steps=range(0, 101, 10), **options):
    """Train on the mean squared error and record it, unless options say otherwise."""
    gradients = options.pop("gradients", functools.partial(two_layer_relu.mse_gradients, x=x, y=y))
    names = [f"model {model}" for model in range(len(x))]
    measure = options.pop("measure", lambda params: {"train_mse": two_layer_relu.mean_squared_error(params, x, y)})
    record = loop.Record(list(steps), measure, names, *(options.pop(key) for key in ["progress"] if key in options))
    return loop.train(
        params, loop.Rule(gradients, optimizer, problem or Problem(), rate, weight_decay, **options), record
    )


def chosen(tensors: tuple, keep: list[int]) -> tuple:
    params, x, y = tensors
    return {key: value[keep] for key, value in params.items()}, x[keep], y[keep]


def complete(x: Tensor, y: Tensor, streams: Tensor, optimizer: object) -> Problem:
    """Return a problem that serves a method."""
    return Problem(
        torch.linspace(0.1, 2, D, dtype=x.dtype).repeat(len(x), 1),
        hyperparameters=hyperparameters(optimizer),
        gradients_along=functools.partial(
            dense.gradients_along, functools.partial(two_layer_relu.mse_gradients, x=x, y=y)
        ),
        network=two_layer_relu,
        inputs=x,
        output_root=curvature.squared_error_root,
        streams=streams,
    )


def first_update_not_finite(net, loss, x: Tensor, rate: float, limit: int) -> int:
    """Return the number of updates after which a torch network is not finite."""
    optimizer = torch.optim.SGD(net.parameters(), lr=rate)
    for update in range(1, limit + 1):
        descend(net, loss, optimizer, x, steps=1)
        if not all(value.isfinite().all() for value in net.parameters()):
            return update
    raise AssertionError("the network stays finite")


@pytest.mark.parametrize("steps, records", [(10_000, 150), (500, 150), (100, 20), (1, 2), (3, 150), (7, 2), (0, 10)])
def test_the_schedule_holds_first_and_last_and_no_step_twice(steps, records):
    found = loop.schedule(steps, records)
    assert found.dtype.kind == "i"
    assert found[0] == 0 and found[-1] == steps
    assert (np.diff(found) > 0).all()
    assert len(found) <= records + 1


def test_the_schedule_is_evenly_spaced_in_the_logarithm():
    found = loop.schedule(10_000, 150)
    assert 110 <= len(found) <= 150
    ratios = np.diff(np.log(found[found > 200]))
    assert_close(ratios, np.full(len(ratios), np.log(10_000) / 148), 0.05)


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize("gradients", ["closed form", "autograd"])
def test_every_record_is_that_of_the_plain_torch_loop(weight_decay, gradients):
    params, x, y = task()
    general = functools.partial(dense.autograd_gradients, x=x, y=y, loss=two_layer_relu.mean_squared_error)
    options = {"gradients": general} if gradients == "autograd" else {}
    run = fit(params, x, y, weight_decay=weight_decay, **options)
    for model in range(M):
        net = network(params, model)
        loss = functools.partial(functional.mse_loss, target=y[model][:, None])
        optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
        wanted = descend(net, loss, optimizer, x[model], 100, weight_decay=weight_decay)
        assert_close(run.curves["train_mse"][model], wanted[::10])
        for key, value in weights(net).items():
            assert_close(run.params[key][model], value)
    np.testing.assert_array_equal(run.diverged_at, [-1] * M)


def test_learning_rates_may_differ_between_models():
    params, x, y = task()
    rates = torch.tensor([0.01, 0.02, 0.05, 0.1], dtype=torch.float64)
    run = fit(params, x, y, rate=rates)
    for model, rate in enumerate(rates.tolist()):
        alone = fit(*chosen((params, x, y), [model]), rate=rate)
        assert_close(run.curves["train_mse"][model], alone.curves["train_mse"][0])


def test_the_starting_point_is_left_alone():
    params, x, y = task()
    kept = {key: value.clone() for key, value in params.items()}
    fit(params, x, y)
    assert all(torch.equal(params[key], kept[key]) for key in kept)


def test_weight_decay_is_the_gradient_of_the_l2_term_on_weights_only():
    params, _, _ = task()
    leaves = {key: value.clone().requires_grad_() for key, value in params.items()}
    (0.7 / 2 * (leaves["weight1"].square().sum() + leaves["weight2"].square().sum())).backward()
    zeros = {key: torch.zeros_like(value) for key, value in params.items()}
    found = loop.decayed(zeros, params, 0.7)
    for key in ("weight1", "weight2"):
        assert_close(found[key], leaves[key].grad)
    for key in ("bias1", "bias2"):
        assert leaves[key].grad is None and not found[key].any()


def test_progress_is_told_every_recorded_step():
    told = []
    fit(*task(), steps=[0, 1, 4, 9], progress=told.append)
    assert told == [0, 1, 4, 9]


@pytest.mark.parametrize("optimizer", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("size", [1, 3])
def test_shards_of_any_size_train_the_same_models(optimizer, size):
    """Seeds 0..9 in shards of 1, 3 and 10: data and initialisation bit for bit, float64 curves to 1e-9.

    SOAP over 30 steps, not 100: it divides by small numbers, and has made 1e-9 of rounding by then.
    """
    steps = 31 if optimizer is soap else 101

    def shard(seeds: range):
        drawn = [two_layer_relu.kaiming_uniform(generator(42, "initialisation", seed), D, H, 1, 0.1) for seed in seeds]
        x = [torch.tensor(generator(42, "inputs", seed).standard_normal((N, D))) for seed in seeds]
        y = [torch.tensor(generator(42, "label noise", seed).standard_normal(N)) for seed in seeds]
        return dense.stack(drawn, torch.float64), torch.stack(x), torch.stack(y)

    def trained(tensors, seeds: range):
        words = [generator(42, "hutchinson", seed).integers(-(2**31), 2**31, 2) for seed in seeds]
        streams = torch.tensor(np.stack(words), dtype=torch.int32)
        problem = complete(*tensors[1:], streams, optimizer)
        return fit(*tensors, optimizer=optimizer, problem=problem, steps=range(steps))

    whole = shard(range(10))
    curves = trained(whole, range(10)).curves["train_mse"]
    for first in range(0, 10, size):
        seeds = range(first, min(first + size, 10))
        params, x, y = shard(seeds)
        wanted_params, wanted_x, wanted_y = chosen(whole, list(seeds))
        assert all(torch.equal(params[key], wanted_params[key]) for key in params)
        assert torch.equal(x, wanted_x) and torch.equal(y, wanted_y)
        found = trained((params, x, y), seeds).curves["train_mse"]
        np.testing.assert_allclose(found, curves[list(seeds)], rtol=1e-9, atol=0)


def test_a_diverged_model_is_masked_from_its_step_on_and_the_others_go_on():
    params, x, y = task()
    rates = torch.tensor([0.05, 300.0, 0.02, 10.0], dtype=torch.float64)
    steps = list(range(0, 101)) + [400]
    run = fit(params, x, y, rate=rates, steps=steps)
    for model in (1, 3):
        loss = functools.partial(functional.mse_loss, target=y[model][:, None])
        wanted = first_update_not_finite(network(params, model), loss, x[model], float(rates[model]), 400)
        assert run.diverged_at[model] == wanted > 1
        finite = np.isfinite(run.curves["train_mse"][model])
        assert not finite[[step >= wanted for step in steps]].any()
        assert finite[: wanted // 2].all()
        assert all(value[model].isnan().all() for value in run.params.values())
    without = fit(*chosen((params, x, y), [0, 2]), rate=rates[[0, 2]], steps=steps)
    np.testing.assert_array_equal(run.diverged_at[[0, 2]], [-1, -1])
    assert_close(run.curves["train_mse"][[0, 2]], without.curves["train_mse"], 1e-12)
    for key, value in without.params.items():
        assert_close(run.params[key][[0, 2]], value, 1e-12)


def test_a_divergence_between_records_is_dated_by_its_own_step():
    params, x, y = task()
    rates = torch.tensor([0.05, 300.0, 0.02, 10.0], dtype=torch.float64)
    every, last = (fit(params, x, y, rate=rates, steps=steps).diverged_at for steps in (range(401), [0, 400]))
    np.testing.assert_array_equal(every, last)


def test_a_gradient_that_is_not_finite_masks_its_model_at_once():
    params, x, y = task()
    y[2, 0] = torch.nan
    run = fit(params, x, y)
    np.testing.assert_array_equal(run.diverged_at, [-1, -1, 1, -1])


def test_every_measure_of_a_diverged_model_is_nan_even_one_that_nan_outputs_would_give_a_number():
    params, x, y = task()
    y[2, 0] = torch.nan
    run = fit(params, x, y, steps=[0, 1, 5], measure=lambda params: {"accuracy": torch.ones(M)})
    np.testing.assert_array_equal(run.curves["accuracy"], [[1, 1, 1], [1, 1, 1], [1, np.nan, np.nan], [1, 1, 1]])


def test_all_models_diverged_is_an_error_that_names_models_and_step():
    params, x, y = task()
    y[:, 0] = torch.inf
    with pytest.raises(loop.TrainingError) as caught:
        fit(params, x, y)
    assert str(caught.value) == (
        "every model diverged, the first in step 1: model 0, model 1, model 2, model 3; "
        "allowed: a finite gradient in at least one model; the loss or its gradient is not finite before the first "
        "update, so no learning rate helps: mend the inputs, labels or initial parameters, which are not finite or "
        "overflow when multiplied"
    )


@pytest.mark.parametrize(
    "change, found",
    [
        (lambda g: {key: value for key, value in g.items() if key != "bias1"}, "none"),
        (lambda g: {**g, "bias1": g["bias1"][:, 0]}, "[4, 8]"),
    ],
)
def test_a_missing_or_misshapen_gradient_is_refused_before_training(change, found):
    params, x, y = task()

    def gradients(params):
        losses, result = two_layer_relu.mse_gradients(params, x, y)
        return losses, change(result)

    with pytest.raises(loop.TrainingError) as caught:
        fit(params, x, y, gradients=gradients)
    assert str(caught.value) == (
        f"gradient of 'bias1': found {found}, needed shape [4, 1, 8]; "
        "let the gradient function return one entry per parameter"
    )


@pytest.mark.parametrize("name", [name for name, given in methods.HYPERPARAMETERS.items() if given])
def test_a_missing_hyperparameter_is_named_before_training(name):
    params, x, y = task()
    problem = complete(x, y, torch.zeros(M, 2, dtype=torch.int32), METHODS[name])._replace(hyperparameters={})
    with pytest.raises(ValueError, match=f"^hyperparameters of {name}: .*: missing; allowed: .*; add it$"):
        fit(params, x, y, METHODS[name], problem)


@pytest.fixture(scope="module")
def compile_cache(tmp_path_factory):
    """A cache of compiled code for this module, so that no earlier run answers for the compiler."""
    folder = tmp_path_factory.mktemp("compile")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(folder))
        patch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "1")
        yield folder


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")  # torch's own import
@pytest.mark.parametrize(
    "path, optimizer",
    [
        ("closed form", sigma_power),
        ("autograd", adam),
        pytest.param("closed form", adahessian, marks=pytest.mark.long),
        pytest.param("closed form", muon, marks=pytest.mark.long),
    ],
)
def test_the_compiled_step_is_the_eager_one(compile_cache, path, optimizer):
    require(compiling.possible(torch.device("cpu")), "no C++ compiler or Python headers: torch.compile was not tried")
    params, x, y = task()
    y[1, 0] = torch.nan  # its model diverges
    problem = complete(x, y, torch.arange(2 * M, dtype=torch.int32).reshape(M, 2), optimizer)
    general = functools.partial(dense.autograd_gradients, x=x, y=y, loss=two_layer_relu.mean_squared_error)
    options = {"gradients": general} if path == "autograd" else {}
    eager, compiled = (
        fit(params, x, y, optimizer, problem, weight_decay=0.1, steps=range(6), compiled=flag, **options)
        for flag in (False, True)
    )
    assert any(compile_cache.rglob("*.so"))
    np.testing.assert_array_equal(compiled.diverged_at, eager.diverged_at)
    alive = [0, 2, 3]
    assert_close(compiled.curves["train_mse"][alive], eager.curves["train_mse"][alive])
    for key in params:
        assert_close(compiled.params[key][alive], eager.params[key][alive])
        assert compiled.params[key][1].isnan().all()


class Curved(types.ModuleType):
    """A method whose step is g + H v / 10 with v = 2 params; it may say so."""

    def init(self, params, problem):
        return {}

    def update(self, gradients, state, params, problem):
        product = problem.gradients_along(params, self.v(state, params, problem))[2]
        return {key: g + product[key] / 10 for key, g in gradients.items()}, state

    def v(self, state, params, problem):
        return {key: 2 * value for key, value in params.items()}


def test_a_product_that_every_update_asks_for_is_computed_with_the_gradients():
    params, x, y = task()
    counts = {}

    def counted(name, function):
        def call(*given):
            counts[name] = counts.get(name, 0) + 1
            return function(*given)

        return call

    closed = functools.partial(two_layer_relu.mse_gradients, x=x, y=y)
    runs = {}
    for kind in ("asks", "says"):
        method = Curved("curved")
        if kind == "says":
            method.probe = method.v
        problem = Problem(gradients_along=counted(f"{kind}, along", functools.partial(dense.gradients_along, closed)))
        options = {"problem": problem, "gradients": counted(f"{kind}, gradients", closed), "weight_decay": 0.1}
        runs[kind] = fit(params, x, y, method, steps=[0, 7], rate=0.01, **options)
    # The loop looks at the gradients once before the first step.
    assert counts == {"asks, gradients": 1 + 7, "asks, along": 7, "says, gradients": 1, "says, along": 7}
    for key, value in runs["asks"].params.items():
        assert_close(runs["says"].params[key], value)
