"""The compiled descent and derivatives against the general path, which has references of its own, and autograd."""

import functools
import os
import sys
import types

import numpy as np
import pytest
import torch

from featurelearning.networks import dense, two_layer_kernels, two_layer_relu
from featurelearning.optimizers import adam, sigma_power
from featurelearning.optimizers.problem import Problem
from featurelearning.training import compiling, descent, loop, regression
from featurelearning.training.experiments import Models, Place, Recipe
from references import EXACT, assert_close
from repository import require

STEPS = 100
# one of everything; less than a vector; off every tile border; more inputs than one sweep; the paper's shape
SHAPES = [
    (3, 1, 1, 1),
    (2, 7, 3, 5),
    (3, 33, 11, 17),
    (2, 65, 12, 64),
    (4, 129, 25, 96),
    (1, 60, 100, 20),
    (2, 200, 10, 500),
]


@pytest.fixture(scope="module")
def folder(compiled):
    return compiled


@pytest.fixture(scope="module")
def library(compiled):
    return two_layer_kernels.build(compiled)


def task(m, n, d, h, full, dtype=torch.float64):
    """Return parameters, inputs, labels, P and rates of m random models; P is not symmetric where it is full."""
    rng = np.random.default_rng([m, n, d, h])
    params = dense.stack([two_layer_relu.torch_default(rng, d, h, 1) for _ in range(m)], dtype)
    p = np.eye(d) + 0.3 * rng.standard_normal((m, d, d)) / d if full else rng.uniform(0.5, 1.5, (m, d))
    arrays = (rng.standard_normal((m, n, d)), rng.standard_normal((m, n)), p, rng.uniform(0.5, 1.5, m) * 0.1 / d)
    return params, *(torch.as_tensor(array, dtype=dtype) for array in arrays)


def both(library, params, x, y, p, rate, weight_decay, steps):
    """Return what the compiled descent and the general path make of the same models."""
    gradients = functools.partial(two_layer_relu.mse_gradients, x=x, y=y)
    general = loop.stepper(loop.Rule(gradients, sigma_power, Problem(p), rate, weight_decay))
    fast = descent.stepper(two_layer_kernels, library, x, y, p, rate, weight_decay)
    updates = torch.zeros(len(x), dtype=torch.int32)
    with torch.no_grad():
        return [advance(params, {}, updates, steps) for advance in (fast, general)]


def deviation(a: dense.Params, b: dense.Params) -> float:
    return max(float((a[key] - b[key]).abs().max() / b[key].abs().max()) for key in a)


@pytest.mark.parametrize("full", [False, True], ids=["diagonal", "full"])
@pytest.mark.parametrize(("m", "n", "d", "h"), SHAPES)
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
    advance = descent.stepper(two_layer_kernels, library, x, y, p, rate, 0.01)
    updates = torch.zeros(2, dtype=torch.int32)
    once, _, _ = advance(params, {}, updates, 12)
    for count in (1, 0, 4, 7):
        params, _, updates = advance(params, {}, updates, count)
    assert updates.tolist() == [12, 12] and all(torch.equal(once[key], params[key]) for key in once)


def test_without_a_compiler_one_line_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert two_layer_kernels.build(tmp_path / "none") is None
    assert capsys.readouterr().out.splitlines() == [
        "compile: no C++ compiler (g++, clang++, $CXX): the general step runs instead, slower"
    ]


def test_a_failing_compiler_is_reported_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    compiler = tmp_path / "g++"
    compiler.write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    assert two_layer_kernels.build(tmp_path / "cache") is None
    assert "failed (broken): the general step runs instead" in capsys.readouterr().out and not os.listdir(
        tmp_path / "cache"
    )


def direction(params: dense.Params) -> dense.Params:
    """Return a random direction, by far larger than the parameters."""
    rng = np.random.default_rng(70)
    return {key: torch.as_tensor(rng.standard_normal(v.shape), dtype=v.dtype) for key, v in params.items()}


