"""Arrays of one's own, of any dtype, shape and layout: each counts as the plain array of its numbers or is refused."""

import numpy as np
import pytest
import torch

from featurelearning import arrays
from featurelearning.evidence import statistics
from featurelearning.networks import dense, features, two_layer_kernels, two_layer_relu
from featurelearning.optimizers import covariance, powers, sgd
from featurelearning.optimizers.problem import Problem
from featurelearning.preconditioning import diagnosis
from featurelearning.training import classification, loop, regression, ridge
from featurelearning.training.experiments import Models, Place, Recipe
from references import random_params

M, N, D, H = 3, 24, 4, 6
RNG = np.random.default_rng(0)
X, Y = (np.rint(4 * RNG.standard_normal(shape)) / 4 for shape in ((M, N, D), (M, N)))  # exact in float16
DATA = {"x_train": X, "y_train": Y, "x_test": X[:, :7], "y_test": Y[:, :7], "clean_test": Y[:, :7]}
START = [two_layer_relu.init(np.random.default_rng(seed), (D, H, 1), 0.5) for seed in range(M)]
NAMES = ["a", "b", "c"]
RECIPE = Recipe("sigma_power", 0.05, 10, 3, powers=np.ones((M, D)))
VALUES = np.array([4.0, 2.0, 1.0, 0.5])


@pytest.fixture(params=["compiled", "eager"])
def compiled(request, tmp_path):
    """Where code would be compiled, if it were not refused before."""
    return tmp_path if request.param == "compiled" else None


def fit(compiled=None, initial=START, names=NAMES, recipe=RECIPE, **data) -> np.ndarray:
    """Return all curves of a regression with other data or another recipe."""
    run = regression.fit(
        Models(two_layer_relu, initial, {**DATA, **data}, names), recipe, Place(dtype=torch.float64, compiled=compiled)
    )
    return np.stack([*run.curves.values()])


def classify(**data) -> np.ndarray:
    """Return all curves of a classification with other data."""
    start = [two_layer_relu.init(np.random.default_rng(seed), (D, H, 3), 0.5) for seed in range(M)]
    labels = np.abs(np.rint(X[..., 0])).astype(int) % 3
    sets = {"x_train": X, "y_train": labels, "x_validation": X[:, :7], "y_validation": labels[:, :7]}
    models = Models(two_layer_relu, start, {**sets, **data}, NAMES)
    return np.stack([*classification.fit(models, Recipe("sgd", 0.05, 10, 3), Place()).curves.values()])


def strided(array):
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]))
    wide[..., ::2] = array
    return wide[..., ::2]


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


GIVEN = {
    "float32": lambda a: a.astype(np.float32),
    "float16": lambda a: a.astype(np.float16),
    "long double": lambda a: a.astype(np.longdouble),
    "big-endian": lambda a: a.astype(">f8"),
    "integer": lambda a: (4 * a).astype(np.int32),
    "bool": lambda a: a > 0,
    "Fortran order": np.asfortranarray,
    "negative strides": lambda a: a[..., ::-1].copy()[..., ::-1],
    "strided": strided,
    "read-only": read_only,
    "masked nowhere": np.ma.masked_array,
    "list": lambda a: a.tolist(),
    "tensor": torch.tensor,
    "tensor of float16": lambda a: torch.tensor(a, dtype=torch.float16),
    "tensor of integers": lambda a: torch.tensor(4 * a).long(),
    "tensor with gradient": lambda a: torch.tensor(a, requires_grad=True),
    "tensor not contiguous": lambda a: torch.tensor(strided(a)),
    "list of tensors": lambda a: [torch.tensor(one, requires_grad=True) for one in a],
}
PLAIN = {"integer": lambda a: 4 * a, "tensor of integers": lambda a: 4 * a, "bool": lambda a: 1.0 * (a > 0)}
ENTRIES = {
    "x_train": (lambda a: fit(x_train=a), X),
    "y_train": (lambda a: fit(y_train=a), Y),
    "powers": (lambda a: fit(recipe=RECIPE._replace(powers=a)), np.ones((M, D)) / 4),
    "basis": (lambda a: fit(recipe=RECIPE._replace(basis=a)), np.stack([np.eye(D) / 4] * M)),
    "classes": (lambda a: classify(y_train=a), np.abs(np.rint(X[..., 0])) % 3 / 4),
    "estimate": (lambda a: covariance.estimate(a, "ledoit_wolf"), X[0]),
    "eigenpairs": (lambda a: covariance.eigenpairs(a)[0], np.diag(VALUES) + 0.25),
    "power": (lambda a: powers.power(a, 1.0), VALUES),
    "diagnosis": (lambda a: diagnosis.predicted_error(a, VALUES, 1.0, N), VALUES / 8),
    "energy": (lambda a: features.energy(a, np.eye(D)), np.rint(X[0, :D]) + 2.0),
    "t_interval": (lambda a: np.array(statistics.t_interval(a, 0.95)), Y[0]),
    "mean_with_interval": (lambda a: statistics.mean_with_interval(a, 0.95), Y),
    "ridge": (lambda a: ridge.fit(a, Y[0], 0.1).weight, X[0]),
}


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("entry", ENTRIES)
def test_any_dtype_and_layout_counts_as_the_plain_array(entry, given):
    function, array = ENTRIES[entry]
    if entry == "classes" and given not in PLAIN:
        array = 4 * array  # whole numbers
    plain = np.ascontiguousarray(PLAIN.get(given, lambda a: a)(array), dtype=np.float64)
    tolerance = {"rtol": 1e-5, "atol": 1e-5} if given == "float32" else {"rtol": 1e-12, "atol": 1e-30}
    np.testing.assert_allclose(function(GIVEN[given](array)), function(plain), **tolerance)


