"""Optimiser classes in the style of torch.optim: found by name, checked, and taken from one saved state to the next.

Refused by name are classes without a learning rate, those that make no step from gradients or a closure, such as those
that differentiate the gradients, and those whose state_dict does not decide their next step, as far as a few steps
show: they remember something elsewhere or draw random numbers, and a job that is stopped would go on with other bits.
"""

import copy
import difflib
import functools
import importlib
import inspect
import io
import pickle
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

FORM = "package.module:Class, as torch.optim:NAdam"
STEPS, RATE = 12, 0.01  # of a trial
KINDS = {  # what a default of some type says of the values allowed
    bool: (bool, "true or false"),
    int: (int | float, "a number"),
    float: (int | float, "a number"),
    str: (str, "a word"),
    tuple: (tuple | list, "a list of numbers, within the list of its arms"),
}

Options = Mapping[str, Any]


def load(named: str) -> type[Optimizer]:
    """Return the class package.module:Class; raises ValueError that says what is allowed where there is none."""
    module, _, name = named.partition(":") if isinstance(named, str) else ("", "", "")
    given = f"class: {named} given"
    if not all(part.isidentifier() for part in [*module.split("."), name]):
        raise ValueError(f"{given}; allowed: {FORM}; write it so")
    try:
        found = importlib.import_module(module)
    except Exception as error:  # whatever a module does when it is imported
        raise ValueError(
            f"{given}, but {module} cannot be imported ({said(error)}); allowed: {FORM}, of a package that is "
            "installed; install it or correct the name"
        ) from error
    kind = getattr(found, name, None)
    if not is_optimiser(kind):
        near = difflib.get_close_matches(name, filter(lambda key: is_optimiser(getattr(found, key)), vars(found)), 1)
        raise ValueError(
            f"{given}, but {module} has no such optimiser; allowed: subclasses of torch.optim.Optimizer; "
            f"write {near[0] if near else 'another name'}"
        )
    if "lr" not in accepted(kind):
        raise ValueError(f"{given}, which takes no lr; allowed: a class with a learning rate; choose another")
    return kind


def is_optimiser(found: Any) -> bool:
    """Return whether something is a class of optimisers."""
    return inspect.isclass(found) and issubclass(found, Optimizer)


@functools.cache
def accepted(kind: type[Optimizer]) -> dict[str, Any]:
    """Return what a class takes by name beside the parameters, with the defaults."""
    _, *others = inspect.signature(kind).parameters.values()
    return {each.name: each.default for each in others if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)}


def options(kind: type[Optimizer], given: Options) -> Options:
    """Return what a class is called with beside parameters and lr: no weight decay where none is given."""
    return {name: 0.0 for name in ("weight_decay",) if name in accepted(kind)} | given


# --- one instance ---


def step(optimizer: Optimizer, closure: Callable[[], Tensor]) -> None:
    """Let an optimiser step from the gradients that its parameters have, or from the closure if it asks for one."""
    with torch.enable_grad():  # as in a loop of one's own
        optimizer.step(**{"closure": closure} if asks(type(optimizer)) else {})


@functools.cache
def asks(kind: type[Optimizer]) -> bool:
    """Return whether the step of a class asks for a closure."""
    taken = inspect.signature(kind.step).parameters
    return "closure" in taken and taken["closure"].default is inspect.Parameter.empty


def remembered(optimizer: Optimizer) -> dict[str, Any]:
    """Return an optimiser's state_dict without functions, which its arguments give it again."""
    found = optimizer.state_dict()
    groups = [{key: value for key, value in group.items() if not callable(value)} for group in found["param_groups"]]
    return {"state": found["state"], "param_groups": groups}


def restore(optimizer: Optimizer, saved: Mapping[str, Any] | None) -> None:
    """Have a new optimiser go on from a copy of what was remembered, if anything was.

    Its own load_state_dict would turn tensors into the type of the parameters, which not all of them have.
    """
    saved = copy.deepcopy(saved or {"state": {}, "param_groups": [{}]})
    [group], [kept] = optimizer.param_groups, saved["param_groups"]
    group.update({key: value for key, value in kept.items() if key != "params"})
    for key, value in saved["state"].items():
        optimizer.state[group["params"][key] if isinstance(key, int) else key] = value