def by_backward(params: dense.Params, v: dense.Params, x, y) -> dense.Params:
    """Return H v by differentiating the product of gradient and direction, model by model."""
    products = []
    for i in range(len(x)):
        leaves = {key: value[i : i + 1].detach().clone().requires_grad_() for key, value in params.items()}
        loss = two_layer_relu.mean_squared_error(leaves, x[i : i + 1], y[i : i + 1]).sum()
        first = torch.autograd.grad(loss, leaves.values(), create_graph=True)
        dot = sum((g * v[key][i : i + 1]).sum() for key, g in zip(leaves, first, strict=True))
        products.append(torch.autograd.grad(dot, leaves.values()))
    return {key: torch.cat(parts) for key, parts in zip(params, zip(*products, strict=True), strict=True)}


def derivatives(folder, params, x, y, v=None):
    """Return all that the compiled derivatives give, of one direction."""
    about = {"folder": folder, "x": x, "y": y}
    losses, gradients = two_layer_kernels.gradients(params, **about)
    *same, product = two_layer_kernels.gradients_along(params, v or direction(params), **about)
    np.testing.assert_array_equal(same[0], losses)
    for key, value in gradients.items():
        np.testing.assert_array_equal(same[1][key], value)
    return losses, gradients, product


@pytest.mark.parametrize(("m", "n", "d", "h"), SHAPES)
def test_gradients_and_hessian_products_are_those_of_autograd(folder, m, n, d, h):
    params, x, y, *_ = task(m, n, d, h, False)
    losses, gradients, product = derivatives(folder, params, x, y)
    wanted_losses, wanted = dense.autograd_gradients(params, x, y, two_layer_relu.mean_squared_error)
    assert_close(losses, wanted_losses)
    second = by_backward(params, direction(params), x, y)
    for key in params:
        assert_close(gradients[key], wanted[key])
        assert_close(product[key], second[key])


def test_derivatives_in_single_precision_follow_double(folder):
    params, x, y, *_ = task(3, 50, 5, 40, False)
    _, *exact = derivatives(folder, params, x, y)
    single = {key: value.float() for key, value in params.items()}
    v = {key: value.float() for key, value in direction(params).items()}
    losses, *found = derivatives(folder, single, x.float(), y.float(), v)
    assert losses.dtype == torch.float32
    for ours, wanted in zip(found, exact, strict=True):
        assert all(value.dtype == torch.float32 for value in ours.values())
        assert deviation({key: value.double() for key, value in ours.items()}, wanted) < 1e-4


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("where", ["weight1", "bias1", "weight2", "bias2", "y", "direction"])
def test_what_is_not_finite_shows_in_its_model_and_in_no_other(folder, where, bad):
    params, x, y, *_ = task(3, 30, 5, 13, False)  # less than a vector: the rest of it is padding
    v = direction(params)
    _, clean, clean_product = derivatives(folder, params, x, y, v)
    tensors = {**params, "y": y, "direction": v["weight1"]}
    tensors[where][1].flatten()[-1] = bad
    losses, gradients, product = derivatives(folder, params, x, y, v)
    wanted_losses, wanted = two_layer_relu.mse_gradients(params, x, y)
    assert losses.isfinite().tolist() == wanted_losses.isfinite().tolist()
    assert loop.finite(gradients).tolist() == loop.finite(wanted).tolist() == [True, where == "direction", True]
    assert loop.finite(product).tolist() == [True, False, True]
    for key in params:
        assert torch.equal(gradients[key][::2], clean[key][::2])
        assert torch.equal(product[key][::2], clean_product[key][::2])


def test_derivatives_are_the_same_with_any_number_of_threads_and_in_any_batch(folder):
    params, x, y, *_ = task(5, 33, 6, 40, False)
    one = derivatives(folder, params, x, y)
    torch.set_num_threads(3)
    try:
        three = derivatives(folder, params, x, y)
    finally:
        torch.set_num_threads(1)
    last = {key: value[4:] for key, value in params.items()}
    alone = derivatives(folder, last, x[4:], y[4:], {key: value[4:] for key, value in direction(params).items()})
    for wanted, found, single in zip(one[1:], three[1:], alone[1:], strict=True):
        assert all(torch.equal(wanted[key], found[key]) and torch.equal(wanted[key][4:], single[key]) for key in params)
    assert torch.equal(one[0], three[0]) and torch.equal(one[0][4:], alone[0])


