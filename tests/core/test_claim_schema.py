"""A bad list of claims is refused before any job: every fault at once, with claim, key, value and what is allowed."""

import copy
import math
import subprocess
import sys

import pytest
import yaml

import made_paper as toy
from featurelearning.evidence import claim_schema, readings
from workflow.core import configuration, rooms
from workflow.core.configuration import ConfigError

REMOVED = object()


def changed(claim: int, path: str, value, family: int = 0):
    """The families with one entry of a claim, named by its dotted path, replaced, added or REMOVED."""
    families = copy.deepcopy(toy.FAMILIES)
    inner = families[family] if claim is None else families[family]["claims"][claim]
    *parents, last = path.split(".")
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    if value is REMOVED:
        del inner[last]
    return families


def faults(families) -> list[str]:
    return claim_schema.checked(families, toy.RULES)[1]


def test_good_claims_gain_effect_level_and_unit_and_keep_their_contrast():
    assert toy.FAULTS == []
    found = {claim["id"]: claim for claim in toy.CLAIMS}
    units = {name: claim["unit"] for name, claim in found.items()}
    assert units == {
        "T-difference": "log-ratio",
        "T-order": "correlation",
        "T-argmin": "exponent",
        "U-identity": "deviation",
        "U-offset": "slope",
        "U-margin": "log-ratio",
    }
    effects = [found[name]["smallest_effect"] for name in ("T-difference", "T-order", "U-identity", "U-margin")]
    assert effects == [math.log(1.1), 0.5, 1e-10, math.log(1.5)]
    assert {claim["level"] for claim in toy.CLAIMS} == {1 - 0.05 / 3}
    assert found["U-identity"]["expected"] == "at most"
    assert found["T-order"]["contrast"] == {
        "kind": "spearman",
        "study": "sweep",
        "quantity": "error",
        "task": "easy",
        **toy.GRID,
    }
    assert set(found["U-margin"]) == set(found["T-order"])


def test_what_a_family_shares_is_put_together_key_by_key_and_a_claim_may_say_otherwise():
    shared = {"reference": "r", "contrast": {"study": "s", "a": {"p": 1, "task": "x"}, "b": {"p": 2}}}
    own = {"contrast": {"study": "t", "a": {"p": 3}, "level": 1}}
    assert claim_schema.merged(shared, own) == {
        "reference": "r",
        "contrast": {"study": "t", "a": {"p": 3, "task": "x"}, "b": {"p": 2}, "level": 1},
    }


def test_the_input_is_left_as_it_was():
    before = copy.deepcopy(toy.FAMILIES)
    claim_schema.checked(toy.FAMILIES, toy.RULES)
    assert before == toy.FAMILIES


def test_the_readings_that_a_claim_may_name_are_those_that_there_are():
    assert set(claim_schema.READINGS) == {*readings.READINGS, readings.at_equal_loss.__name__}


EFFECT = "allowed: a positive number such as 0.02 or 1.0e-10 (YAML reads 1e-10 as text), or {log: 1.1}"
SIDE = "study, quantity, task, level, reading, arm, method, estimator, p"


