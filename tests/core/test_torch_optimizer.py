"""Optimisers of torch.optim and of packages in its style, by their class: against a plain loop over models."""

import functools
import importlib.util

import numpy as np
import pytest
import torch
from torch.nn import functional

from featurelearning.networks import two_layer_relu
from featurelearning.optimizers import adam, torch_classes, torch_optimizer
from featurelearning.optimizers.problem import Problem
from featurelearning.training import loop, regression
from featurelearning.training.experiments import Models, Place, Recipe
from references import assert_close, descend, network, of_torch_layout, random_params, weights

M, D, H, N = 3, 4, 6, 15
RATES = [0.02, 0.05, 0.01]
STEPS = 15
PLAIN = 1e-12  # the same class on the same numbers: only the gradients come from another formula
THERE = importlib.util.find_spec("pytorch_optimizer")
OTHERS = pytest.mark.skipif(
    not THERE, reason="the package pytorch_optimizer is not installed: its classes were not tried"
)

CLASSES = {
    "Adam": {},
    "AdamW": {"weight_decay": 0.1, "amsgrad": True},
    "NAdam": {"betas": (0.8, 0.99), "momentum_decay": 0.01},
    "SGD": {"momentum": 0.9, "nesterov": True},
    "Adagrad": {"initial_accumulator_value": 0.1},
    "Rprop": {},  # its steps have no size of lr but in the beginning
    "ASGD": {},  # keeps numbers in float32, whatever the parameters are in
    "Adafactor": {},  # a weight and its transpose are not one and the same to it
    "LBFGS": {"max_iter": 3, "history_size": 5},  # asks for a closure
}
NAMED = {f"torch.optim:{name}": given for name, given in CLASSES.items()}
ELSEWHERE = {
    "Lion": {"betas": (0.9, 0.95)},
    "Prodigy": {"weight_decay": 0.1},  # finds its own rate, which it keeps beside the parameters
    "ADOPT": {},  # has a function among its arguments
    "LBFGS": {"max_iter": 3, "history_size": 5},
}
ALL = [pytest.param(named, given, id=named) for named, given in NAMED.items()]
ALL += [
    pytest.param(f"pytorch_optimizer:{name}", given, id=f"pytorch_optimizer:{name}", marks=OTHERS)
    for name, given in ELSEWHERE.items()
]


@pytest.fixture
def task():
    rng = np.random.default_rng(51)
    return random_params(rng, M, D, H), *(torch.tensor(rng.standard_normal(shape)) for shape in ((M, N, D), (M, N)))


def train(task, named: str, given: dict, dtype=torch.float64, rates=RATES, steps=STEPS, decay=0.0) -> loop.Run:
    params, x, y = {key: value.to(dtype) for key, value in task[0].items()}, task[1].to(dtype), task[2].to(dtype)
    gradients = functools.partial(two_layer_relu.mse_gradients, x=x, y=y)
    problem = Problem(hyperparameters={"class": named, **given})
    rule = loop.Rule(gradients, torch_optimizer, problem, torch.tensor(rates, dtype=dtype), decay)

    def measure(params):
        return {"train_mse": two_layer_relu.mean_squared_error(params, x, y)}

    return loop.train(params, rule, loop.Record([0, steps], measure, [f"model {model}" for model in range(M)]))


def plain(task, model: int, named: str, given: dict, decay: float = 0.0, steps: int = STEPS):
    """Return a torch network after the steps of its own loop."""
    net, kind = network(task[0], model), torch_classes.load(named)
    loss = functools.partial(functional.mse_loss, target=task[2][model][:, None])
    optimizer = kind(net.parameters(), lr=RATES[model], **torch_classes.options(kind, given))
    descend(net, loss, optimizer, task[1][model], steps, weight_decay=decay)
    return net


