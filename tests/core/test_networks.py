"""Any network of named dense layers against torch's own modules, autograd and optimisers, in float64."""

import functools
import re

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional

from featurelearning.files import records
from featurelearning.networks import (
    curvature,
    deep_relu,
    dense,
    features,
    layers,
    linear,
    two_layer_arrays,
    two_layer_relu,
)
from featurelearning.optimizers.problem import Problem
from featurelearning.training import batches, classification, compiling, methods, regression, shards
from featurelearning.training.experiments import Models, Place, Recipe
from method_table import RATE, STREAMS, TABLE, D, M, Row
from reference_kronecker import factors
from reference_optimizers import of_hessian
from references import MONTE_CARLO, assert_close

N, CLASSES, STEPS, DECAY = 15, 3, 10, 0.3
NETWORKS = {  # the module, widths of its hidden layers, and what stands between its layers in torch
    "two-layer ReLU": (two_layer_relu, (7,), nn.ReLU),
    "linear": (linear, (7,), nn.Identity),
    "three hidden layers": (deep_relu, (7, 6, 5), nn.ReLU),
    "three hidden layers without biases": (functools.partial(deep_relu.init, biases=False), (7, 6, 5), nn.ReLU),
}
ROWS = {name: row for name, row in TABLE.items() if row.preconditioner is None}
COMPILED = {methods.name_of(row.method): row for row in ROWS.values() if not getattr(row.method, "EAGER", False)}
TWO_LAYERS = {"weight1": ("direction", "hidden"), "bias1": ("bias", "hidden")}
TWO_LAYERS |= {"weight2": ("hidden", "output"), "bias2": ("bias", "output")}


class Case:
    """One of NETWORKS: its models with biases that are not zero, and the same models of torch."""

    def __init__(self, name: str, outputs: int = 1) -> None:
        self.network, hidden, self.between = NETWORKS[name]
        init = getattr(self.network, "init", self.network)
        self.network = deep_relu if isinstance(self.network, functools.partial) else self.network
        rng = np.random.default_rng(80)
        self.models = [init(rng, (D, *hidden, outputs), 1.0) for _ in range(M)]
        for model in self.models:
            model |= {key: 0.3 * rng.standard_normal(v.shape) for key, v in model.items() if key.startswith("bias")}
        self.params = dense.stack(self.models, torch.float64)
        self.x = torch.tensor(rng.standard_normal((M, N, D)))
        y = rng.integers(outputs, size=(M, N)) if outputs > 1 else rng.standard_normal((M, N))
        self.y = torch.tensor(y)

    def layers(self) -> tuple[layers.Layer, ...]:
        return self.network.layers(self.params)

    def torchs(self, model: int) -> nn.Sequential:
        """Return one model as torch builds it, in its (out, in) layout."""
        found = []
        for weight, bias in self.layers():
            layer = nn.Linear(*self.params[weight].shape[1:], bias=bias is not None, dtype=torch.float64)
            layer.weight.data = self.params[weight][model].T.contiguous()
            if bias:
                layer.bias.data = self.params[bias][model, 0].clone()
            found += [layer, self.between()]
        return nn.Sequential(*found[:-1])

    def ours(self, tensors: list[Tensor]) -> dict[str, Tensor]:
        """Return tensors in the order and layout of a torch network's parameters in our layout."""
        names = [name for layer in self.layers() for name in layer if name]
        pairs = zip(names, (value.detach() for value in tensors), strict=True)
        return {name: value.T if name.startswith("weight") else value[None] for name, value in pairs}


@pytest.fixture(params=NETWORKS)
def case(request) -> Case:
    return Case(request.param)


