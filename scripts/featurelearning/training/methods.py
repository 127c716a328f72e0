"""Methods by name: the modules of featurelearning.optimizers, and what each says of itself."""

import importlib
import pkgutil
from collections.abc import Iterable

from featurelearning import optimizers
from featurelearning.optimizers.problem import Optimizer


def load(method: str) -> Optimizer:
    """Return the module of a method; raises ValueError, naming those that there are, where there is none."""
    name = f"{optimizers.__name__}.{method}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        module = None
    if not hasattr(module, "update"):
        raise ValueError(f"method: {method!r} is unknown; allowed: {', '.join(known())}; write one of them")
    return module


def known() -> dict[str, Optimizer]:
    """Return the modules of all methods by name."""
    names = [found.name for found in pkgutil.iter_modules(optimizers.__path__)]
    modules = {name: importlib.import_module(f"{optimizers.__name__}.{name}") for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "update")}


def long_names(method: str, given: Iterable[str] = ()) -> dict[str, tuple[str, str]]:
    """Return the long name and unit of each hyper-parameter of a method, as its module declares it, and of those given.

    A method with a CLASS declares none.
    """
    module = load(method)
    meanings = getattr(module, "MEANINGS", {})
    names = dict.fromkeys([*getattr(module, "HYPERPARAMETERS", {}), *given])
    return {name: (meanings.get(name, f"hyper-parameter {name} of {method}"), "1") for name in names}


def name_of(module: object) -> str:
    """Return the last name of a module, or the name of a class's instance."""
    return getattr(module, "__name__", type(module).__name__).split(".")[-1]


def decoupled(optimizer: Optimizer) -> bool:
    """Return whether a method's weight decay is added to its step instead of the objective."""
    return getattr(optimizer, "DECOUPLED", False)