@pytest.mark.parametrize("named, given", ALL)
def test_every_model_is_trained_as_by_a_loop_of_its_own(task, named, given):
    run = train(task, named, given, decay=0.01)
    np.testing.assert_array_equal(run.diverged_at, [-1] * M)
    for model in range(M):
        for key, wanted in weights(plain(task, model, named, given, decay=0.01)).items():
            assert_close(run.params[key][model], wanted, PLAIN)


@pytest.mark.parametrize("named, given", ALL)
def test_a_class_that_is_tested_here_is_not_refused(named, given):
    assert torch_optimizer.faults({"class": named, **given}) == []


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-12), (torch.float32, 1e-4)])
def test_adam_of_torch_is_ours(task, dtype, tolerance):
    params, x, y = {key: value.to(dtype) for key, value in task[0].items()}, task[1].to(dtype), task[2].to(dtype)
    gradients = functools.partial(two_layer_relu.mse_gradients, x=x, y=y)
    rule = loop.Rule(gradients, adam, Problem(), torch.tensor(RATES, dtype=dtype))
    record = loop.Record([0, STEPS], lambda params: {"w": params["weight1"].sum(dim=(1, 2))}, ["a", "b", "c"])
    ours, theirs = loop.train(params, rule, record), train(task, "torch.optim:Adam", {}, dtype)
    for key, value in ours.params.items():
        assert theirs.params[key].dtype == dtype
        assert_close(theirs.params[key], value, tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [1e-6, 1e-3, 0.3])
def test_the_loop_arrives_at_the_same_bits_unless_a_step_is_as_large_as_the_parameter(dtype, size):
    generator = torch.Generator().manual_seed(3)
    start = torch.rand(M, 50, 40, generator=generator, dtype=dtype) + 1
    end = start + size * torch.randn(M, 50, 40, generator=generator, dtype=dtype).clamp(-1, 1)
    rate = torch.tensor(RATES, dtype=dtype)[:, None, None]
    assert torch.equal(start - rate * torch_optimizer.between(start, end, rate), end)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_step_across_zero_is_right_to_the_rounding_of_its_size(dtype):
    generator = torch.Generator().manual_seed(4)
    start, end = torch.randn(2, M, 50, 40, generator=generator, dtype=dtype)
    rate = torch.tensor(RATES, dtype=dtype)[:, None, None]
    gap = (start - rate * torch_optimizer.between(start, end, rate) - end).abs()
    assert (gap <= torch.finfo(dtype).eps * (2 * (start - end).abs() + end.abs())).all()


def test_a_rate_of_zero_stays():
    start, rate = torch.ones(1, 2, 2), torch.zeros(1, 1, 1)
    assert torch.equal(torch_optimizer.between(start, start, rate), torch.zeros(1, 2, 2))


def test_a_diverged_model_is_masked_and_its_class_does_not_see_it(task, monkeypatch):
    params, x, y = task
    y[1, 0] = torch.inf
    seen = []
    step = torch_classes.step
    monkeypatch.setattr(torch_classes, "step", lambda optimizer, closure: (seen.append(0), step(optimizer, closure)))
    run = train((params, x, y), "torch.optim:LBFGS", {}, steps=5)
    np.testing.assert_array_equal(run.diverged_at, [-1, 1, -1])
    assert len(seen) == 2 * 5 + 2 * torch_classes.STEPS and all(value[1].isnan().all() for value in run.params.values())
    for model in (0, 2):
        for key, wanted in weights(plain(task, model, "torch.optim:LBFGS", {}, steps=5)).items():
            assert_close(run.params[key][model], wanted, PLAIN)


def test_a_step_too_large_is_dated(task):
    run = train(task, "torch.optim:SGD", {}, torch.float32, rates=[0.02, 1e30, 0.01])
    assert run.diverged_at.tolist()[::2] == [-1, -1] and 1 <= run.diverged_at[1] <= 3


