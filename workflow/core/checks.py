"""The rules that any section of the configuration may use: each returns the value, or raises ValueError.

The error has a line per fault, which names what is allowed and how to mend it. A rule may read the keys above its own,
where they are valid: siblings in `info.data`, earlier sections in `info.context` under their dotted names.
"""

import contextlib
import difflib
import itertools
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationInfo

from workflow.core.methods import CLASSES, HYPERPARAMETERS, faults

WORD = re.compile(r"[A-Za-z][\w.:]*")
FLOAT32 = (1.1754944e-38, 3.4028235e38)  # smallest normal and largest number: P is held in float32


def refuse(*problems: str) -> None:
    if problems:
        raise ValueError("\n".join(problems))


def no_flag(value: Any) -> Any:
    if isinstance(value, bool):
        refuse("allowed: a number; write one, since YAML reads true, false, yes, no, on and off as flags")
    return value


def integer(value: Any) -> Any:
    """Return text that is a whole number, such as 1e3, which YAML 1.1 takes for text, as one."""
    if isinstance(value, str) and "e" in value.lower():
        with contextlib.suppress(ValueError):
            found = float(value)
            return int(found) if found.is_integer() else value
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


def named(sections: dict, info: ValidationInfo) -> dict:
    """Return those of the entries that the key `only` of the same section names; where it is null, all of them."""
    chosen = info.data.get("only")
    if chosen is None:
        return sections
    if missing := [name for name in chosen if name not in sections]:
        near = difflib.get_close_matches(missing[0], sections, 1) or [", ".join(sections)]
        refuse(f"only names {', '.join(missing)}; allowed: entries of this key; write {near[0]}")
    return {name: section for name, section in sections.items() if name in chosen}


def given(sections: dict) -> dict:
    return {name: section for name, section in sections.items() if section is not None}


def apart(seeds: tuple, info: ValidationInfo) -> tuple:
    if min(seeds) < (results := info.context.get("seeds", 0)):
        refuse(f"allowed: {results} or more, since the results use seeds 0 to {results - 1}; raise them")
    return seeds


def numbers(value: Any, lists: bool) -> float | tuple[float, ...]:
    """Return a number, or a list of them as a tuple; raises ValueError that says what is allowed."""
    if lists and isinstance(value, list | tuple):
        return ascending(tuple(float(numbers(each, False)) for each in value))
    try:
        result = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        result = math.nan
    if not math.isfinite(result):
        refuse(f"allowed: a finite number{' or a list of them' if lists else ''}; write one")
    return result


def known_methods(methods: dict, own: tuple[str, ...]) -> Iterable[str]:
    """Yield a line for each method that there is none of, and each key that it does not have or lacks."""
    for name, given in methods.items():
        if name not in HYPERPARAMETERS:
            near = difflib.get_close_matches(name, HYPERPARAMETERS, 1) or [", ".join(HYPERPARAMETERS)]
            yield f"{name} is no method; allowed: the modules of scripts/featurelearning/optimizers; write {near[0]}"
            continue
        declared = [CLASSES[name]] if name in CLASSES else HYPERPARAMETERS[name]
        allowed = (*own, *declared)
        for key in (key for key in given if key not in allowed and name not in CLASSES):
            near = difflib.get_close_matches(key, allowed, 1) or [", ".join(allowed)]
            yield f"{name}.{key}: unknown key; allowed: {', '.join(allowed)}; write {near[0]}"
        for key in (key for key in (own[0], *declared) if key not in given and key != "p"):
            if own[0] != "tune" or key not in given.get("tune", ()):
                yield f"{name}.{key}: missing; allowed: a value for each of {', '.join(allowed)}; add it"


def hyperparameters(name: str, given: Mapping, tuned: Mapping[str, tuple], problems: list[str]) -> dict[str, Any]:
    """Return the hyper-parameters that a method is given, each a value or, as a tuple, an arm for each of its values.

    What is wrong with them is added to the problems; a class is tried with every combination, tuned values too.
    """
    if name not in CLASSES:
        return {key: read(name, key, value, True, problems) for key, value in given.items()}
    found = {}
    for key, value in given.items():
        try:
            lists = isinstance(value, list | tuple)
            found[key] = once(tuple(map(argument, value))) if lists else argument(value)
        except ValueError as error:
            problems.append(f"{name}.{key}: {value} given; {error}")
    if len(found) == len(given) and None not in tuned.values():
        lists = [value if isinstance(value, tuple) else (value,) for value in (found | tuned).values()]
        combinations = (dict(zip(found | tuned, chosen, strict=True)) for chosen in itertools.product(*lists))
        problems += dict.fromkeys(f"{name}.{line}" for chosen in combinations for line in faults(name, chosen))
    return found


def argument(value: Any) -> Any:
    """Return an argument of a class: number, flag, null, word or several numbers; raises ValueError for all else."""
    value = plain(value)
    if isinstance(value, list | tuple):
        return tuple(number(each) for each in value)
    words = value is None or isinstance(value, bool) or (isinstance(value, str) and WORD.fullmatch(value))
    return value if words else number(value)


def number(value: Any) -> int | float:
    """Return a number as it is, or read from text; raises ValueError for what is none, or not finite."""
    with contextlib.suppress(TypeError, ValueError):
        found = float(value)
        if math.isfinite(found) and not isinstance(value, bool):
            return int(value) if isinstance(value, int) or str(value).lstrip("-").isdigit() else found
    refuse("allowed: a number, true, false, null, a word, or a list of these or of lists of numbers; write one")


def read(name: str, key: str, value: Any, lists: bool, problems: list[str]) -> Any:
    """Return the number or numbers of a method's key; what is wrong with them is added to the problems.

    A hyper-parameter, tuned ones too, must lie in the range that the method's module declares.
    """
    try:
        found = numbers(value, lists)
        least, most = HYPERPARAMETERS.get(name, {}).get(key.removeprefix("tune."), (None, None))
        low, high = -math.inf if least is None else least, math.inf if most is None else most
        if not all(low <= each <= high for each in (found if isinstance(found, tuple) else (found,))):
            refuse(f"allowed: {low:g} to {high:.10g}; change it")
        if key == "p":
            found = tuple(map(two_decimals, found)) if isinstance(found, tuple) else two_decimals(found)
        return found
    except ValueError as error:
        problems.append(f"{name}.{key}: {value} given; {error}")
        return None