@pytest.mark.parametrize(
    ("claim", "path", "value", "message"),
    [
        (
            0,
            "statment",
            "x",
            "statment: unknown key; allowed: id, family, reference, statement, figure, contrast, expec",
        ),
        (0, "statment", "x", "did you mean 'statement'?"),
        (0, "statement", REMOVED, "claim T-difference: statement: missing; needed: id, family, reference"),
        (0, "statement", "", 'claim T-difference: statement: "" given; allowed: text that is not empty'),
        (0, "reference", 3, "claim T-difference: reference: 3 given; allowed: text that is not empty"),
        (0, "expected", REMOVED, "claim T-difference: expected: missing"),
        (0, "expected", "up", 'expected: "up" given; allowed: negative, positive, zero'),
        (0, "smallest_effect", "1e-10", f'smallest_effect: "1e-10" given; {EFFECT}'),
        (0, "smallest_effect", True, f"smallest_effect: true given; {EFFECT}"),
        (0, "smallest_effect", -0.1, f"smallest_effect: -0.1 given; {EFFECT}"),
        (0, "smallest_effect", math.inf, f"smallest_effect: Infinity given; {EFFECT}"),
        (0, "smallest_effect", {"log": 0.9}, f'smallest_effect: {{"log": 0.9}} given; {EFFECT}'),
        (0, "smallest_effect", {"ln": 1.1}, f'smallest_effect: {{"ln": 1.1}} given; {EFFECT}'),
        (0, "figure", "curves", "figure: \"curves\" given; allowed: curve, proof; did you mean 'curve'?"),
        (0, "unit", "score", "claim T-difference: unit: unknown key"),
        (0, "tolerance", 1e-10, "claim T-difference: tolerance: unknown key"),
        (0, "margin", 1.5, "claim T-difference: margin: unknown key"),
        (
            0,
            "id",
            "V-difference",
            'claim V-difference: id: "V-difference" given; allowed: the name of the family, a hy',
        ),
        (0, "id", 3, "family T: claims: {"),
        (0, "contrast", "adam against sgd", 'contrast: "adam against sgd" given; allowed: the kind of the contrast'),
        (0, "contrast.kind", "diff", 'contrast.kind: "diff" given; allowed: difference, spearman, argmin, offset, no'),
        (
            0,
            "contrast.study",
            "swep",
            "contrast.study: \"swep\" given; allowed: sweep, proofs, again; did you mean 'sweep'",
        ),
        (0, "contrast.study", "elsewhere", 'contrast.study: "elsewhere" given; allowed: sweep, proofs, again'),
        (
            0,
            "contrast.quantity",
            "eror",
            'contrast.quantity: "eror" given; allowed: loss, error, weight, score, waiting',
        ),
        (0, "contrast.quantity", "was_fitted", 'contrast.quantity: "was_fitted" given; allowed: loss, error'),
        (
            0,
            "contrast.reading",
            "last",
            'contrast.reading: "last" given; allowed: final, best_over_time, at_equal_loss',
        ),
        (0, "contrast.tsk", "easy", f"contrast.tsk: unknown key; allowed: {SIDE}; did you mean 'task'?"),
        (0, "contrast.task", REMOVED, "contrast.a.task: missing; needed: study, quantity, task"),
        (0, "contrast.task", ["easy"], 'contrast.task: ["easy"] given; allowed: one label, a text or a number'),
        (0, "contrast.level", True, "contrast.level: true given; allowed: one label"),
        (0, "contrast.a", REMOVED, "contrast.a: nothing given; allowed: what this side has of its own"),
        (0, "contrast.b", 1, "contrast.b: 1 given; allowed: what this side has of its own"),
        (0, "contrast.b.power", 1, "contrast.b.power: unknown key"),
        (0, "contrast.b.method", REMOVED, "contrast.b.method: missing; needed: method, or the name of an arm"),
        (
            0,
            "contrast.b.method",
            "sigma_power",
            "contrast.b.estimator: missing; needed: method, estimator, p, or the name of",
        ),
        (
            0,
            "contrast.b.method",
            "sigma_power",
            "contrast.b.p: missing; needed: method, estimator, p, or the name of an arm",
        ),
        (0, "contrast.quantity", "weight", "contrast.a.mode: missing; needed: study, quantity, mode, task"),
        (
            0,
            "contrast.b.study",
            "again",
            "contrast.b.study: stands beside the sides as well; allowed: once, or in each",
        ),
        (0, "contrast.b.quantity", "score", "contrast: compares log-ratio with score; allowed: two quantities of one"),
        (0, "contrast.target", 1, "contrast.target: unknown key; allowed: with the kind offset"),
        (1, "contrast.p", 1, "contrast.p: 1 given; this kind of contrast runs over the grid of p; remove it"),
        (1, "contrast.reading", "at_equal_loss", 'contrast.reading: "at_equal_loss" given; allowed: final, best_over'),
        (1, "contrast.quantity", "score", None),
        (
            1,
            "contrast.quantity",
            "chosen",
            'contrast.quantity: "chosen" given; allowed: loss, error, weight, score, wait',
        ),
        (1, "contrast.estimator", REMOVED, "contrast.estimator: missing"),
        (
            1,
            "contrast.a",
            {"p": 1},
            "contrast.a: unknown key; allowed: with the kinds difference, noninferiority, argmin",
        ),
        (1, "contrast.study", "proofs", 'contrast.study: "proofs" given; allowed: sweep, again'),
        (2, "contrast.a.p", 1, "contrast.a.p: 1 given; this kind of contrast runs over the grid of p; remove it"),
    ],
)
def test_a_bad_claim_is_refused_by_name(claim, path, value, message):
    found = faults(changed(claim, path, value))
    assert found == [] if message is None else any(message in line for line in found), found


