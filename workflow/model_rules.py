"""The rules of the configuration: each returns the value, or raises ValueError with a line per fault.

A line names what is allowed and how to mend it. A rule may read the keys above its own, where they are valid:
siblings in `info.data`, earlier sections in `info.context` under their dotted names.
"""

import math
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationInfo

FLOAT32 = (1.1754944e-38, 3.4028235e38)  # smallest normal and largest number: P is held in float32
IMAGES, PIXELS = 60000, 784  # training images of MNIST, and the dimension of one
# Of each set of images: those for training, and the pixels of one.
SETS = {"mnist": (60000, 784), "fashion_mnist": (60000, 784), "cifar10": (50000, 3072), "svhn": (73257, 3072)}


def refuse(*problems: str) -> None:
    if problems:
        raise ValueError("\n".join(problems))


def no_flag(value: Any) -> Any:
    if isinstance(value, bool):
        refuse("allowed: a number; write one, since YAML reads true, false, yes, no, on and off as flags")
    return value


def plain(value: Any) -> Any:
    # Snakemake reads what stands inside --config 'section={…}' as text: true, false and null arrive as strings.
    words = {"true": True, "false": False, "null": None, "~": None, "": None}
    return words.get(value.lower(), value) if isinstance(value, str) else value


def two_decimals(value: float) -> float:
    rounded = round(value, 2) + 0.0  # + 0.0 turns -0.0, which file names would carry as p-0.00, into 0.0
    if rounded != value:
        refuse(f"allowed: at most two decimals, since file names carry two; write {rounded}")
    return rounded


def ascending(values: tuple) -> tuple:
    if list(values) != (ordered := sorted(set(values))):
        refuse(f"allowed: ascending values without repeats; write {ordered}")
    return values


def once(values: tuple) -> tuple:
    if list(values) != (distinct := list(dict.fromkeys(values))):
        refuse(f"allowed: each value once; write {distinct}")
    return values


def powers(values: Iterable[float], info: ValidationInfo) -> Iterable[str]:
    least, most = map(math.log, FLOAT32)
    for value in dict.fromkeys(values):
        exponents = info.context.get("exponents", ())
        bad = [p for p in exponents if (p < 0 if value <= 0 else not least <= p * math.log(value) <= most)]
        at = f"eigenvalue {value:g}" + f" with p = {', '.join(f'{p:g}' for p in bad)}" * bool(bad)
        if value <= 0:
            yield f"{at} has no power; allowed: positive eigenvalues; raise it above 0"
        elif bad:
            yield f"{at} leaves float32; allowed: powers from {FLOAT32[0]:.1e} to {FLOAT32[1]:.1e}; change exponents"


def spectrum(values: tuple, info: ValidationInfo) -> tuple:
    ordered = sorted(values, reverse=True)
    unordered = [f"allowed: descending values; write {ordered}"] * (list(values) != ordered)
    refuse(*unordered, *powers(values, info))
    return values


def direction(value: int, info: ValidationInfo) -> int:
    if (size := len(info.data.get("eigenvalues", ()))) and value >= size:
        refuse(f"allowed: 0 to {size - 1}, since directions count the eigenvalues from 0; choose one of them")
    if value == info.data.get("teacher_direction"):
        refuse("allowed: a direction other than teacher_direction, since transfer moves the teacher; choose another")
    return value


def dimension(cases: dict) -> dict:
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
    if value > (most := IMAGES - info.data.get("samples_train", 0)):
        refuse(f"allowed: at most {most}, what ood.samples_train leaves of MNIST's {IMAGES} images; lower either")
    return value


def conditioned(value: float, info: ValidationInfo) -> float:
    # P is scaled by its largest eigenvalue, and none of MNIST's exceeds the trace.
    refuse(*powers([value / PIXELS], info))
    return value


def apart(seeds: tuple, info: ValidationInfo) -> tuple:
    if min(seeds) < (results := info.context.get("seeds", 0)):
        refuse(f"allowed: {results} or more, since the results use seeds 0 to {results - 1}; raise them")
    return seeds


def tuned(rates: dict, info: ValidationInfo) -> dict:
    if missing := [method for method in info.data.get("methods", ()) if method not in rates]:
        refuse(f"{missing} missing; allowed: a list for each of ood.methods; add it, or drop the method there")
    return rates


def full_rank(value: int, info: ValidationInfo) -> int:
    if value < (least := info.data.get("dimension", 0)):
        refuse(f"allowed: {least} (theory.dimension) or more, or the covariance is singular; raise it")
    return value


def transferable(pair: tuple, info: ValidationInfo) -> tuple:
    source, target = pair
    others = [name for name, (_, pixels) in SETS.items() if pixels == SETS[source][1] and name != source]
    if target not in others:
        refuse(f"allowed: a source and another set of images of its size; write [{source}, {others[0]}]")
    return pair


def source_images(value: int, info: ValidationInfo) -> int:
    names = {source for source, _ in info.data.get("pairs", ())}
    taken = info.data.get("samples_train", 0)
    for name in sorted(names, key=lambda name: SETS[name]):
        if value > (most := SETS[name][0] - taken):
            refuse(
                f"allowed: at most {most}, what real.samples_train leaves of the {SETS[name][0]} images of {name}; "
                "lower either"
            )
    return value


def target_images(value: int, info: ValidationInfo) -> int:
    names = {target for _, target in info.data.get("pairs", ())}
    for name in sorted(names, key=lambda name: SETS[name]):
        if value > (most := SETS[name][0]):
            refuse(f"allowed: at most {most}, the training images of {name}; lower it")
    return value


def conditioned_pairs(value: float, info: ValidationInfo) -> float:
    # As `conditioned`: no eigenvalue exceeds the trace.
    pixels = max((SETS[source][1] for source, _ in info.data.get("pairs", ())), default=0)
    if pixels:
        refuse(*powers([value / pixels], info))
    return value
