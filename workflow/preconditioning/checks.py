"""The rules of P1's sections of the configuration, as `workflow.core.checks`."""

import math
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationInfo

from featurelearning.files.sets import SETS
from featurelearning.preconditioning.kinds import TEACHERS
from workflow.core import checks
from workflow.core.checks import hyperparameters, known_methods, numbers, powers, read, refuse
from workflow.core.methods import BY_COVARIANCE, CLASSES, HYPERPARAMETERS

MNIST = SETS["mnist"]
DIMENSIONS = 10_000  # of a power law; a covariance of more would not fit into a machine


def spectrum(values: tuple, info: ValidationInfo) -> tuple:
    ordered = sorted(values, reverse=True)
    unordered = [f"allowed: descending values; write {ordered}"] * (list(values) != ordered)
    refuse(*unordered, *powers(values, info))
    return values


def power_law(value: Any) -> Any:
    """Return the eigenvalues largest * k^-power_law, k = 1 .. dimension, where these keys are given in their place."""
    keys = ("power_law", "dimension", "largest")
    if not isinstance(value, dict):
        return value
    if set(value) != set(keys):
        refuse(f"allowed: a list, or the keys {', '.join(keys)}; write {{power_law: 2, dimension: 10, largest: 10}}")
    exponent, size, largest = (numbers(value[key], False) for key in keys)
    if not 2 <= size <= DIMENSIONS or size != int(size):
        refuse(f"dimension {size:g}; allowed: an integer, 2 to {DIMENSIONS}; change it")
    return [largest * k**-exponent for k in range(1, int(size) + 1)]


def teacher(given: dict, info: ValidationInfo) -> dict:
    if (kind := given.get("kind")) not in list(TEACHERS):  # a list can be asked for what cannot be hashed
        refuse(f"kind {kind!r}; allowed: {', '.join(TEACHERS)}; write one of them")
    names, size, problems = TEACHERS[kind], len(info.data.get("eigenvalues", ())), []
    if (keys := set(given) - {"kind"}) != set(names):
        refuse(f"{kind} with {', '.join(sorted(keys)) or 'nothing'}; allowed: {', '.join(names)}; give exactly these")
    values = {name: read(kind, name, given[name], False, problems) for name in names}
    refuse(*problems)
    broken = [name for name in names if name != "share" and not values[name].is_integer()]
    refuse(*(f"{name} {values[name]:g}; allowed: an integer; write {round(values[name])}" for name in broken))
    for name in (name for name in names if name not in ("share", "modes")):
        values[name] = int(values[name])
        if size and not 0 <= values[name] < size:
            problems.append(f"{name} {values[name]}; allowed: 0 to {size - 1}, a direction; choose one of them")
    places = [values[name] for name in ("high", "low", "coarse", "fine") if name in values]
    if len(set(places)) < len(places):
        problems.append(f"direction {places[0]} given twice; allowed: two directions; change one")
    if not 0 <= values.get("share", 0) <= 1:
        problems.append(f"share {values['share']:g}; allowed: 0 to 1, a share of the signal's variance; change it")
    if values.get("modes", 2) < 2:
        problems.append(f"modes {values['modes']:g}; allowed: 2 or more; raise it")
    refuse(*problems)
    return {"kind": kind, **values}


def other_cases(cases: dict, info: ValidationInfo) -> dict:
    kept = checks.given(cases)
    base = info.context.get("single_index.cases", ())
    named = [
        (name, f"a case of {section}")
        for section, names in (("single_index", base), ("teachers", kept))
        for name in names
    ]
    refuse(*shared(named))
    return dimension(kept)


def variants(given: dict, info: ValidationInfo) -> dict:
    """Return the variants that are switched on; the name of a case and that of a variant are joined in file names."""
    kept = checks.given(given)
    base = info.context.get("single_index.cases", ())
    joined = [(case + name, f"case {case} with variant {name}") for case in base for name in kept]
    refuse(*shared([*((case, "a case of single_index") for case in base), *joined]))
    return kept


def shared(named: Iterable[tuple[str, str]]) -> Iterable[str]:
    """Yield a line for each name that means two things; names in another case may be one file."""
    meanings = {}
    for name, meaning in named:
        if name.lower() not in meanings:
            meanings[name.lower()] = (name, meaning)
            continue
        other, first = meanings[name.lower()]
        both = f"'{name}' is {first} and {meaning}" if name == other else f"'{other}' is {first}, '{name}' {meaning}"
        yield f"{both}; allowed: names that differ, in more than capitals, since file names carry them; rename one"


