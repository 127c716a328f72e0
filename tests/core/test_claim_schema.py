"""A bad list of claims is refused with claim, key, value and what is allowed."""

import copy
import math

import pytest

from featurelearning.evidence import claim_schema

GOOD = {
    "id": "P1-C1-high",
    "family": "P1-C1",
    "reference": "paper",
    "statement": "p matters.",
    "contrast": {
        "kind": "difference",
        "study": "noise",
        "quantity": "clean_mse",
        "case": "High",
        "method": "sigma_power",
        "estimator": "population",
        "a": {"p": 1},
        "b": {"p": -1},
    },
    "expected": "negative",
    "smallest_effect": {"log": 1.1},
    "unit": "log-ratio",
    "figure": "noise",
}
IDENTITY = {
    **{key: GOOD[key] for key in ("id", "family", "reference", "statement", "figure")},
    "contrast": {"kind": "identity", "check": "rotation"},
    "tolerance": 1e-10,
    "unit": "deviation",
}
DEPARTURE = GOOD | {
    "contrast": {
        "kind": "difference",
        "study": "theory",
        "quantity": "departure",
        "transformation": "invertible",
        "a": {"preconditioner": "adam"},
        "b": {"preconditioner": "fixed_p+1.00"},
    },
    "figure": "departure",
}
OFFSET = GOOD | {
    "contrast": {
        "kind": "offset",
        "study": "theory",
        "quantity": "effective_exponent",
        "optimizer": "adam",
        "frame": "rotated",
        "target": -0.5,
    },
    "expected": "zero",
    "smallest_effect": 0.25,
    "unit": "exponent",
    "figure": "effective",
}
REMOVED = object()


def changed(claim, path, value):
    """The claim with one entry, named by its dotted path, replaced, added or REMOVED."""
    claim = copy.deepcopy(claim)
    *parents, last = path.split(".")
    inner = claim
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    if value is REMOVED:
        del inner[last]
    return claim


def test_a_good_claim_gains_its_effect_and_its_level():
    other = GOOD | {"id": "P1-C1-low", "smallest_effect": 0.5}
    first, second = claim_schema.validate([GOOD, other])
    assert first["smallest_effect"] == math.log(1.1) and second["smallest_effect"] == 0.5
    assert first["level"] == second["level"] == 0.975
    assert {key: first[key] for key in GOOD if key != "smallest_effect"} == {
        key: value for key, value in GOOD.items() if key != "smallest_effect"
    }


def test_a_tolerance_becomes_the_limit_of_an_identity():
    (claim,) = claim_schema.validate([IDENTITY])
    assert (claim["expected"], claim["smallest_effect"]) == ("at most", 1e-10)


def test_the_input_is_left_as_it_was():
    before = copy.deepcopy(GOOD)
    claim_schema.validate([GOOD])
    assert before == GOOD


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("statment", "x", "claim P1-C1-high: statment: unknown key; allowed: id, .*; did you mean statement\\?"),
        ("statement", REMOVED, "claim P1-C1-high: statement: missing; needed: id, family"),
        ("reference", "", "claim P1-C1-high: reference: missing"),
        ("expected", REMOVED, "claim P1-C1-high: expected: missing"),
        ("expected", "up", "claim P1-C1-high: expected: 'up' is not allowed; allowed: negative, positive, zero"),
        (
            "smallest_effect",
            "1e-10",
            "smallest_effect: '1e-10' is not allowed; allowed: a positive number such as 0.02",
        ),
        ("smallest_effect", True, "smallest_effect: True is not allowed"),
        ("smallest_effect", -0.1, "smallest_effect: -0.1 is not allowed"),
        ("smallest_effect", math.inf, "smallest_effect: inf is not allowed"),
        ("smallest_effect", {"log": 0.9}, "smallest_effect: {'log': 0.9} is not allowed"),
        ("smallest_effect", {"ln": 1.1}, "smallest_effect: {'ln': 1.1} is not allowed"),
        ("figure", "nose", "figure: 'nose' is not allowed; allowed: noise, methods, transfer, ood, features, spectrum"),
        ("unit", "accuracy", "unit: 'accuracy' is not allowed; allowed: log-ratio"),
        ("family", "P1-C2", "family: 'P1-C2' is not allowed; the id must begin with it and a hyphen"),
        ("tolerance", 1e-10, "claim P1-C1-high: tolerance: unknown key"),
        ("contrast", "p = 1 against p = -1", "contrast: 'p = 1 against p = -1' is not a mapping"),
        (
            "contrast.kind",
            "diff",
            "contrast.kind: 'diff' is not allowed; allowed: difference, spearman, argmin, identity",
        ),
        ("contrast.kind", REMOVED, "contrast.kind: None is not allowed"),
        (
            "contrast.study",
            "nose",
            "contrast: study: 'nose' is not allowed; allowed: noise, teachers, tra",
        ),
        ("contrast.quantity", "mse", "contrast.a: quantity: 'mse' is not allowed; allowed: train_mse, test_mse, clean"),
        ("contrast.reading", "last", "reading: 'last' is not allowed; allowed: final, best_over_time, at_equal_loss"),
        ("contrast.cse", "High", "contrast: cse: unknown key; allowed: kind, .*; did you mean case\\?"),
        ("contrast.case", REMOVED, "contrast.a: case: missing; needed: method, case, estimator, p"),
        (
            "contrast.a",
            REMOVED,
            "contrast: a: None is not a mapping; allowed keys: quantity, arm, method, estimator, p",
        ),
        ("contrast.b", 1, "contrast: b: 1 is not a mapping"),
        ("contrast.b.power", 1, "contrast.b: power: unknown key; allowed: quantity"),
        ("contrast.b.p", REMOVED, "contrast.b: p: missing; needed: method, case, estimator, p"),
        ("contrast.method", REMOVED, "contrast.a: method: missing"),
        ("contrast.estimator", REMOVED, "contrast.a: estimator: missing"),
        ("contrast.quantity", "sensitivity", "contrast.a: direction: missing"),
    ],
)
def test_a_bad_claim_is_refused_by_name(path, value, message):
    with pytest.raises(ValueError, match=message):
        claim_schema.validate([changed(GOOD, path, value)])


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("tolerance", REMOVED, "claim P1-C1-high: tolerance: missing"),
        ("tolerance", "1e-10", "tolerance: '1e-10' is not allowed; .*YAML reads 1e-10 as text"),
        ("contrast.check", REMOVED, "contrast: check: missing; needed: check"),
        ("contrast.study", "theory", "contrast: study: unknown key; allowed: kind, check"),
        ("unit", "exponent", "unit: 'exponent' is not allowed; allowed: deviation"),
    ],
)
def test_a_bad_identity_is_refused_by_name(path, value, message):
    with pytest.raises(ValueError, match=message):
        claim_schema.validate([changed(IDENTITY, path, value)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"p": 1}, "contrast: p: 1 is not allowed; kind spearman runs over the grid of p"),
        ({"reading": "at_equal_loss"}, "reading: 'at_equal_loss' compares two arms; allowed: with kind difference"),
        (
            {"quantity": "noise_floor", "reading": "best_over_time"},
            "'best_over_time' needs a curve; allowed for noise_f",
        ),
        ({"estimator": None}, "contrast: estimator: missing"),
        ({"a": {"p": 1}}, "contrast: a: unknown key"),
    ],
)
def test_a_bad_rank_correlation_is_refused_by_name(change, message):
    contrast = {key: value for key, value in GOOD["contrast"].items() if key not in ("a", "b")}
    claim = GOOD | {"contrast": contrast | {"kind": "spearman"} | change, "unit": "correlation"}
    with pytest.raises(ValueError, match=message):
        claim_schema.validate([claim])


