"""What training is given, checked and made plain once, before the first step; see `arrays`.

m models, n samples of a set, d inputs. Inputs are named x_SET, and every other array of the data is of the set that its
name ends with: y_test and clean_test are of x_test.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from featurelearning import arrays
from featurelearning.networks.layers import layers

Model = dict[str, np.ndarray]
PRECISIONS = (torch.float32, torch.float64)


def largest_of(dtype: torch.dtype) -> float:
    """Return the largest number of the type that training runs in; raises ValueError for one that it cannot run in."""
    if dtype not in PRECISIONS:
        raise ValueError(f"dtype: {dtype} given; allowed: {' or '.join(map(str, PRECISIONS))}; choose one of them")
    return torch.finfo(dtype).max


def starts(given: Sequence[Mapping], largest: float) -> list[Model]:
    """Return the starting parameters of each model as plain arrays, all models alike; raises as `arrays.real`.

    ValueError also for parameters that no network of dense layers has, and for layers that do not fit each other.
    """
    if isinstance(given, Mapping) or not len(given):
        raise ValueError("initial: no list of models given; allowed: one dict of parameters for each; put it in a list")
    names, found = set(given[0]), layers(given[0])
    if not found or names - {name for layer in found for name in layer} or any(set(one) != names for one in given):
        listed = " / ".join(dict.fromkeys(", ".join(map(str, one)) for one in given))
        raise ValueError(
            f"initial: parameters {listed} given; allowed: weight1, weight2, .. and biases of these, the same in every "
            "model; draw all models by the init of one network"
        )
    shapes, width = {}, "inputs"
    for layer in found:
        shape = arrays.numbers(layer.weight, given[0][layer.weight]).shape
        arrays.require_shape(f"initial[0], {layer.weight}", shape, (width, "units"))
        width, shapes[layer.weight] = shape[1], shape
        shapes |= {layer.bias: (1, width)} if layer.bias else {}
    return [
        {key: arrays.real(f"initial[{i}], {key}", one[key], shapes[key], largest) for key in given[0]}
        for i, one in enumerate(given)
    ]


def outputs(model: Model) -> int:
    """Return the number of outputs of a network."""
    return model[layers(model)[-1].weight].shape[1]


def names(given: Sequence[str], m: int) -> list[str]:
    """Return one name for each of m models; raises ValueError for another number of them."""
    if isinstance(given, str) or len(given) != m:
        count = "one text" if isinstance(given, str) else len(given)
        raise ValueError(f"names: {count} given for {m} models; allowed: a list of {m}; give one name for each model")
    return list(given)


def sets(given: Mapping[str, object], m: int, d: int, largest: float) -> dict[str, np.ndarray]:
    """Return the data as plain arrays: inputs [m, n, d], all else [m, n, ...] with the n of its inputs.

    Raises as `arrays.real`. Whole numbers beside the inputs stay such: they may be classes.
    """
    found = {}
    for name in sorted(given, key=lambda name: not name.startswith("x_")):
        if name.startswith("x_"):
            found[name] = arrays.real(name, given[name], (m, "samples", d), largest)
            continue
        array, inputs = arrays.numbers(name, given[name]), found.get(inputs_of(name))
        n = "samples" if inputs is None else inputs.shape[1]
        shape = (m, n, *array.shape[2:])
        kept = array.dtype.kind in "iu"
        found[name] = arrays.whole(name, array, shape) if kept else arrays.real(name, array, shape, largest)
    return {name: found[name] for name in given}


def inputs_of(name: str) -> str:
    """Return the name of the inputs that an array of data belongs to."""
    return f"x_{name.rsplit('_', 1)[-1]}"


def labelled(given: Mapping[str, object], names: Sequence[str], outputs: int, classes: bool) -> dict[str, np.ndarray]:
    """Return the data of a task, x [m, n, d] and labels [m, n] of these names, as plain arrays.

    Classes are whole numbers below the number of outputs; other labels are numbers, and there is one output. Raises as
    `arrays.real`, and ValueError for names that are missing or unknown, classes that there are not, several outputs.
    """
    wanted = list(dict.fromkeys([*map(inputs_of, names), *names]))
    if not isinstance(given, Mapping) or set(given) != set(wanted):
        listed = ", ".join(map(str, given)) if isinstance(given, Mapping) else f"a {type(given).__name__}"
        raise ValueError(f"data: {listed} given; allowed: {', '.join(wanted)}; give these by name")
    if not classes and outputs != 1:
        raise ValueError(f"initial: networks of {outputs} outputs given; allowed: 1; draw them with one output")
    found = {}
    for name in wanted:
        if name not in names:
            found[name] = arrays.real(name, given[name], ("models", "samples", "inputs"), None)
            continue
        array, shape = given[name], found[inputs_of(name)].shape[:2]
        found[name] = arrays.classes(name, array, shape, outputs) if classes else arrays.real(name, array, shape, None)
    return {name: found[name] for name in given}


def each(name: str, given: object, m: int, largest: float | None) -> np.ndarray:
    """Return one number for all models, or one for each of m; raises as `arrays.real`."""
    array = arrays.numbers(name, given)
    return arrays.real(name, array, (m,) if array.ndim else (), largest).astype(np.float64)


def recipe(given, m: int, d: int, largest: float, left: bool):
    """Return `experiments.Recipe` with plain arrays that fit m models of d inputs; raises as `arrays.real`.

    left: whether hyper-parameters that are no arrays are left as they are.

    ValueError also for a negative learning rate or weight decay, and for a negative number of steps. The range of
    hyper-parameters is their method's to check.
    """
    found = {
        "learning_rate": each("learning_rate", given.learning_rate, m, largest),
        "weight_decay": arrays.number("weight_decay", given.weight_decay, largest),
        "steps": int(arrays.whole("steps", given.steps, ())),
        "records": int(arrays.whole("records", given.records, ())),
    }
    for name, least in (("learning_rate", 0), ("weight_decay", 0), ("steps", 0), ("records", 1)):
        if (smallest := np.min(found[name])) < least:
            raise ValueError(f"{name}: {smallest:g} given; allowed: {least} or more; raise it")
    hyperparameters = {
        name: value if left and not isinstance(value, np.ndarray) else each(f"hyperparameter {name}", value, m, None)
        for name, value in given.hyperparameters.items()
    }
    if given.basis is not None:
        found["basis"] = arrays.real("basis", given.basis, (m, d, d), largest)
    if given.powers is not None:
        powers = arrays.numbers("powers", given.powers)
        found["powers"] = arrays.real("powers", powers, (m, d, d) if powers.ndim == 3 else (m, d), largest)
    if given.streams is not None:
        found["streams"] = arrays.whole("streams", given.streams, (m, 2))
    return given._replace(hyperparameters=hyperparameters, **found)
