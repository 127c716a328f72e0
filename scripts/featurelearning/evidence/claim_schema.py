"""What a paper's list of claims may say, checked against its studies before any job; free of imports that take time.

A list holds families of claims. What stands beside a family's `claims` holds for each of them; each may say more, or
otherwise. Cases, SNRs, labels and which exponents there are depend on the configuration and are not looked up here: a
claim that its run lacks something for is `not run`.
"""

import difflib
import functools
import json
import textwrap
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

import pydantic
from pydantic import AfterValidator

from featurelearning.evidence import words
from featurelearning.evidence.claim_models import (
    CUTOFF,
    KINDS,
    Arm,
    Bounded,
    Claim,
    Directed,
    Identity,
    Label,
    Method,
    Number,
    Rules,
    Strict,
    Text,
    among,
    effect,
    is_number,
    one_of,
)

ERROR_RATE = 0.05  # of a whole family of contrasts; Bonferroni's rule shares it out
READINGS = ("final", "best_over_time", "at_equal_loss")
OVER_GRID = ("spearman", "argmin")
PAIRED = ("difference", "noninferiority", "argmin")  # kinds with the sides a and b
LIMITS = {Directed: "smallest_effect", Bounded: "margin", Identity: "tolerance"}
SCALES = {"identity": ("tolerance",), "offset": ("linear",)}  # of all other kinds: log, linear


def checked(families: Any, rules: Rules) -> tuple[list[dict], list[str]]:
    """Return the claims of a list of families that are valid, and a line for each fault of the others.

    A claim is one flat dict, its contrast as it is written; smallest_effect is a number (the margin or the tolerance of
    those kinds), expected of an identity is `at most`, and unit and level are added. The level is 1 - 0.05 / m, m the
    number of contrasts of the claim's family.
    """
    if not isinstance(families, list) or not families:
        return [], [f"{_shown(families)} given; allowed: a list of families, each with its claims"]
    claims, faults = [], []
    for family in families:
        found, problems = _family(family, rules)
        claims, faults = claims + found, faults + problems
    faults += _repeated("family", [family.get("family") for family in families if isinstance(family, dict)])
    return claims, list(dict.fromkeys([*faults, *_repeated("claim", [claim["id"] for claim in claims])]))


def merged(shared: Mapping, own: Mapping) -> dict:
    """Return a claim with what its family shares; contrasts and their sides are merged key by key."""
    nested = [
        key for key in ("contrast", "a", "b") if isinstance(shared.get(key), dict) and isinstance(own.get(key), dict)
    ]
    return {**shared, **own} | {key: merged(shared[key], own[key]) for key in nested}


def _family(family, rules):
    if fault := _no_family(family):
        return [], [fault]
    shared = {key: value for key, value in family.items() if key != "claims"}
    level = 1 - ERROR_RATE / len(family["claims"])
    claims, told = [], {}  # a fault of what claims share is told once, in the words of the first
    for own in family["claims"]:
        claim = merged(shared, own)
        problems = _claim(claim, rules)
        for key, problem in problems:
            told.setdefault((_owner(key, shared, own), key, problem.partition("; ")[0]), problem)
        claims += [] if problems else [_finished(claim, rules, level)]
    return claims, [f"{owner}: {key}: {problem}" for (owner, key, _), problem in told.items()]


def _no_family(family):
    if not isinstance(family, dict) or not isinstance(family.get("family"), str):
        return f"{_shown(family)} given; allowed: a family, with its name as `family` and its claims as `claims`"
    where, listed = f"family {family['family']}: claims", family.get("claims")
    if not isinstance(listed, list) or not listed:
        return f"{where}: {_shown(listed)} given; allowed: a list of claims"
    for own in listed:
        if not isinstance(own, dict) or not isinstance(own.get("id"), str):
            return f"{where}: {_shown(own)} given; allowed: a claim with its name as `id`"
    return None


def _repeated(what, names):
    again = [name for name, count in Counter(filter(None, names)).items() if count > 1]
    return [f"{what} {name}: stands more than once; allowed: once; rename one, or put them together" for name in again]


def _owner(key, shared, own):
    # A fault of what a family shares is the family's, and is told once.
    return f"claim {own['id']}" if _has(own, key) or not _has(shared, key) else f"family {shared['family']}"


def _has(section, key):
    for part in key.split("."):
        if not isinstance(section, Mapping) or part not in section:
            return False
        section = section[part]
    return True


def _finished(claim, rules, level):
    kept = {key: claim[key] for key in Claim.model_fields} | {"expected": claim.get("expected", "at most")}
    limit = effect(claim[LIMITS[KINDS[claim["contrast"]["kind"]]]])
    return kept | {"smallest_effect": limit, "unit": words.unit(claim["contrast"], rules.studies), "level": level}


def _claim(claim, rules):
    contrast = claim.get("contrast")
    if not isinstance(contrast, dict):
        return [("contrast", f"{_shown(contrast)} given; allowed: the kind of the contrast and its keys")]
    if fault := _fault("contrast.kind", contrast.get("kind"), KINDS):
        return [fault]
    faults = _faults(KINDS[contrast["kind"]], claim, rules)
    if not claim["id"].startswith(f"{claim['family']}-"):
        faults.append(("id", f"{_shown(claim['id'])} given; allowed: the name of the family, a hyphen, and more"))
    return [*faults, *_contrast(contrast, rules)]