@pytest.mark.parametrize(
    ("claim", "path", "value", "message"),
    [
        (0, "tolerance", REMOVED, "claim U-identity: tolerance: missing"),
        (0, "tolerance", "1e-10", f'tolerance: "1e-10" given; {EFFECT}'),
        (0, "expected", "zero", "claim U-identity: expected: unknown key"),
        (0, "contrast.lemma", REMOVED, "claim U-identity: contrast.lemma: missing; needed: study, quantity, lemma"),
        (0, "contrast.study", "sweep", 'contrast.study: "sweep" given; allowed: proofs'),
        (0, "contrast.quantity", "slope", 'contrast.quantity: "slope" given; allowed: gap'),
        (0, "contrast.method", "sgd", "contrast.method: unknown key; allowed: study, quantity, lemma, reading"),
        (1, "contrast.target", REMOVED, "contrast.target: nothing given; allowed: a number such as -0.5"),
        (1, "contrast.target", "half", 'contrast.target: "half" given; allowed: a number'),
        (1, "contrast.target", True, "contrast.target: true given; allowed: a number"),
        (1, "contrast.target", math.nan, "contrast.target: NaN given; allowed: a number"),
        (1, "contrast.side", REMOVED, "contrast.side: missing"),
        (1, "contrast.reading", "best_over_time", 'contrast.reading: "best_over_time" given; allowed: final'),
        (1, "contrast.quantity", "length", 'contrast.quantity: "length" given; allowed: slope'),
        (2, "expected", "zero", 'claim U-margin: expected: "zero" given; allowed: no larger, no smaller'),
        (2, "margin", REMOVED, "claim U-margin: margin: missing"),
        (2, "smallest_effect", 0.1, "claim U-margin: smallest_effect: unknown key"),
    ],
)
def test_a_bad_claim_of_a_study_without_arms_is_refused_by_name(claim, path, value, message):
    found = faults(changed(claim, path, value, family=1))
    assert any(message in line for line in found), found


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "method",
            "sigma_pwoer",
            "\"sigma_pwoer\" given; allowed: adam, sgd, sigma_power; did you mean 'sigma_power'?",
        ),
        ("method", ["sgd"], '["sgd"] given; allowed: text that is not empty'),
        ("p", "minus two", '"minus two" given; allowed: a number such as -0.5 or 1.0e-1 (YAML reads 1e-1 as text)'),
        ("p", "-1", '"-1" given; allowed: a number'),
        ("p", True, "true given; allowed: a number"),
        ("p", math.nan, "NaN given; allowed: a number"),
        ("p", [1, 2], "[1, 2] given; allowed: a number"),
        ("arm", "adm_rate0.1", '"adm_rate0.1" given; allowed: an arm\'s name, which begins with that of its method'),
        ("arm", 3, "3 given; allowed: text that is not empty"),
    ],
)
@pytest.mark.parametrize("where", ["contrast.a", "contrast"])
def test_what_no_configuration_could_have_is_refused_before_any_job(where, key, value, message):
    families = changed(0, "contrast.a", {"estimator": "population"})
    families[0]["claims"][0]["contrast"]["b"] = {"estimator": "population"}
    inner = families[0]["claims"][0]["contrast"]
    (inner["a"] if where == "contrast.a" else inner)[key] = value
    assert any(line.startswith(f"claim T-difference: {where}.{key}: {message}") for line in faults(families))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("contrast.task", "nowhere"),
        ("contrast.level", 77),
        ("contrast.a", {"method": "sigma_power", "estimator": "unheard_of", "p": -3.25}),
        ("contrast.a", {"arm": "adam_rate9"}),
        ("contrast.a", {"arm": "sigma_unheard_of_p+9.00"}),
    ],
)
def test_what_depends_on_the_configuration_is_left_to_the_run(path, value):
    assert faults(changed(0, path, value)) == []


def test_every_fault_of_every_claim_is_told_at_once_and_what_is_shared_once():
    families = changed(None, "figure", "curv")
    families[0]["contrast"]["quantity"] = "eror"
    families[0]["claims"][1]["expected"] = "up"
    families[1]["claims"][0]["tolerance"] = 0
    assert [line.split(" given")[0] for line in faults(families)] == [
        'family T: figure: "curv"',
        'family T: contrast.quantity: "eror"',
        'claim T-order: expected: "up"',
        "claim U-identity: tolerance: 0",
    ]