@pytest.mark.parametrize(
    "given, error, message",
    [
        (
            Y + 1j,
            TypeError,
            r"y_train: dtype complex128 given; allowed: real numbers \(float, integer, bool\); convert",
        ),
        (Y.astype(str), TypeError, "y_train: dtype <U32 given; allowed: real numbers"),
        (Y.astype(object), TypeError, "y_train: dtype object given; allowed: real numbers"),
        (None, TypeError, "y_train: dtype object given"),
        (
            torch.tensor(Y).to("meta"),
            TypeError,
            "y_train: this Tensor is no array of numbers .*; allowed: NumPy arrays,",
        ),
        (torch.tensor(Y).bfloat16(), TypeError, "y_train: this Tensor is no array of numbers"),
        ([[1.0, 2.0], [3.0]], ValueError, "y_train: this list is no array of numbers .*lists of equal length"),
        (
            np.ma.masked_array(Y, Y > 1),
            ValueError,
            r"y_train: \d+ values are masked; allowed: none; drop them, or fill",
        ),
        (np.float64(3), ValueError, r"y_train: shape \[\] given; allowed: \[3, 24\]; give it in that shape"),
        (Y[..., None], ValueError, r"y_train: shape \[3, 24, 1\] given; allowed: \[3, 24\]"),
        (Y[0], ValueError, r"y_train: shape \[24\] given; allowed: \[3, 24\]"),
        (Y[:, 1:], ValueError, r"y_train: shape \[3, 23\] given; allowed: \[3, 24\]"),
        (
            np.where(Y > 1, np.nan, Y),
            ValueError,
            r"y_train: 7 of 72 values are not finite, or beyond 1.8e\+308; the first",
        ),
        (np.where(Y > 1, np.inf, Y), ValueError, r"y_train: 7 of 72 values are not finite"),
    ],
)
def test_what_is_no_such_array_of_numbers_is_refused_by_name(given, error, message, compiled):
    with pytest.raises(error, match=message):
        fit(compiled, y_train=given)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"names": ["a"]}, "names: 1 given for 3 models; allowed: a list of 3; give one name for each model"),
        ({"names": "abc"}, "names: one text given for 3 models"),
        ({"x_train": X[:1], "y_train": Y[:1]}, r"x_train: shape \[1, 24, 4\] given; allowed: \[3, samples, 4\]"),
        ({"x_train": X[0], "y_train": Y[0]}, r"x_train: shape \[24, 4\] given; allowed: \[models, samples, inputs\]"),
        ({"x_train": X[:, :0], "y_train": Y[:, :0]}, r"x_train: shape \[3, 0, 4\] given; .* each 1 or more"),
        ({"x_test": X[:, :7, :2]}, r"x_test: shape \[3, 7, 2\] given; allowed: \[3, samples, 4\]"),
        ({"x_test": np.tile(X[:, :7], 2)}, r"x_test: shape \[3, 7, 8\] given; allowed: \[3, samples, 4\]"),
        ({"clean_test": Y}, r"clean_test: shape \[3, 24\] given; allowed: \[3, 7\]"),
        ({"x_train": np.where(X > 2, np.nan, X)}, r"x_train: \d+ of 288 values are not finite"),
        (
            {"y_validation": Y},
            "data: .*y_validation given; allowed: x_train, x_test, y_train, y_test, clean_test; give",
        ),
        ({"initial": START[0]}, "initial: no list of models given; allowed: one dict of parameters for each"),
        ({"initial": START[:2]}, "names: 3 given for 2 models"),
        ({"initial": [{**START[0], "bias1": np.zeros(H)}] * 3}, r"initial\[0\], bias1: shape \[6\] given; .*\[1, 6\]"),
        (
            {"initial": [START[0], *[{"weight1": START[1]["weight1"]}] * 2]},
            "initial: parameters weight1, bias1, .* / weig",
        ),
        (
            {"initial": [{**START[0], "weight2": np.ones((H, 2)), "bias2": np.ones((1, 2))}] * 3},
            "networks of 2 outputs",
        ),
        ({"recipe": RECIPE._replace(learning_rate=[0.1, 0.1])}, r"learning_rate: shape \[2\] given; allowed: \[3\]"),
        ({"recipe": RECIPE._replace(learning_rate=np.nan)}, "learning_rate: 1 of 1 values are not finite"),
        ({"recipe": RECIPE._replace(learning_rate=-0.1)}, "learning_rate: -0.1 given; allowed: 0 or more; raise it"),
        ({"recipe": RECIPE._replace(powers=np.ones(D))}, r"powers: shape \[4\] given; allowed: \[3, 4\]"),
        ({"recipe": RECIPE._replace(basis=np.eye(D))}, r"basis: shape \[4, 4\] given; allowed: \[3, 4, 4\]"),
        ({"recipe": RECIPE._replace(steps=1.5)}, "steps: 1 of 1 values are not whole"),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused_by_name(change, message, compiled):
    with pytest.raises(ValueError, match=message):
        fit(compiled, **change)