def _contrast(contrast, rules):
    if faults := _frame(contrast):
        return faults
    faults, names = [], [name for name in ("a", "b") if name in contrast] or [None]
    for name, side in zip(names, words.sides(contrast), strict=True):
        for key, problem in _side(side, rules):
            shared = name is None or key in contrast and key not in contrast[name]
            faults.append((f"contrast.{key}" if shared else f"contrast.{name}.{key}", problem))
    if not faults and contrast["kind"] != "argmin" and len(measures := _measures(contrast, rules)) > 1:
        faults.append(
            ("contrast", f"compares {' with '.join(sorted(measures))}; allowed: two quantities of one measure")
        )
    return list(dict.fromkeys(faults))


def _frame(contrast):
    # The keys beside those of a side: a, b and target.
    kind, faults = contrast["kind"], []
    if kind == "offset" and not is_number(contrast.get("target")):
        faults.append(("contrast.target", f"{_shown(contrast.get('target'))} given; allowed: a number such as -0.5"))
    if kind != "offset" and "target" in contrast:
        faults.append(("contrast.target", "unknown key; allowed: with the kind offset"))
    for name in ("a", "b"):
        side, key = contrast.get(name), f"contrast.{name}"
        if kind not in PAIRED:
            faults += [(key, f"unknown key; allowed: with the kinds {', '.join(PAIRED)}")] if name in contrast else []
        elif not isinstance(side, dict):
            faults.append((key, f"{_shown(side)} given; allowed: what this side has of its own"))
        elif "study" in contrast and "study" in side:
            faults.append((f"{key}.study", "stands beside the sides as well; allowed: once, or in each of both"))
    return faults


def _measures(contrast, rules):
    return {words.quantity(side, rules.studies).measure for side in words.sides(contrast)}


def _side(side, rules):
    scales = SCALES.get(side["kind"], ("log", "linear"))
    grid = side["kind"] in OVER_GRID
    known = [name for name, s in rules.studies.items() if s.comparable(*scales) and (s.arms or not grid)]
    if fault := _fault("study", side.get("study"), known):
        return [fault]
    study = rules.studies[side["study"]]
    # What names an arm by itself has no grid of them.
    quantities = [name for name in study.comparable(*scales) if not (grid and study.quantities[name].of)]
    if fault := _fault("quantity", side.get("quantity"), quantities):
        return [fault]
    quantity = study.quantities[side["quantity"]]
    readings = READINGS[: 2 if grid else 3] if study.loss and quantity.curve else READINGS[:1]
    case = (study.case,) if study.case else ()
    shape = _shape(quantity.labels + case, study.averaged, study.arms and ("grid" if grid else "single"), readings)
    given = {key: value for key, value in side.items() if key not in ("kind", "target", "a", "b")}
    faults = _faults(shape, given, rules)
    if study.arms and not grid:
        needed = [] if "arm" in given else ["method"]
        needed += ["estimator", "p"] * (given.get("method") == rules.by_covariance)
        faults += [
            (key, f"missing; needed: {', '.join(needed)}, or the name of an arm") for key in needed if key not in given
        ]
    return faults


@functools.cache
def _shape(needed: tuple, optional: tuple, arms: str | bool, readings: tuple) -> type[Strict]:
    # The keys of a side of a contrast, as its study and its quantity have them.
    fields = dict.fromkeys(("study", "quantity"), (Any, ...)) | dict.fromkeys(needed, (Label, ...))
    fields |= dict.fromkeys(optional, (Label, None)) | {"reading": (Annotated[Any, among(readings)], "final")}
    if arms == "single":
        fields |= {"arm": (Arm, None), "method": (Method, None), "estimator": (Text, None), "p": (Number, None)}
    elif arms == "grid":
        fields |= {
            "method": (Method, ...),
            "estimator": (Text, ...),
            "p": (Annotated[Any, AfterValidator(_no_p)], None),
        }
    return pydantic.create_model("Side", __base__=Strict, **fields)


def _no_p(value):
    raise ValueError("this kind of contrast runs over the grid of p; remove it")


def _faults(model, given, rules):
    try:
        model.model_validate(given, context=rules)
    except pydantic.ValidationError as error:
        return [(".".join(map(str, each["loc"])), _problem(each, model)) for each in error.errors()]
    return []


def _problem(error, model):
    given = f"{_shown(error['input'])} given"
    if error["type"] == "value_error":
        return f"{given}; {error['ctx']['error']}"
    if error["type"] == "missing":
        needed = [name for name, field in model.model_fields.items() if field.is_required()]
        return f"missing; needed: {', '.join(needed)}"
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(error["loc"][-1]), model.model_fields, 1, CUTOFF)
        return f"unknown key; allowed: {', '.join(model.model_fields)}" + (
            f"; did you mean '{near[0]}'?" if near else ""
        )
    return f"{given}; allowed: text that is not empty"


def _fault(key, value, allowed):
    try:
        one_of(value, allowed)
    except ValueError as error:
        return key, f"{_shown(value)} given; {error}"


def _shown(value):
    if value is None:
        return "nothing"
    return textwrap.shorten(json.dumps(value, default=str, ensure_ascii=False), 120, placeholder=" …")