@pytest.mark.parametrize(
    "named, rate, cause",
    [
        ("torch.optim:SGD", 1e38, "lower the learning rate"),
        (
            f"{__name__}:Infinite",
            0.1,
            "the first step of torch_optimizer is not finite where the gradient is, so no learning rate helps: change "
            f"its hyper-parameters (class {__name__}:Infinite, momentum 0.5) or the scale of the inputs",
        ),
    ],
)
def test_why_every_model_diverged_is_told(task, named, rate, cause):
    with pytest.raises(loop.TrainingError) as caught:
        train(task, named, {"momentum": 0.5}, torch.float32, rates=[rate] * M, steps=5)
    assert str(caught.value).startswith("every model diverged, the first in step 1: ")
    assert str(caught.value).endswith(f"; allowed: a finite gradient in at least one model; {cause}")


# --- through the task: weight decay, what is tuned, what is compiled ---


def fit(task, named: str, given: dict, place: Place = Place(dtype=torch.float64), decay: float = 0.0):  # noqa: B008
    params, x, y = task
    models = [{key: value[model].numpy() for key, value in params.items()} for model in range(M)]
    data = {"x_train": x, "y_train": y, "x_test": x, "y_test": y, "clean_test": y}
    recipe = Recipe("torch_optimizer", np.array(RATES), STEPS, 5, decay, {"class": named, **given})
    return regression.fit(Models(two_layer_relu, models, data, ["a", "b", "c"]), recipe, place)


def assert_same(one: loop.Run, other: loop.Run) -> None:
    for key, value in one.params.items():
        assert torch.equal(value, other.params[key])


def test_weight_decay_is_the_studys_unless_the_class_is_given_its_own(task):
    study, own = (
        fit(task, "torch.optim:SGD", {}, decay=0.3),
        fit(task, "torch.optim:SGD", {"weight_decay": 0.2}, decay=9),
    )
    for model in range(M):
        for key, wanted in weights(plain(task, model, "torch.optim:SGD", {}, decay=0.3 / N)).items():
            assert_close(study.params[key][model], wanted, PLAIN)
        for key, wanted in weights(plain(task, model, "torch.optim:SGD", {"weight_decay": 0.2})).items():
            assert_close(own.params[key][model], wanted, PLAIN)


def test_a_default_decay_of_the_class_is_off(task):
    assert_same(fit(task, "torch.optim:AdamW", {}, decay=0.3), fit(task, "torch.optim:Adam", {}, decay=0.3))


def test_a_tuned_argument_is_one_for_each_model(task):
    tuned = fit(task, "torch.optim:LBFGS", {"max_iter": np.array([1.0, 2.0, 3.0]), "history_size": np.array(2.0)})
    for model in range(M):
        one = fit(task, "torch.optim:LBFGS", {"max_iter": model + 1, "history_size": 2})
        for key, value in one.params.items():
            assert torch.equal(tuned.params[key][model], value[model])


def test_parts_of_a_batch_are_the_batch(task):
    given = {"weight_decay": np.array([0.0, 0.1, 0.2]), "betas": (0.9, 0.99)}
    whole = fit(task, "torch.optim:NAdam", given)
    assert_same(fit(task, "torch.optim:NAdam", given, Place(dtype=torch.float64, memory=1)), whole)


def test_steps_are_not_compiled_and_gradients_are(task, compiled):
    run = fit(task, "torch.optim:NAdam", {}, Place(dtype=torch.float64, compiled=compiled))
    assert run.step == "eager, C++ gradients"
    wanted = fit(task, "torch.optim:NAdam", {})
    for key, value in wanted.params.items():
        assert_close(run.params[key], value, PLAIN)


def test_the_log_says_how_many_models_are_trained_one_at_a_time(task, capsys):
    fit(task, "torch.optim:NAdam", {})
    assert capsys.readouterr().out == "torch.optim:NAdam: 3 models are trained one at a time, slower than as a batch\n"


