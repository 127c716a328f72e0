"""What a list of claims may say: keys, kinds and values, checked before any claim is judged.

The messages name the claim, the key, the bad value and what is allowed. Cases, SNRs, exponents and checks are not
looked up here: whether a run holds them is known only from its results, and a claim that lacks them is `not run`.
"""

from collections import Counter
from difflib import get_close_matches
from math import isfinite, log

from featurelearning.evidence import readings, statistics
from featurelearning.evidence.contrasts import ACCURACIES, ARM, CASE_KEY, LABELS, PLACE, listed, sides

TEXTS = ("id", "family", "reference", "statement", "unit", "figure")
FIGURES = ("noise", "methods", "transfer", "ood", "features", "spectrum", "teachers", "real")
FIGURES += ("departure", "effective", "initial")
DIRECTIONS = ("negative", "positive", "zero")
QUANTITIES = {
    "noise": ("train_mse", "test_mse", "clean_mse", "noise_floor", "feature_energy", "sensitivity"),
    "teachers": ("train_mse", "test_mse", "clean_mse"),
    "transfer": ("train_mse", "test_mse", "clean_mse", "noise_floor"),
    "real": ("accuracy_target", "accuracy_source", "accuracy_random", "accuracy_specialised"),
    "ood": ("accuracy_in_distribution", "accuracy_flipped_noise", "accuracy_flipped_digits"),
    "theory": ("departure", "isotropy_error"),
}
CURVES = QUANTITIES["teachers"]  # recorded along training, in the synthetic studies
SPECTRAL = ("feature_energy", "sensitivity")
UNITS = {"spearman": "correlation", "argmin": "exponent", "identity": "deviation", "offset": "exponent"}
SIDE = ("quantity", *ARM, *PLACE, "direction")
LABELLED = ("quantity", *dict.fromkeys(label for labels in LABELS.values() for label in labels))  # in the theory study
KEYS = {  # beside those of a side, which an identity has not
    "difference": ("kind", "study", "reading", "a", "b"),
    "spearman": ("kind", "study", "reading"),
    "argmin": ("kind", "study", "reading", "a", "b"),
    "identity": ("kind", "check"),
    "offset": ("kind", "study", "target"),
}
WITH_ARMS = tuple(study for study in QUANTITIES if study != "theory")
STUDIES = {"difference": tuple(QUANTITIES), "spearman": WITH_ARMS, "argmin": WITH_ARMS, "offset": ("theory",)}
SIGNED = ("effective_exponent",)  # quantities with no log


def validate(claims: list[dict]) -> list[dict]:
    """Return the claims with smallest_effect as a number and `level`, 1 - 0.05 / m, added.

    m is the number of contrasts of the claim's family. A tolerance of a claim of kind identity becomes its
    smallest_effect, and its expected direction `at most`. Raises ValueError naming claim, key, value and what is
    allowed.
    """
    if not isinstance(claims, list) or not claims:
        raise ValueError("claims: expected a non-empty list of claims, each a mapping with an id")
    for claim in claims:
        _check_claim(claim)
    for name, count in Counter(claim["id"] for claim in claims).items():
        if count > 1:
            raise ValueError(f"claim {name}: id: stands {count} times; allowed: once")
    sizes = Counter(claim["family"] for claim in claims)
    return [claim | _limit(claim) | {"level": statistics.family_level(sizes[claim["family"]])} for claim in claims]


def _limit(claim):
    if claim["contrast"]["kind"] == "identity":
        return {"expected": "at most", "smallest_effect": _number(claim["tolerance"])}
    return {"smallest_effect": _number(claim["smallest_effect"])}


def _number(value):
    """Return a positive number or {log: ratio} as a number, None for anything else."""
    if isinstance(value, dict):
        ratio = _number(value.get("log")) if set(value) == {"log"} else None
        return log(ratio) if ratio and ratio > 1 else None
    return float(value) if _finite(value) and value > 0 else None