@pytest.mark.filterwarnings("ignore:.torch.jit.* is deprecated:DeprecationWarning")  # of torch by itself
def test_powers_that_are_missing_are_named(compiled, monkeypatch):
    monkeypatch.setattr(two_layer_kernels, "build", lambda folder: None)  # it is refused whatever makes the steps
    with pytest.raises(ValueError, match=r"preconditioner: found none; sigma_power needs \[3, 4\] or \[3, 4, 4\]"):
        fit(compiled, recipe=RECIPE._replace(powers=None))


def test_labels_of_one_model_in_a_column_are_refused(compiled):
    """The compiled step would read them as they lie, and report another error."""
    models = Models(two_layer_relu, START[:1], {key: value[:1] for key, value in DATA.items()}, ["a"])
    models.data["y_train"] = Y[0][:, None]
    with pytest.raises(ValueError, match=r"y_train: shape \[24, 1\] given; allowed: \[1, 24\]; give it in that shape"):
        regression.fit(models, RECIPE._replace(powers=np.ones((1, D))), Place(compiled=compiled))


def test_numbers_beyond_the_type_of_training_are_refused():
    models = Models(two_layer_relu, START, {**DATA, "x_train": np.where(X > 2, 1e39, X)}, NAMES)
    with pytest.raises(ValueError, match=r"x_train: \d+ of 288 values are not finite, or beyond 3.4e\+38"):
        regression.fit(models, RECIPE)
    with pytest.raises(ValueError, match="dtype: torch.float16 given; allowed: torch.float32 or torch.float64; choose"):
        regression.fit(models, RECIPE, Place(dtype=torch.float16))


@pytest.mark.parametrize(
    "given, message",
    [
        (
            np.full((M, N), 3),
            "y_train: classes 3 to 3 given; allowed: 0 to 2, as there are 3 outputs; number the",
        ),
        (np.full((M, N), 0.5), "y_train: 72 of 72 values are not whole; allowed: whole numbers; round them"),
    ],
)
def test_classes_that_there_are_not_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        classify(y_train=given)


# --- the C++ entry points themselves ---


def kernel(folder, name: str, x, y, params, **others):
    """Call one of the compiled functions; nothing has been compiled."""
    ones = torch.ones(M, dtype=x.dtype)
    if name == "descend":
        p = others.get("preconditioner", torch.ones(M, D, dtype=x.dtype))
        return two_layer_kernels.descend(None, params, x, y, p, others.get("rate", ones / 100), ones, 3)[0]["weight1"]
    if name == "predict":
        return two_layer_kernels.predict(params, x, folder)
    if name == "gradients":
        return two_layer_kernels.gradients(params, folder, x, y)[1]["weight1"]
    return two_layer_kernels.gradients_along(params, others.get("v", params), folder, x, y)[2]["weight1"]