def test_random_numbers_of_others_are_left_alone(task):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    fit(task, "torch.optim:Adam", {})
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_state_is_the_state_dict_of_each_models_own_instance(task):
    params, x, y = task
    gradients = two_layer_relu.mse_gradients(params, x, y)[1]
    problem = Problem(hyperparameters={"class": "torch.optim:SGD", "momentum": 0.9}, learning_rate=0.1)
    _, state = torch_optimizer.update(gradients, {}, params, problem)
    for model in range(M):
        own = of_torch_layout({key: value[model] for key, value in gradients.items()})
        for place, g in enumerate(own):
            assert torch.equal(state[f"{model}"]["state"][place]["momentum_buffer"], g)


# --- what is refused ---


class Forgetful(torch.optim.SGD):
    """Counts its steps where no state_dict has it."""

    def step(self, closure=None):
        self.made = getattr(self, "made", 0) + 1
        for value in self.param_groups[0]["params"]:
            value.data -= self.made * value.grad


class Infinite(torch.optim.SGD):
    """Overflows where it starts, in another network than that of the trial."""

    def step(self, closure=None):
        for value in self.param_groups[0]["params"]:
            value.data += 0 if value.dtype == torch.float64 else torch.inf


class Noisy(torch.optim.SGD):
    """Draws random numbers."""

    def step(self, closure=None):
        for value in self.param_groups[0]["params"]:
            value.data += torch.randn_like(value)


class Peculiar(torch.optim.SGD):
    """Keeps what cannot be saved."""

    def step(self, closure=None):
        self.state["kept"] = Forgetful


class Curved(torch.optim.SGD):
    """Differentiates the gradients."""

    def step(self, closure=None):
        values = self.param_groups[0]["params"]
        torch.autograd.grad([value.grad.sum() for value in values], values)


class Demanding(torch.optim.SGD):
    """Has an argument without a default."""

    def __init__(self, params, lr, *, horizon):
        super().__init__(params, lr)


class Rateless(torch.optim.SGD):
    """Has no learning rate."""

    def __init__(self, params):
        super().__init__(params, 1.0)