def squared(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return functional.mse_loss(net(x)[:, 0], y)


def loss_of(case: Case):
    return dense.loss_of(case.network, dense.mean_squared_error)


# --- the networks ---


def test_outputs_and_what_the_last_layer_is_given_are_torchs(case):
    for model in range(M):
        net = case.torchs(model)
        assert_close(case.network.forward(case.params, case.x)[model], net(case.x[model]).detach())
        assert_close(case.network.hidden(case.params, case.x)[model], net[:-1](case.x[model]).detach())


def test_gradients_are_each_models_own(case):
    losses, gradients = dense.autograd_gradients(case.params, case.x, case.y, loss_of(case))
    for model in range(M):
        net = case.torchs(model)
        loss = squared(net, case.x[model], case.y[model])
        assert_close(losses[model], loss.item())
        wanted = case.ours(torch.autograd.grad(loss, list(net.parameters())))
        assert wanted.keys() == gradients.keys()
        for key, value in wanted.items():
            assert_close(gradients[key][model], value)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own import
def test_hessian_products_are_the_backward_pass_of_a_backward_pass(case):
    rng = np.random.default_rng(81)
    v = {key: torch.tensor(rng.standard_normal(value.shape)) for key, value in case.params.items()}
    gradients = functools.partial(dense.autograd_gradients, x=case.x, y=case.y, loss=loss_of(case))
    found = dense.gradients_along(gradients, case.params, v)[2]
    for model in range(M):
        net = case.torchs(model)
        places = list(net.parameters())
        first = torch.autograd.grad(squared(net, case.x[model], case.y[model]), places, create_graph=True)
        along = case.ours(places)
        along = [v[key][model].T if key.startswith("weight") else v[key][model, 0] for key in along]
        wanted = case.ours(torch.autograd.grad(first, places, along, materialize_grads=True))
        for key, value in wanted.items():
            assert_close(found[key][model], value)


def test_input_gradients_and_sensitivity_are_autograds(case):
    basis = np.linalg.qr(np.random.default_rng(82).standard_normal((D, D)))[0]
    found = dense.input_gradients(case.network, case.params, case.x)
    for model in range(M):
        x = case.x[model].clone().requires_grad_()
        (wanted,) = torch.autograd.grad(case.torchs(model)(x).sum(), x)
        assert_close(found[model], wanted)
        outer = sum(np.outer(g, g) for g in wanted.numpy()) / N
        assert_close(features.sensitivity(found[model].numpy(), basis), np.diag(basis.T @ outer @ basis))


def test_energy_is_of_the_first_layer_of_any_network(case):
    found = features.energy(case.params["weight1"].numpy(), np.eye(D))
    assert_close(
        found, (case.params["weight1"] ** 2).sum(dim=2) / (case.params["weight1"] ** 2).sum(dim=(1, 2))[:, None]
    )


def test_the_closed_forms_on_arrays_are_the_general_path():
    case = Case("two-layer ReLU")
    arrays = {key: value.numpy() for key, value in case.params.items()}
    assert_close(two_layer_arrays.hidden(arrays, case.x.numpy()), two_layer_relu.hidden(case.params, case.x))
    found = two_layer_arrays.input_gradients(arrays, case.x.numpy())
    assert_close(found, dense.input_gradients(two_layer_relu, case.params, case.x))


def test_layers_are_in_order_and_a_bias_may_be_missing():
    names = [f"{kind}{k}" for k in range(12, 0, -1) for kind in ("bias", "weight") if (kind, k) != ("bias", 3)]
    found = layers.layers(names)
    assert [layer.weight for layer in found] == [f"weight{k}" for k in range(1, 13)]
    assert [layer.bias for layer in found] == [None if k == 3 else f"bias{k}" for k in range(1, 13)]


# --- initialisation ---


def test_a_deep_network_of_two_layers_starts_as_a_two_layer_network_bit_for_bit():
    wanted = two_layer_relu.kaiming_uniform(np.random.default_rng(1), 5, 8, 2, 0.1)
    for init in (deep_relu.init, two_layer_relu.init):
        found = init(np.random.default_rng(1), (5, 8, 2), 0.1)
        assert list(found) == list(wanted)
        for key, value in wanted.items():
            np.testing.assert_array_equal(found[key], value)


def test_a_linear_network_keeps_the_variance_of_its_inputs():
    found = linear.init(np.random.default_rng(2), (100, 60, 50), 0.5)
    for key, (fan_in, fan_out) in {"weight1": (100, 60), "weight2": (60, 50)}.items():
        assert found[key].shape == (fan_in, fan_out)
        assert stats.kstest(found[key].ravel() * np.sqrt(fan_in) / 0.5, "norm").pvalue > MONTE_CARLO


def test_a_deep_network_needs_a_hidden_layer():
    with pytest.raises(ValueError, match=re.escape("widths: [4, 1] given; allowed: inputs, one hidden layer or more")):
        deep_relu.init(np.random.default_rng(0), (4, 1), 1.0)


# --- training ---


def trained(case: Case, method: str, outputs: int = 1, **options):
    task, sets = (regression, "test") if outputs == 1 else (classification, "validation")
    x, y = case.x.numpy(), case.y.numpy()
    data = {"x_train": x, "y_train": y, f"x_{sets}": x, f"y_{sets}": y}
    data |= {"clean_test": y} if outputs == 1 else {}
    decay = DECAY * (N if outputs == 1 else 1)
    recipe = Recipe(method, RATE, STEPS, 20, weight_decay=decay, streams=STREAMS.numpy())._replace(**options)
    models = Models(case.network, case.models, data, [f"model {i}" for i in range(M)])
    return task.fit(models, recipe, Place(dtype=torch.float64))


def reference(case: Case, model: int, row: Row, data_term, precondition: Tensor | None = None, decay: float = DECAY):
    """Return a torch network after the steps of its own loop, and the data term before and after them."""
    net, x, y = case.torchs(model), case.x[model], case.y[model]
    optimizer = row.reference(net, lambda: data_term(net, x, y), model)

    def closure() -> Tensor:
        optimizer.zero_grad()
        squares = sum((value**2).sum() for value in net.parameters() if value.ndim == 2)
        total = data_term(net, x, y) + decay / 2 * squares
        total.backward()
        if precondition is not None:
            net[0].weight.grad = net[0].weight.grad @ precondition
        return total

    start = data_term(net, x, y).item()
    for _ in range(STEPS):
        optimizer.step(closure)
    return net, start, data_term(net, x, y).item()


def assert_same(case: Case, run, model: int, reference: tuple, curve: str) -> None:
    net, start, end = reference
    wanted = case.ours(list(net.parameters()))
    assert wanted.keys() == run.params.keys()
    for key, value in wanted.items():
        assert_close(run.params[key][model], value)
    assert_close(run.curves[curve][model, [0, -1]], [start, end])
    first = case.params["weight1"][model]
    assert_close(run.first_layer_change[model], (wanted["weight1"] - first).norm() / first.norm())


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_training_is_the_references(case, row):
    """Weight decay in the objective, where a method has it there; curvature is that of the data term."""
    decay = 0.0 if methods.decoupled(row.method) else DECAY
    run = trained(case, methods.name_of(row.method), hyperparameters=row.hyperparameters, weight_decay=N * decay)
    for model in range(M):
        assert_same(case, run, model, reference(case, model, row, squared, decay=decay), "train_mse")
    np.testing.assert_array_equal(run.diverged_at, [-1] * M)


def test_soap_lowers_the_loss_of_any_network(case):
    run = trained(case, "soap", weight_decay=0.0)
    assert (run.curves["train_mse"][:, -1] < run.curves["train_mse"][:, 0]).all()


@pytest.mark.parametrize("row", COMPILED.values(), ids=COMPILED)
def test_torch_compile_follows_the_whole_update(case, row):
    torch.compiler.reset()  # its limit of versions is one for all of these
    gradients = functools.partial(dense.autograd_gradients, x=case.x, y=case.y, loss=loss_of(case))
    problem = Problem(
        hyperparameters=row.hyperparameters,
        objective=gradients,
        gradients_along=functools.partial(dense.gradients_along, gradients),
        network=case.network,
        inputs=case.x,
        output_root=curvature.squared_error_root,
        streams=STREAMS,
    )
    given = gradients(case.params)[1], row.method.init(case.params, problem), case.params
    whole = torch.compile(lambda *given: row.method.update(*given, problem), backend="eager", fullgraph=True)
    found, wanted = whole(*given)[0], row.method.update(*given, problem)[0]
    for key, value in wanted.items():
        assert_close(found[key], value, 1e-14)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_diagonal_and_the_factors_are_those_of_torchs_whole_hessian(name):
    case = Case(name, CLASSES)
    about = case.network, case.params, case.x, curvature.cross_entropy_root
    diagonal, kronecker = curvature.diagonal(*about), curvature.kronecker_factors(*about)
    for model in range(M):
        net, x, y = case.torchs(model), case.x[model], case.y[model]
        wanted = of_hessian(
            net, functools.partial(lambda net, x, y: functional.cross_entropy(net(x), y), net, x, y), torch.diag
        )
        for key, value in case.ours(wanted).items():
            assert_close(diagonal[key][model], value)
        pairs = factors(net, x, lambda outputs, i, y=y: functional.cross_entropy(outputs, y[i]))
        for number, (inner, outer) in enumerate(pairs):
            assert_close(kronecker.input[number][model], inner)
            assert_close(kronecker.output[number][model], outer)


@pytest.mark.parametrize("name", NETWORKS)
def test_classification_is_torchs_own(name):
    case = Case(name, CLASSES)
    run = trained(case, "adam", CLASSES)
    for model in range(M):
        wanted = reference(case, model, TABLE["adam"], lambda net, x, y: functional.cross_entropy(net(x), y))
        assert_same(case, run, model, wanted, "train_loss")


def test_the_first_layer_of_any_network_is_preconditioned_in_its_eigenbasis(case):
    rng = np.random.default_rng(83)
    basis, powers = np.linalg.qr(rng.standard_normal((M, D, D)))[0], rng.uniform(0.2, 2, (M, D))
    run = trained(case, "sigma_power", basis=basis, powers=powers)
    for model in range(M):
        p = torch.tensor(basis[model] * powers[model] @ basis[model].T)
        assert_same(case, run, model, reference(case, model, TABLE["sgd"], squared, p), "train_mse")


def test_a_network_without_compiled_code_is_trained_by_the_general_path(case, tmp_path, monkeypatch):
    monkeypatch.setattr(compiling, "possible", lambda device: False)
    if hasattr(case.network, "kernels"):
        monkeypatch.setattr(case.network.kernels, "build", lambda folder: None)
    data = {name: (case.x if name.startswith("x") else case.y).numpy() for name in ("x_train", "y_train", "x_test")}
    data |= {"y_test": data["y_train"], "clean_test": data["y_train"]}
    models = Models(case.network, case.models, data, list("abc"))
    basis = {"basis": np.stack([np.eye(D)] * M), "powers": np.ones((M, D))}
    found, wanted = (
        regression.fit(models, Recipe("sigma_power", RATE, 10, 5, **basis), Place(dtype=torch.float64, compiled=folder))
        for folder in (tmp_path, None)
    )
    assert found.step == "eager"
    for key, value in wanted.params.items():
        assert torch.equal(found.params[key], value)


def test_the_memory_of_a_batch_counts_the_units_of_every_layer():
    case = Case("three hidden layers")
    data = {"x_train": case.x.numpy(), "y_train": case.y.numpy()}
    parameters = sum(value[0].numel() for value in case.params.values())
    expected = 8 * (N * D + N + batches.COPIES * parameters + batches.LAYERS * N * (7 + 6 + 5 + 1))
    assert batches.bytes_per_model(case.models[0], data, 0, 8) == expected


@pytest.mark.parametrize("name", NETWORKS)
def test_a_shard_holds_any_network_and_gives_it_back(name, tmp_path):
    case = Case(name)
    run = trained(case, "sgd")
    coords, steps = {"seed": range(M), "direction": range(D)}, np.arange(run.curves["train_mse"].shape[1])
    attributes = records.provenance("test", "reference", {}, "code")
    about = {"direction": ("direction", "1")}
    records.write(shards.trained(run, coords, steps, attributes, "direction", about), tmp_path / "shard.nc")
    found = records.read(tmp_path / "shard.nc")
    for model in range(M):
        params = shards.model_parameters(found.sel(seed=model))
        assert params.keys() == run.params.keys()
        for key, value in params.items():
            np.testing.assert_array_equal(value, run.params[key][model])
    if name == "two-layer ReLU":
        assert {key: found[key].dims[1:] for key in TWO_LAYERS} == TWO_LAYERS
    elif name == "three hidden layers":
        assert found["weight3"].dims[1:] == ("hidden2", "hidden3") and found["bias3"].dims[1:] == ("bias", "hidden3")
        assert found["weight3"].attrs["long_name"] == "weights of layer 3"


# --- what is refused ---


def test_every_method_has_a_reference():
    """SOAP has one of its own, in its own test: with one output its bases are not unique."""
    assert set(methods.known()) == {methods.name_of(row.method) for row in TABLE.values()} | {"soap"}


def refusal(method: str, given: dict) -> str:
    """Return the message with which `fit` refuses a method with some hyper-parameters."""
    with pytest.raises(ValueError) as caught:
        trained(Case("two-layer ReLU"), method, hyperparameters=given)
    return str(caught.value)


@pytest.mark.parametrize(
    "method, given, message",
    [
        ("sam", {}, "rho: missing; allowed: 0 or more; add it"),
        ("momentum", {"momentum": 1.0}, "momentum: 1.0 given; allowed: 0 to 0.999999999; change it"),
        ("sam", {"rho": -0.1}, "rho: -0.1 given; allowed: 0 or more; change it"),
        ("kfac", {"damping": [0.1, 0.0, 0.1]}, "damping: [0.1, 0.0, 0.1] given; allowed: 1e-12 or more; change it"),
        ("adahessian", {"p": np.nan}, "p: nan given; allowed: any finite number; change it"),
        ("sam", {"rho": 0.1, "roh": 1.0}, "roh: unknown; allowed: rho; remove it"),
        ("sgd", {"rho": 0.1}, "rho: unknown; allowed: none; remove it"),
    ],
)
def test_a_refused_hyperparameter_is_named_with_method_range_and_remedy(method, given, message):
    assert refusal(method, given) == f"hyperparameters of {method}: {message}"


@pytest.mark.parametrize("method", ["sgdd", "problem"])  # none, and a module that is no method
def test_an_unknown_method_is_named_with_those_that_there_are(method):
    known = ", ".join(methods.known())
    assert refusal(method, {}) == f"method: {method!r} is unknown; allowed: {known}; write one of them"