def direction(value: int, info: ValidationInfo) -> int:
    if (size := len(info.data.get("eigenvalues", ()))) and value >= size:
        refuse(f"allowed: 0 to {size - 1}, since directions count the eigenvalues from 0; choose one of them")
    if value == info.data.get("teacher_direction"):
        refuse("allowed: a direction other than teacher_direction, since transfer moves the teacher; choose another")
    return value


def dimension(cases: dict) -> dict:
    refuse(*shared((name, "a case") for name in cases))
    sizes = {name: len(case.eigenvalues) for name, case in cases.items()}
    if len(set(sizes.values())) > 1:
        refuse(f"allowed: as many eigenvalues in every case; add or drop some, there are {sizes}")
    return cases


def planned(estimators: dict, info: ValidationInfo) -> dict:
    snrs, samples = info.data.get("snrs"), info.context.get("single_index.samples_train", math.inf)
    wanted = {snr for chosen in estimators.values() for snr in chosen}
    cases = info.context.get("single_index.cases", {})
    size = max((len(case.eigenvalues) for case in cases.values()), default=0)
    problems = []
    if snrs and (beyond := sorted(wanted.difference(snrs))):
        problems.append(f"{beyond} asked for; allowed: noise.snrs, {list(snrs)}; add them there or drop them here")
    if snrs and (idle := sorted(set(snrs) - wanted)):
        problems.append(
            f"no estimator has {idle}; allowed: each of noise.snrs in some list; add them or drop them there"
        )
    if estimators.get("empirical") and samples < size and min(info.context.get("exponents", (0,))) < 0:
        problems.append(
            f"empirical covariances of single_index.samples_train = {samples} samples are singular, negative exponents"
            f" need the inverse; allowed: {size} samples or more; raise that, or write empirical: []"
        )
    refuse(*problems)
    return {name: chosen for name, chosen in estimators.items() if chosen}


def trained(value: float, info: ValidationInfo) -> float:
    lists = info.context.get("noise.estimators", {"any": info.context.get("noise.snrs", [value])})
    if value not in (allowed := sorted({snr for chosen in lists.values() for snr in chosen})):
        refuse(f"allowed: an SNR of noise.snrs that an estimator trains, {allowed}; choose one or add it there")
    return value


def images(value: int, info: ValidationInfo) -> int:
    if value > (most := MNIST.train - info.data.get("samples_train", 0)):
        refuse(f"allowed: at most {most}, what ood.samples_train leaves of MNIST's {MNIST.train} images; lower either")
    return value


def conditioned(value: float, info: ValidationInfo) -> float:
    # P is scaled, so that only ratios matter, and no eigenvalue exceeds the trace.
    refuse(*powers([value / MNIST.pixels], info))
    return value


def planned_methods(methods: dict, info: ValidationInfo) -> dict:
    problems = list(known_methods(methods, ("snrs", "learning_rate")))
    if BY_COVARIANCE in methods:
        problems.append(f"{BY_COVARIANCE} given; allowed: the other methods; write its SNRs in noise.estimators")
    refuse(*problems)
    planned, snrs = {}, info.data.get("snrs")
    for name, given in methods.items():
        chosen = read(name, "snrs", snrs or () if given["snrs"] == "all" else given["snrs"], True, problems)
        rate, values = trained_with(name, given, "snrs", problems)
        chosen = chosen if isinstance(chosen, tuple) else (chosen,)
        if snrs and (beyond := sorted(set(chosen).difference(snrs, [None]))):
            problems.append(f"{name}.snrs: {beyond} asked for; allowed: noise.snrs, {list(snrs)}; add them there")
        if chosen:
            planned[name] = {"snrs": chosen, "learning_rate": rate, "hyperparameters": values}
    refuse(*problems)
    return planned


def trained_with(name: str, given: dict, study: str, problems: list[str]) -> tuple[float | None, dict]:
    """Return the learning rate of a method, None where it has none of its own, and what it has beside a study's key."""
    rate = read(name, "learning_rate", given["learning_rate"], False, problems) if "learning_rate" in given else None
    if rate is not None and rate <= 0:
        problems.append(f"{name}.learning_rate: {rate:g} given; allowed: greater than 0; raise it")
    return rate, hyperparameters(name, without(given, study, "learning_rate"), {}, problems)