# --- what is wrong with a class or its arguments ---


def faults(named: str, given: Options) -> list[str]:
    """Return a line for each fault of a class and its arguments; where there is none to see, it makes some steps."""
    try:
        kind = load(named)
    except ValueError as error:
        return [str(error)]
    return [*misfits(named, kind, given)] or [*failures(named, kind, given)]


def misfits(named: str, kind: type[Optimizer], given: Options) -> Iterator[str]:
    """Yield a line for each argument that a class does not have, that it lacks, or that is of another kind."""
    known = {name: default for name, default in accepted(kind).items() if name != "lr"}
    for name, value in given.items():
        if name not in known:
            near = ["learning_rate"] if name == "lr" else difflib.get_close_matches(str(name), known, 1)
            allowed, remedy = ", ".join(known) or "none", f"write {near[0]}" if near else "remove it"
            yield f"{name}: {shown(value)} given, which {named} does not take; allowed: {allowed}; {remedy}"
        elif value is not None and (wanted := other_than(value, known[name])):
            example = shown([known[name]] if isinstance(known[name], tuple) else known[name])
            yield f"{name}: {shown(value)} given; allowed: {wanted}; write for example its default, {example}"
    for name in (name for name, default in known.items() if default is inspect.Parameter.empty and name not in given):
        yield f"{name}: missing; allowed: a value, since {named} has no default; add it"


def other_than(value: Any, default: Any) -> str | None:
    """Return what is allowed, in words, where a value is of another kind than a default; of some any value may be."""
    types, words = KINDS.get(type(default), (object, None))
    fits = isinstance(value, types) and (isinstance(value, bool) <= (types in (bool, object)))
    return None if fits else words


def failures(named: str, kind: type[Optimizer], given: Options) -> Iterator[str]:
    """Yield what keeps a class from making steps, or from going on with the same ones from a saved state."""
    problem = "whose state_dict does not decide its next step: it remembers more elsewhere, or draws random numbers"
    try:
        with torch.random.fork_rng(devices=[]):
            straight, resumed = (tried(kind, options(kind, given), saved) for saved in (False, True))
        if all(map(torch.equal, straight, resumed)):
            return
    except pickle.UnpicklingError:
        problem = "whose state_dict holds more than tensors, numbers, words and lists of them"
    except Exception as error:  # whatever its step raises
        told = ", ".join(f"{name} {shown(value)}" for name, value in given.items())
        yield (
            f"class: {named} given, which makes no step{f' with {told}' * bool(told)} ({said(error)}); allowed: a "
            "class that steps from a closure or from gradients, which it does not differentiate, for weights and "
            "biases alike, with values that it accepts; change them"
        )
        return
    yield f"class: {named} given, {problem}; allowed: a class that can be stopped and go on; choose another"


def tried(kind: type[Optimizer], given: Options, saved: bool) -> list[Tensor]:
    """Return the parameters of a tiny network after some steps down a parabola, saved before each of them or not."""
    shapes = ((3, 2), (3,), (1, 3), (1,))
    own = [torch.nn.Parameter(torch.full(shape, 1.0 / len(shape), dtype=torch.float64)) for shape in shapes]

    def closure() -> Tensor:
        for place, value in enumerate(own):
            value.grad = (place + 1) * value.detach()
        return sum((value.detach() * value.grad).sum() / 2 for value in own)

    optimizer = kind(own, lr=RATE, **given)
    for _ in range(STEPS):
        if saved:
            file = io.BytesIO()
            torch.save(remembered(optimizer), file)
            file.seek(0)
            optimizer = kind(own, lr=RATE, **given)
            restore(optimizer, torch.load(file, weights_only=True))
        closure()
        step(optimizer, closure)
    return own


def said(error: Exception) -> str:
    """Return what an error is and says, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def shown(value: Any) -> str:
    """Return a value as YAML writes it."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(shown, value))}]"
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else "null" if value is None else str(value)