def test_good_claims_beside_bad_ones_are_still_returned():
    found, problems = claim_schema.checked(changed(0, "expected", "up"), toy.RULES)
    assert len(problems) == 1 and [claim["id"] for claim in found] == [claim["id"] for claim in toy.CLAIMS[1:]]


@pytest.mark.parametrize("families", [None, [], {}, {"claims": []}, "text"])
def test_something_else_than_a_list_is_refused(families):
    (line,) = faults(families)
    assert "given; allowed: a list of families, each with its claims" in line


@pytest.mark.parametrize("family", ["text", {}, {"claims": []}, {"family": 3}])
def test_a_family_without_a_name_is_refused(family):
    assert any("given; allowed: a family, with its name as `family`" in line for line in faults([family]))


@pytest.mark.parametrize("claims", [None, [], {}, "text"])
def test_a_family_without_claims_is_refused(claims):
    assert any("family U: claims: " in line for line in faults([{"family": "U", "claims": claims}]))


def test_ids_and_families_may_stand_once_only():
    again = copy.deepcopy(toy.FAMILIES[0]) | {"claims": toy.FAMILIES[0]["claims"][:1]}
    found = faults([*toy.FAMILIES, again])
    assert "family T: stands more than once; allowed: once; rename one, or put them together" in found
    assert "claim T-difference: stands more than once; allowed: once; rename one, or put them together" in found


def test_a_claim_may_compare_two_studies():
    families = changed(0, "contrast.a", {"method": "adam", "study": "sweep"})
    families[0]["contrast"] = {"kind": "difference", "quantity": "error"}
    families[0]["claims"] = families[0]["claims"][:1]
    families[0]["claims"][0]["contrast"]["b"] = {"method": "adam", "study": "again"}
    assert faults(families) == []


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Return what reads a text as the list of claims of the only paper."""
    path = tmp_path / "claims.yaml"
    monkeypatch.setattr(rooms, "claims_file", lambda paper: path)

    def written(text):
        path.write_text(text, encoding="utf-8")
        return rooms.claims(configuration.validate(configuration.default()))

    return written


def test_faults_of_a_list_stop_a_run_in_one_message_that_names_the_file(written):
    families = copy.deepcopy(toy.FAMILIES)
    with pytest.raises(ConfigError) as refused:
        written(yaml.safe_dump(families))
    first, *lines = str(refused.value).splitlines()
    assert first == f"{len(lines)} faults in the claims; the head of their file explains every key:"
    assert all(line.startswith("config/claims/preconditioning.yaml: ") for line in lines) and len(lines) > 5
    assert any('contrast.study: "sweep" given; allowed: noise, transfer' in line for line in lines)


@pytest.mark.parametrize("text", ["- family: [", "a: b: c"])
def test_a_list_that_is_no_yaml_is_refused(text, written):
    with pytest.raises(
        ConfigError,
        match="1 fault in the claims.*\nconfig/claims/preconditioning.yaml: line .*; allowed: text in YAML; mend that",
    ):
        written(text)


def test_a_paper_may_have_no_claims(tmp_path, monkeypatch):
    monkeypatch.setattr(rooms, "claims_file", lambda paper: tmp_path / "none.yaml")
    assert set(map(len, rooms.claims(configuration.validate(configuration.default())).values())) == {0}


def test_claims_are_those_of_the_study_that_their_contrast_names_first():
    found = rooms.claims(configuration.validate(configuration.default()))
    assert {name: len(listed) for name, listed in found.items() if listed} == {
        "noise": 45,
        "transfer": 14,
        "ood": 21,
        "theory": 15,
        "teachers": 10,
        "real": 8,
    }
    for name in found:
        assert rooms.compared(found, name) == [name]


def test_a_claim_of_two_studies_needs_the_files_of_both():
    contrast = {"kind": "difference", "a": {"study": "transfer"}, "b": {"study": "noise"}}
    claims = {"transfer": [{"contrast": contrast}], "noise": []}
    assert rooms.compared(claims, "transfer") == ["transfer", "noise"] and rooms.compared(claims, "noise") == ["noise"]


def test_checking_claims_imports_nothing_that_takes_time():
    code = "import sys; from featurelearning.evidence import claim_schema; print([name for name in "
    code += "('numpy', 'scipy', 'xarray', 'torch') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=configuration.ROOT / "scripts"
    )
    assert done.stdout.strip() == "[]", done.stderr