def test_contrasts_of_the_theory_study_are_good():
    claims = claim_schema.validate([DEPARTURE, OFFSET | {"id": "P1-C1-offset"}])
    assert [claim["smallest_effect"] for claim in claims] == [math.log(1.1), 0.25]


@pytest.mark.parametrize(
    ("claim", "path", "value", "message"),
    [
        (DEPARTURE, "contrast.b.preconditioner", REMOVED, "contrast.b: preconditioner: missing; needed: precond"),
        (DEPARTURE, "contrast.transformation", REMOVED, "contrast.a: transformation: missing"),
        (DEPARTURE, "contrast.exponent", 1, "contrast.a: exponent: unknown key; allowed: quantity, preconditioner, tr"),
        (DEPARTURE, "contrast.case", "High", "contrast: case: unknown key; allowed: kind, .*, transformation"),
        (DEPARTURE, "contrast.a.arm", "adam", "contrast.a: arm: unknown key"),
        (DEPARTURE, "contrast.quantity", "clean_mse", "'clean_mse' is not allowed; allowed: departure, isotropy_error"),
        (DEPARTURE, "contrast.reading", "best_over_time", "reading: 'best_over_time' is not allowed; allowed: final"),
        (DEPARTURE, "contrast.kind", "argmin", "contrast: study: 'theory' is not allowed; allowed: noise"),
        (DEPARTURE, "unit", "exponent", "unit: 'exponent' is not allowed; allowed: log-ratio"),
        (GOOD, "contrast.frame", "rotated", "contrast: frame: unknown key"),
        (OFFSET, "contrast.target", REMOVED, "target: None is not allowed; allowed: a number such as -0.5"),
        (OFFSET, "contrast.target", "half", "target: 'half' is not allowed"),
        (OFFSET, "contrast.target", True, "target: True is not allowed"),
        (OFFSET, "contrast.target", math.nan, "target: nan is not allowed"),
        (OFFSET, "contrast.frame", REMOVED, "contrast: frame: missing; needed: optimizer, frame"),
        (OFFSET, "contrast.quantity", "departure", "'departure' is not allowed; allowed: effective_exponent"),
        (OFFSET, "contrast.study", "noise", "study: 'noise' is not allowed; allowed: theory"),
        (OFFSET, "unit", "log-ratio", "unit: 'log-ratio' is not allowed; allowed: exponent"),
    ],
)
def test_a_bad_contrast_of_the_theory_study_is_refused_by_name(claim, path, value, message):
    with pytest.raises(ValueError, match=message):
        claim_schema.validate([changed(claim, path, value)])


@pytest.mark.parametrize("claims", [None, [], {}, {"claims": []}])
def test_something_else_than_a_list_is_refused(claims):
    with pytest.raises(ValueError, match="claims: expected a non-empty list of claims"):
        claim_schema.validate(claims)


@pytest.mark.parametrize("claim", ["text", {}, {"id": 3}])
def test_a_claim_without_an_id_is_refused(claim):
    with pytest.raises(ValueError, match="has no id; each claim is a mapping with a text `id`"):
        claim_schema.validate([claim])


def test_an_id_may_stand_once_only():
    with pytest.raises(ValueError, match="claim P1-C1-high: id: stands 2 times; allowed: once"):
        claim_schema.validate([GOOD, GOOD])