def _finite(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _check_claim(claim):
    if not isinstance(claim, dict) or not isinstance(claim.get("id"), str):
        raise ValueError(f"claims: {claim!r} has no id; each claim is a mapping with a text `id`")
    where, contrast = f"claim {claim['id']}", claim.get("contrast")
    if not isinstance(contrast, dict):
        raise ValueError(f"{where}: contrast: {contrast!r} is not a mapping; allowed: kind and its keys")
    _choice(where, "contrast.kind", contrast.get("kind"), tuple(KEYS))
    limits = ("tolerance",) if contrast["kind"] == "identity" else ("expected", "smallest_effect")
    needed = (*TEXTS, "contrast", *limits)
    _known(where, claim, needed)
    _needed(where, claim, needed)
    if not claim["id"].startswith(f"{claim['family']}-"):
        raise ValueError(
            f"{where}: family: {claim['family']!r} is not allowed; the id must begin with it and a hyphen, since "
            "the size of the family sets the level of the interval"
        )
    _check_values(where, claim, limits)
    _check_contrast(f"{where}: contrast", contrast)
    expected_unit = UNITS.get(contrast["kind"], "accuracy" if contrast.get("study") in ACCURACIES else "log-ratio")
    _choice(where, "unit", claim["unit"], (expected_unit,))


def _check_values(where, claim, limits):
    _choice(where, "figure", claim["figure"], FIGURES)
    if "expected" in limits:
        _choice(where, "expected", claim["expected"], DIRECTIONS)
    if _number(claim[limits[-1]]) is None:
        raise ValueError(
            f"{where}: {limits[-1]}: {claim[limits[-1]]!r} is not allowed; allowed: a positive number such as 0.02 or "
            "1.0e-10 (YAML reads 1e-10 as text), or {log: 1.1}"
        )


def _check_contrast(where, contrast):
    kind = contrast["kind"]
    if kind == "identity":
        _known(where, contrast, KEYS[kind])
        return _needed(where, contrast, ("check",))
    _choice(where, "study", contrast.get("study"), STUDIES[kind])
    own = LABELLED if contrast["study"] == "theory" else SIDE
    _known(where, contrast, (*KEYS[kind], *own))
    _choice(where, "reading", contrast.get("reading", "final"), (*readings.READINGS, "at_equal_loss"))
    if kind == "offset" and not _finite(contrast.get("target")):
        raise ValueError(f"{where}: target: {contrast.get('target')!r} is not allowed; allowed: a number such as -0.5")
    if "a" not in KEYS[kind]:
        return _check_side(where, contrast)
    for name in ("a", "b"):
        if not isinstance(contrast.get(name), dict):
            raise ValueError(f"{where}: {name}: {contrast.get(name)!r} is not a mapping; allowed keys: {listed(own)}")
        _known(f"{where}.{name}", contrast[name], own)
    for name, side in zip("ab", sides(contrast), strict=True):
        _check_side(f"{where}.{name}", side)


def _check_side(where, side):
    study, single = side["study"], side["kind"] == "difference"
    _choice(where, "quantity", side.get("quantity"), SIGNED if side["kind"] == "offset" else QUANTITIES[study])
    if study == "theory":
        _choice(where, "reading", side.get("reading", "final"), ("final",))
        labels = LABELS[side["quantity"]]
        _known(where, [key for key in side if key in LABELLED], ("quantity", *labels))
        return _needed(where, side, labels)
    needed = ["arm" if single and "arm" in side else "method", *([CASE_KEY[study]] if study in CASE_KEY else [])]
    needed += ["estimator"] if not single or side.get("method") == "sigma_power" else []
    needed += ["p"] if single and side.get("method") == "sigma_power" else []
    needed += ["direction"] if side["quantity"] in SPECTRAL else []
    _needed(where, side, needed)
    if not single and "p" in side:
        raise ValueError(f"{where}: p: {side['p']!r} is not allowed; kind {side['kind']} runs over the grid of p")
    _check_reading(where, side, single)


def _check_reading(where, side, single):
    reading, curve = side.get("reading", "final"), side["study"] in ("noise", "teachers") and side["quantity"] in CURVES
    if reading != "final" and not curve:
        raise ValueError(f"{where}: reading: {reading!r} needs a curve; allowed for {side['quantity']}: final")
    if reading == "at_equal_loss" and not single:
        raise ValueError(f"{where}: reading: 'at_equal_loss' compares two arms; allowed: with kind difference")


def _known(where, given, allowed):
    for key in given:
        if key not in allowed:
            near = get_close_matches(str(key), allowed, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"{where}: {key}: unknown key; allowed: {listed(allowed)}{hint}")


def _needed(where, given, keys):
    for key in keys:
        if given.get(key) in (None, ""):
            raise ValueError(f"{where}: {key}: missing; needed: {listed(keys)}")


def _choice(where, key, value, allowed):
    if value not in allowed:
        raise ValueError(f"{where}: {key}: {value!r} is not allowed; allowed: {listed(allowed)}")