def test_derivatives_take_any_layout_and_leave_their_arguments_alone(folder):
    params, x, y, *_ = task(2, 20, 4, 8, False)
    wanted = derivatives(folder, params, x, y)
    other = {key: value.mT.contiguous().mT for key, value in params.items()}
    before = {key: value.clone() for key, value in other.items()}
    found = derivatives(folder, other, x.mT.contiguous().mT, y.T.contiguous().T, direction(params))
    for ours, theirs in zip(found[1:], wanted[1:], strict=True):
        assert all(torch.equal(ours[key], theirs[key]) for key in params)
    assert all(torch.equal(other[key], before[key]) for key in params)


def test_the_descent_takes_any_layout(library):
    params, x, y, p, rate = task(2, 20, 4, 8, False)
    wanted, _ = two_layer_kernels.descend(library, params, x, y, p, rate, rate, 3)
    other = {key: value.mT.contiguous().mT for key, value in params.items()}
    layouts = x.mT.contiguous().mT, y.T.contiguous().T, p.T.contiguous().T, torch.stack([rate, rate], dim=1)[:, 0]
    found, _ = two_layer_kernels.descend(library, other, *layouts, rate, 3)
    assert all(torch.equal(found[key], wanted[key]) for key in params)


@pytest.fixture
def torch_compile(tmp_path, monkeypatch):
    require(compiling.possible(torch.device("cpu")), "no C++ compiler or Python headers: torch.compile was not tried")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "1")


IMPORTS = pytest.mark.filterwarnings("ignore:.torch.jit.* is deprecated:DeprecationWarning")  # of torch by itself


@IMPORTS
def test_a_compiled_step_is_one_graph_around_the_derivatives(folder, torch_compile):
    params, x, y, *_ = task(2, 20, 4, 8, False)

    def along(params: dense.Params) -> dense.Params:
        _, gradients = two_layer_kernels.gradients(params, folder, x, y)
        v = {key: 2 * g for key, g in gradients.items()}
        product = two_layer_kernels.gradients_along(params, v, folder, x, y)[2]
        return {key: gradients[key] + product[key] for key in params}

    with torch.no_grad():
        found, wanted = torch.compile(along, fullgraph=True, dynamic=False)(params), along(params)
    for key in params:
        assert_close(found[key], wanted[key])


@IMPORTS
def test_adam_compiled_on_them_is_adam_in_eager_torch(folder, torch_compile):
    params, x, y, _, rate = task(3, 33, 11, 17, False)
    y[1, 0] = torch.nan  # its model diverges
    ways = [(two_layer_kernels.gradients, {"folder": folder}, True), (two_layer_relu.mse_gradients, {}, False)]
    ends = []
    for function, about, compiled in ways:
        gradients = functools.partial(function, x=x, y=y, **about)
        advance = loop.stepper(loop.Rule(gradients, adam, Problem(), rate, 0.1, compiled))
        with torch.no_grad():
            ends.append(advance(params, adam.init(params, Problem()), torch.zeros(3, dtype=torch.int32), STEPS))
    (found, state, done), (wanted, other, expected) = ends
    assert done.tolist() == expected.tolist() == [STEPS, 0, STEPS]
    for ours, theirs in ((found, wanted), (state["mean"], other["mean"])):
        for key in params:
            assert_close(ours[key][::2], theirs[key][::2])
    assert all(value[1].isnan().all() for value in found.values())


class Newtonian(types.ModuleType):
    """A method whose step is g + H g / 100; not compiled, and it keeps what it was given."""

    EAGER = True
    given = None

    def init(self, params, problem):
        Newtonian.given = problem
        return {}

    def update(self, gradients, state, params, problem):
        product = problem.gradients_along(params, gradients)[2]
        return {key: g + product[key] / 100 for key, g in gradients.items()}, state


