"""The parts of any experiment grid: arms and shards of seeds.

A cell is one trained model (arm and the labels of its study, seed). A shard is a fixed block of seeds of one cell
family, trained together in one job; block borders are multiples of seeds_per_shard, so more seeds add shards and touch
none.
"""

import json
from collections.abc import Container, Iterable
from itertools import product
from typing import NamedTuple

from featurelearning.files.sets import SETS
from workflow.core.configuration import ConfigError, Run
from workflow.core.methods import BY_COVARIANCE, CLASSES, HYPERPARAMETERS

TUNING = "tuning"  # the shard of the seeds that choose learning rates


class Arm(NamedTuple):
    """A method with all that is fixed of it: covariance estimator ('none') and exponent (None), hyper-parameters.

    learning_rate: its own; None: that of its study.
    """

    id: str
    method: str
    estimator: str = "none"
    p: float | None = None
    hyperparameters: dict[str, float] = {}
    learning_rate: float | None = None


def sigma_arm(estimator: str, p: float) -> Arm:
    """Return the arm of P = Sigma^p with the covariance of one estimator."""
    return Arm(f"sigma_{estimator}_p{p:+.2f}", BY_COVARIANCE, estimator, p)


def method_arms(cfg: Run, method: str, given: dict[str, float | tuple[float, ...]], tuned: Container[str]) -> list[Arm]:
    """Return an arm for each value of the hyper-parameters that are lists; its name carries those and no others.

    A power p that is not given runs over the grid of exponents; hyper-parameters that are tuned belong to no arm. The
    name of an arm that runs a class carries the class and all that is given of its arguments.
    """
    key = CLASSES.get(method)
    names = [key, *sorted(given.keys() - {key})] if key else list(HYPERPARAMETERS[method])
    names = [name for name in names if name not in tuned]
    if missing := [name for name in names if name not in given and name != "p"]:
        raise ValueError(f"{method}: {', '.join(missing)} missing; allowed: a value, or a list of them; add it")
    values = {"p": cfg.exponents} | {name: given[name] for name in names if name in given}
    values = {name: values[name] for name in names}
    swept = [name for name in names if isinstance(values[name], tuple)]
    arms = []
    for chosen in product(*(values[name] for name in swept)):
        fixed = values | dict(zip(swept, chosen, strict=True))
        if key:
            labels = (f"_{name}-{label(name, value)}" for name, value in fixed.items())
        else:
            labels = (f"_{name}{label(name, value)}" for name, value in zip(swept, chosen, strict=True))
        p = None if key else fixed.get("p")
        arms.append(Arm(method + "".join(labels), method, p=p, hyperparameters=fixed))
    return arms


def label(name: str, value: float | bool | str | tuple | None) -> str:
    """Return the value of a hyper-parameter as file names carry it, so that two values never share one.

    Words, which `checks.argument` reads, begin with a letter and hold no hyphen; so no name holds one either.
    """
    if isinstance(value, tuple):
        return "x".join(label("", each) for each in value) + "x" * (len(value) == 1)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return value.replace(":", ".").replace("_", "-")
    if name == "p":
        return f"{value:+.2f}"
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def by_id(arms: Iterable[Arm]) -> dict[str, Arm]:
    """Return arms by id, each once; raises ConfigError that names two arms which share an id."""
    found = {}
    for arm in arms:
        if (other := found.setdefault(arm.id, arm)) != arm:
            raise ConfigError(
                f"{arm.id}: names {other} and {arm}; allowed: an id for each arm, which file names carry; rename a "
                "method or a hyper-parameter"
            )
    return found


def shards(cfg: Run) -> dict[str, list[int]]:
    """Return the shards of the result seeds by name, `seeds0000-0009`, both ends included."""
    size = cfg.seeds_per_shard
    blocks = (range(first, min(first + size, cfg.seeds)) for first in range(0, cfg.seeds, size))
    return {f"seeds{block[0]:04d}-{block[-1]:04d}": list(block) for block in blocks}


def seeds(shard: str) -> list[int]:
    """Return the seeds of a shard of the result seeds."""
    return list(range(int(shard[5:9]), int(shard[10:14]) + 1))


def image_files(cfg: Run, name: str) -> list[str]:
    """Return the paths of the original files of a set of images, below the cache of data."""
    return [f"{cfg.data_cache}/{name}/{file.name}" for file in SETS[name].files]


def any_of(values: Iterable[str]) -> str:
    """Return a wildcard constraint that matches exactly the values."""
    return "|".join(value.replace("+", r"\+").replace(".", r"\.") for value in dict.fromkeys(values))