@pytest.mark.parametrize("name", ["descend", "predict", "gradients", "gradients_along"])
def test_compiled_code_refuses_what_it_would_read_beyond(tmp_path, name):
    x, y, params = torch.tensor(X), torch.tensor(Y), random_params(np.random.default_rng(1), M, D, H)
    wrong = {
        r"weight1: \[3, 4, 6\] of torch.float64 on cpu given; allowed: \[3, 2, 6\]": {"x": x[..., :2]},
        r"weight1: \[3, 4, 6\] .*; allowed: \[3, 8, 6\]": {"x": x.repeat(1, 1, 2)},
        r"x: \[24, 4\] of torch.float64 on cpu given; allowed: \['any', 'any', 'any'\]": {"x": x[0]},
        r"weight1: .* of torch.float64 on cpu given": {"x": x.float()},
        r"x: .* of torch.int64 on cpu given; allowed: .* of torch.float32 or torch.float64": {"x": x.long()},
        r"bias1: \[3, 1, 5\]": {"params": {**params, "bias1": params["bias1"][..., :5]}},
        r"weight2: \[3, 6, 2\]": {"params": {**params, "weight2": params["weight2"].repeat(1, 1, 2)}},
    }
    if name != "predict":
        wrong[r"y: \[3, 24, 1\] .*; allowed: \[3, 24\]"] = {"y": y[..., None]}
        wrong[r"y: \[3, 24\] of torch.int64"] = {"y": y.long()}
    if name == "descend":
        wrong[r"preconditioner: \[4\] .*; allowed: \[3, 4\]"] = {"preconditioner": torch.ones(D, dtype=x.dtype)}
        wrong[r"rate: \[1\] .*; allowed: \[3\]"] = {"rate": torch.ones(1, dtype=x.dtype)}
    if name == "gradients_along":
        wrong[r"direction weight2: \[3, 6\]"] = {"v": {**params, "weight2": params["weight2"][..., 0]}}
    for message, change in wrong.items():
        with pytest.raises(ValueError, match=message):
            kernel(tmp_path, name, **{"x": x, "y": y, "params": params, **change})


def test_compiled_code_refuses_other_devices(tmp_path):
    params = random_params(np.random.default_rng(1), M, D, H)
    with pytest.raises(ValueError, match="x: .* on meta given; allowed: .* on cpu"):
        two_layer_kernels.predict(params, torch.tensor(X).to("meta"), tmp_path)


# --- the loop ---


def train(loss=None, measure=None, rate=0.1, x=None):
    """Train by sgd with another loss, measure or learning rate."""
    x, y, params = (
        torch.tensor(X) if x is None else x,
        torch.tensor(Y),
        random_params(np.random.default_rng(1), M, D, H),
    )

    def gradients(params):
        losses, found = two_layer_relu.mse_gradients(params, x, y)
        return losses if loss is None else loss(losses), found

    measured = measure or (lambda params: {"mse": two_layer_relu.mean_squared_error(params, x, y)})
    rule = loop.Rule(gradients, sgd, Problem(), rate)
    return loop.train(params, rule, loop.Record([0, 1, 5], measured, NAMES))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"loss": lambda losses: losses[:, None]}, r"loss: shape \[3, 1\] found, needed \[3\], one number per model"),
        ({"measure": lambda params: {"mse": torch.ones(M, N)}}, r"measure 'mse': shape \[3, 24\] found, needed \[3\]"),
        (
            {"rate": torch.ones(2)},
            r"learning_rate: \[1.0, 1.0\] given for 3 models; allowed: finite numbers, one or one",
        ),
        ({"rate": float("nan")}, "learning_rate: nan given for 3 models"),
    ],
)
def test_the_loop_refuses_what_is_not_one_number_a_model(change, message):
    with pytest.raises(loop.TrainingError, match=message):
        train(**change)


def test_inputs_that_overflow_are_the_cause_of_a_divergence_and_not_the_rate():
    with pytest.raises(loop.TrainingError, match="not finite before the first update, so no learning rate helps"):
        train(x=torch.full((M, N, D), torch.inf, dtype=torch.float64))


# --- the gate ---


def test_plain_arrays_pass_as_they_are():
    for array in (X, X.astype(np.float32)):
        assert arrays.real("x", array, (M, N, D)) is array


@pytest.mark.parametrize(
    "shape, fits", [((..., D), True), ((..., N, "d"), True), ((M, "n", "d"), True), (("n", D), False)]
)
def test_a_shape_may_leave_axes_open(shape, fits):
    try:
        assert arrays.real("x", X, shape) is X and fits
    except ValueError as error:
        assert not fits and "x: shape [3, 24, 4] given; allowed: [n, 4], each 1 or more" in str(error)


def test_dense_stacks_keep_the_order_of_parameters():
    """Random signs are drawn in that order."""
    run = regression.fit(Models(two_layer_relu, START, DATA, NAMES), RECIPE._replace(steps=1))
    assert list(run.params) == list(START[0]) == list(dense.stack(START, torch.float32))