def fitted(method: str, **options):
    """Train three models as the workflow does."""
    m, n, d, h = 3, 33, 11, 17
    rng = np.random.default_rng(71)
    x, y = rng.standard_normal((m, n, d)), rng.standard_normal((m, n))
    data = {"x_train": x, "y_train": y, "x_test": x, "y_test": y, "clean_test": y}
    initial = [two_layer_relu.torch_default(rng, d, h, 1) for _ in range(m)]
    models = Models(two_layer_relu, initial, data, [f"model {i}" for i in range(m)])
    return regression.fit(models, Recipe(method, 0.01, 20, 3, 0.1), Place(dtype=torch.float64, **options))


@IMPORTS
@pytest.mark.parametrize(
    ("method", "step"), [("adam", "torch.compile, C++ gradients"), ("newtonian", "eager, C++ gradients")]
)
def test_the_workflow_takes_them_and_says_so(folder, torch_compile, monkeypatch, method, step):
    monkeypatch.setitem(sys.modules, "featurelearning.optimizers.newtonian", Newtonian("newtonian"))
    fast, general = fitted(method, compiled=folder), fitted(method)
    assert (fast.step, general.step) == (step, "eager")
    for key in fast.params:
        assert_close(fast.params[key], general.params[key])
    assert not np.array_equal(fast.params["weight1"], general.params["weight1"])  # it was another code


def test_the_workflow_gives_a_method_the_compiled_hessian_product(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "featurelearning.optimizers.newtonian", Newtonian("newtonian"))
    fitted("newtonian", compiled=folder)
    assert Newtonian.given.gradients_along.func is two_layer_kernels.gradients_along


@IMPORTS
def test_where_the_library_is_not_built_torch_has_the_derivatives(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "featurelearning.optimizers.newtonian", Newtonian("newtonian"))
    monkeypatch.setattr(two_layer_kernels, "build", lambda cache: None)
    fast, general = fitted("newtonian", compiled=folder), fitted("newtonian")
    assert fast.step == general.step == "eager"
    assert all(torch.equal(fast.params[key], general.params[key]) for key in fast.params)


@pytest.mark.parametrize("m, n, d, h", [*SHAPES, (2, 1100, 4, 40)])  # the last: two whole chunks and a part
def test_predictions_are_those_of_torch(folder, m, n, d, h):
    params, x, *_ = task(m, n, d, h, full=False)
    assert_close(two_layer_kernels.predict(params, x, folder), two_layer_relu.forward(params, x))
    single, x32 = {key: value.float() for key, value in params.items()}, x.float()
    assert_close(two_layer_kernels.predict(single, x32, folder), two_layer_relu.forward(params, x).float(), 1e-5)


def test_a_prediction_of_a_broken_model_is_not_finite_and_harms_no_other(folder):
    params, x, *_ = task(3, 33, 11, 17, full=False)
    wanted = two_layer_kernels.predict(params, x, folder)
    params["weight1"][1, 0, 0] = torch.nan
    found = two_layer_kernels.predict(params, x, folder)
    assert not found[1].isfinite().any() and torch.equal(found[[0, 2]], wanted[[0, 2]])


def test_a_run_measures_by_the_compiled_predictions(folder, monkeypatch):
    asked = []

    def predict(params, x, folder):
        asked.append(len(x))
        return two_layer_relu.forward(params, x)

    monkeypatch.setattr(two_layer_kernels, "predict", predict)
    rng = np.random.default_rng(3)
    data = {f"x_{name}": rng.standard_normal((2, 20, 3)) for name in ("train", "test")}
    data |= {name: rng.standard_normal((2, 20)) for name in ("y_train", "y_test", "clean_test")}
    initial = [two_layer_relu.kaiming_uniform(rng, 3, 4, 1, 1.0) for _ in range(2)]
    models = Models(two_layer_relu, initial, data, ["a", "b"])
    powers = {"basis": np.stack([np.eye(3)] * 2), "powers": np.ones((2, 3))}
    for method in ("sigma_power", "lbfgs"):  # one that the compiled descent makes, one that is never compiled
        regression.fit(models, Recipe(method, 0.01, 3, 2, **powers), Place(compiled=folder))
    assert asked == [2] * (2 * 3 * 2)  # methods, records, splits