ADAM = "allowed: betas, eps, weight_decay, amsgrad, foreach, maximize, capturable, differentiable, fused, "
ADAM += "decoupled_weight_decay"
FORM = "allowed: package.module:Class, as torch.optim:NAdam"
STEPS_FROM = (
    "allowed: a class that steps from a closure or from gradients, which it does not differentiate, for weights and "
    "biases alike, with values that it accepts; change them"
)
GOES_ON = "allowed: a class that can be stopped and go on; choose another"
REFUSED = {
    "no class": ({}, f"class: missing; {FORM}; add it"),
    "no module": ({"class": "NAdam"}, f"class: NAdam given; {FORM}; write it so"),
    "no name": ({"class": "torch.optim.NAdam"}, f"class: torch.optim.NAdam given; {FORM}; write it so"),
    "a number": ({"class": 3}, f"class: 3 given; {FORM}; write it so"),
    "unknown module": (
        {"class": "no.such:One"},
        "class: no.such:One given, but no.such cannot be imported (ModuleNotFoundError: No module named 'no'); "
        f"{FORM}, of a package that is installed; install it or correct the name",
    ),
    "unknown class": (
        {"class": "torch.optim:NAdm"},
        "class: torch.optim:NAdm given, but torch.optim has no such optimiser; allowed: subclasses of "
        "torch.optim.Optimizer; write NAdam",
    ),
    "no optimiser": (
        {"class": "torch.nn:Linear"},
        "class: torch.nn:Linear given, but torch.nn has no such optimiser; allowed: subclasses of "
        "torch.optim.Optimizer; write another name",
    ),
    "no rate": (
        {"class": f"{__name__}:Rateless"},
        f"class: {__name__}:Rateless given, which takes no lr; allowed: a class with a learning rate; choose another",
    ),
    "unknown argument": (
        {"class": "torch.optim:Adam", "beta": 0.9},
        f"beta: 0.9 given, which torch.optim:Adam does not take; {ADAM}; write betas",
    ),
    "an argument like none": (
        {"class": "torch.optim:Adam", "rho": None},
        f"rho: null given, which torch.optim:Adam does not take; {ADAM}; remove it",
    ),
    "the rate": (
        {"class": "torch.optim:Adam", "lr": 0.9},
        f"lr: 0.9 given, which torch.optim:Adam does not take; {ADAM}; write learning_rate",
    ),
    "missing argument": (
        {"class": f"{__name__}:Demanding"},
        f"horizon: missing; allowed: a value, since {__name__}:Demanding has no default; add it",
    ),
    "a number for a pair": (
        {"class": "torch.optim:Adam", "betas": 0.9},
        "betas: 0.9 given; allowed: a list of numbers, within the list of its arms; write for example its default, "
        "[[0.9, 0.999]]",
    ),
    "a word for a number": (
        {"class": "torch.optim:Adam", "eps": "small"},
        "eps: small given; allowed: a number; write for example its default, 1e-08",
    ),
    "a flag for a number": (
        {"class": "torch.optim:Adam", "eps": True},
        "eps: true given; allowed: a number; write for example its default, 1e-08",
    ),
    "a number for a flag": (
        {"class": "torch.optim:SGD", "nesterov": 1},
        "nesterov: 1 given; allowed: true or false; write for example its default, false",
    ),
    "a value that the class refuses": (
        {"class": "torch.optim:Adam", "betas": (0.9, 1.5)},
        "class: torch.optim:Adam given, which makes no step with betas [0.9, 1.5] (ValueError: Invalid beta parameter "
        f"at index 1: 1.5); {STEPS_FROM}",
    ),
    "weights only": (
        {"class": "torch.optim:Muon"},
        "class: torch.optim:Muon given, which makes no step (ValueError: Muon only supports 2D parameters whereas we "
        f"found a parameter with size: torch.Size([3])); {STEPS_FROM}",
    ),
    "graph": (
        {"class": f"{__name__}:Curved"},
        f"class: {__name__}:Curved given, which makes no step (RuntimeError: element 0 of tensors does not require "
        f"grad and does not have a grad_fn); {STEPS_FROM}",
    ),
    "memory elsewhere": (
        {"class": f"{__name__}:Forgetful"},
        f"class: {__name__}:Forgetful given, whose state_dict does not decide its next step: it remembers more "
        f"elsewhere, or draws random numbers; {GOES_ON}",
    ),
    "random": (
        {"class": f"{__name__}:Noisy"},
        f"class: {__name__}:Noisy given, whose state_dict does not decide its next step: it remembers more "
        f"elsewhere, or draws random numbers; {GOES_ON}",
    ),
    "state that cannot be saved": (
        {"class": f"{__name__}:Peculiar"},
        f"class: {__name__}:Peculiar given, whose state_dict holds more than tensors, numbers, words and lists of "
        f"them; {GOES_ON}",
    ),
}


@pytest.mark.parametrize("given, message", REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_named_with_what_is_allowed_and_a_remedy(given, message):
    assert torch_optimizer.faults(given) == [message]


def test_a_refusal_comes_before_training(task):
    with pytest.raises(
        ValueError, match="^hyperparameters of torch_optimizer: beta: 0.9 given, which torch.optim:Adam"
    ):
        fit(task, "torch.optim:Adam", {"beta": 0.9})
    with pytest.raises(ValueError, match="^hyperparameters of torch_optimizer: class: NAdam given; allowed: package"):
        train(task, "NAdam", {})


def test_each_fault_of_tuned_values_is_told_once():
    found = torch_optimizer.faults({"class": "torch.optim:SGD", "momentum": np.array([0.5, -1.0, -1.0, -2.0])})
    assert [line.split("(")[1].split(")")[0] for line in found] == [
        "ValueError: Invalid momentum value: -1",
        "ValueError: Invalid momentum value: -2",
    ]