def without(given: dict, *keys: str) -> dict:
    return {key: value for key, value in given.items() if key not in keys}


MEASURES = ("effective", "departure")  # the studies of the theory that measure methods


def measured_methods(methods: dict, info: ValidationInfo) -> dict:
    problems = list(known_methods(methods, ("measure", "learning_rate")))
    if BY_COVARIANCE in methods:
        problems.append(f"{BY_COVARIANCE} given; allowed: the other methods, since its exponents are measured anyway")
    refuse(*problems)
    planned = {}
    for name, given in methods.items():
        chosen = given["measure"]
        rate, values = trained_with(name, given, "measure", problems)
        if not isinstance(chosen, list | tuple) or not set(map(str, chosen)) <= set(MEASURES):
            problems.append(
                f"{name}.measure: {chosen} given; allowed: a list of {', '.join(MEASURES)}; write [effective]"
            )
        elif chosen:
            planned[name] = {"measure": tuple(chosen), "learning_rate": rate, "hyperparameters": values}
    refuse(*problems)
    return planned


def tuned_methods(methods: dict, info: ValidationInfo) -> dict:
    wrong = {
        name: given["tune"] for name, given in methods.items() if "tune" in given and not lists_rates(given["tune"])
    }
    problems = [
        f"{name}.tune: {tune} given; allowed: lists to choose from; write learning_rate: [...]"
        for name, tune in wrong.items()
    ]
    readable = {name: given for name, given in methods.items() if name not in wrong}
    refuse(*known_methods(readable, ("tune",)), *problems)
    problems = []
    planned = {}
    for name, given in methods.items():
        lists = {key: read(name, f"tune.{key}", value, True, problems) for key, value in given["tune"].items()}
        fixed = hyperparameters(name, without(given, "tune"), without(lists, "learning_rate"), problems)
        tunable = lists if name in CLASSES else HYPERPARAMETERS[name]
        for key in (key for key in lists if key == "p" or key not in ("learning_rate", *tunable)):
            problems.append(
                f"{name}.tune.{key}: not tuned; allowed: learning_rate or a hyper-parameter but p; remove it"
            )
        lists = {key: value if isinstance(value, tuple) else (value,) for key, value in lists.items()}
        if any(value is not None and value <= 0 for value in lists["learning_rate"]):
            problems.append(f"{name}.tune.learning_rate: {list(lists['learning_rate'])} given; allowed: above 0")
        if all(lists.values()):
            planned[name] = {"tune": lists, "hyperparameters": fixed}
    if methods and not planned and not problems:
        problems.append("no method has a learning rate; allowed: at least one; fill a list")
    refuse(*problems)
    return planned


def lists_rates(tune: Any) -> bool:
    """Return whether what stands under tune is lists, those of learning rates among them."""
    return isinstance(tune, dict) and "learning_rate" in tune


def full_rank(value: int, info: ValidationInfo) -> int:
    if value < (least := info.data.get("dimension", 0)):
        refuse(f"allowed: {least} (theory.dimension) or more, or the covariance is singular; raise it")
    return value


def transferable(pair: tuple, info: ValidationInfo) -> tuple:
    source, target = pair
    others = [name for name, found in SETS.items() if found.pixels == SETS[source].pixels and name != source]
    if target not in others:
        refuse(f"allowed: a source and another set of images of its size; write [{source}, {others[0]}]")
    return pair


def source_images(value: int, info: ValidationInfo) -> int:
    names = {source for source, _ in info.data.get("pairs", ())}
    taken = info.data.get("samples_train", 0)
    for name in sorted(names, key=lambda name: SETS[name].train):
        if value > (most := SETS[name].train - taken):
            refuse(
                f"allowed: at most {most}, what real.samples_train leaves of the {SETS[name].train} images of {name}; "
                "lower either"
            )
    return value


def target_images(value: int, info: ValidationInfo) -> int:
    names = {target for _, target in info.data.get("pairs", ())}
    for name in sorted(names, key=lambda name: SETS[name].train):
        if value > (most := SETS[name].train):
            refuse(f"allowed: at most {most}, the training images of {name}; lower it")
    return value


def conditioned_pairs(value: float, info: ValidationInfo) -> float:
    # As `conditioned`: no eigenvalue exceeds the trace.
    pixels = max((SETS[source].pixels for source, _ in info.data.get("pairs", ())), default=0)
    if pixels:
        refuse(*powers([value / pixels], info))
    return value
