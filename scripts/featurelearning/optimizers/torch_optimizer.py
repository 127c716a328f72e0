"""Any optimiser of torch.optim, or of another package in its style: the class itself, run on one model at a time.

Each model has an instance of its own, with the arm's learning rate as lr and its parameters as torch.nn.Linear lays
them: weights [fan_out, fan_in], biases [fan_out]. The step is the one with which the loop arrives where the class does,
    step = (params - params') / learning_rate.
What an instance remembers is the state, as its state_dict. Nothing else lives between two updates, so that a job that
is stopped goes on with the same bits.
Weight decay is the study's, in the gradient, as for other methods: the class's own is 0, whatever its default. Where
weight_decay is given, the class has that and there is no other. A class whose step asks for a closure gets the
objective; each evaluation takes as long as one of the whole batch. `torch_classes` says what is refused.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from featurelearning.networks import dense
from featurelearning.networks.dense import Params
from featurelearning.optimizers import torch_classes
from featurelearning.optimizers.problem import Problem, State

CLASS = "class"
EAGER = True

Own = dict[str, torch.nn.Parameter]  # the parameters of one model, as torch.nn.Linear lays them


def faults(given: Mapping[str, Any]) -> list[str]:
    """Return a line for each fault of a class and its arguments; a tuned argument is an array of one for each model."""
    if CLASS not in given:
        return [f"{CLASS}: missing; allowed: {torch_classes.FORM}; add it"]
    models = max([len(value.flatten()) for value in given.values() if hasattr(value, "flatten")], default=1)
    each = [arguments(given, model) for model in range(models)]
    found = [
        line for i, one in enumerate(each) if one not in each[:i] for line in torch_classes.faults(given[CLASS], one)
    ]
    return list(dict.fromkeys(found))


def init(params: Params, problem: Problem) -> State:
    """Return the empty state: a class makes its own in its first step."""
    count, named = len(dense.leading(params)), problem.hyperparameters[CLASS]
    print(f"{named}: {count} models are trained one at a time, slower than as a batch")
    return {}


def update(gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
    """Return the step of each model's own instance; NaN for a model that is not finite, which its class never sees."""
    kind, first = torch_classes.load(problem.hyperparameters[CLASS]), dense.leading(params)
    rates = torch.as_tensor(problem.learning_rate, dtype=first.dtype, device=first.device).reshape(-1)
    end, state = {key: torch.full_like(value, torch.nan) for key, value in params.items()}, dict(state)
    for model, rate in enumerate(rates.expand(len(first)).tolist()):
        own = {key: torch.nn.Parameter(laid(key, value[model])) for key, value in params.items()}
        follow(own, gradients, model)
        if not all(value.isfinite().all() and value.grad.isfinite().all() for value in own.values()):
            continue
        options = torch_classes.options(kind, arguments(problem.hyperparameters, model))
        optimizer = kind(own.values(), lr=rate, **options)
        torch_classes.restore(optimizer, state.get(f"{model}"))
        torch_classes.step(optimizer, objective(own, params, model, problem))
        state[f"{model}"] = torch_classes.remembered(optimizer)
        place(own, end, model)
    return {key: between(value, end[key], dense.each(rates, value)) for key, value in params.items()}, state


def between(start: Tensor, end: Tensor, rate: Tensor) -> Tensor:
    """Return the step with which start - rate * step is the end, 0 at a rate of 0.

    The loop then has the bits of the end, unless the way is as long as its place; there it is right to the rounding.
    """
    return torch.where(rate > 0, (start - end) / rate, 0 * end)


def objective(own: Own, params: Params, model: int, problem: Problem) -> Callable[[], Tensor]:
    """Return the closure of a model: the objective at its own parameters, whose gradients it sets."""

    @torch.no_grad()
    def closure() -> Tensor:
        there = {key: value.clone() for key, value in params.items()}
        place(own, there, model)
        losses, found = problem.objective(there)
        follow(own, found, model)
        return losses[model]

    return closure


def laid(key: str, value: Tensor) -> Tensor:
    """Return a copy of one model's weight [fan_in, fan_out] or bias [1, fan_out] as torch.nn.Linear lays it."""
    return (value.T if key.startswith("weight") else value[0]).clone(memory_format=torch.contiguous_format)


def follow(own: Own, gradients: Params, model: int) -> None:
    """Give a model's own parameters their gradients out of a batch."""
    for key, value in own.items():
        value.grad = laid(key, gradients[key][model])


def place(own: Own, batch: Params, model: int) -> None:
    """Write a model's own parameters into its place in a batch."""
    for key, value in own.items():
        batch[key][model] = value.detach().T if key.startswith("weight") else value.detach()


def arguments(given: Mapping[str, Any], model: int) -> dict[str, Any]:
    """Return a model's arguments: those of all models, and its own of the tuned ones."""
    return {name: of_model(value, model) for name, value in given.items() if name != CLASS}


def of_model(value: Any, model: int) -> Any:
    """Return a model's own number of an array, the whole ones as integers, which they may have been; else the value."""
    if not hasattr(value, "flatten"):
        return value
    numbers = value.flatten().tolist()
    found = numbers[model % len(numbers)]
    return int(found) if float(found).is_integer() else found
