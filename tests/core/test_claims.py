"""The claims engine on the studies of a made paper: it knows none by name, and decides nothing without grounds."""

import copy
import math
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import made_paper as toy
from featurelearning.evidence import claim_schema, claims, words
from featurelearning.preconditioning.studies import STUDIES as P1

STUDIES = {study.name: study for study in toy.STUDIES}
SEEDS, EXPONENTS = np.arange(6), (-1.0, 0.0, 1.0)
ARMS = [(f"sigma_population_p{p:+.2f}", "sigma_power", "population", p) for p in EXPONENTS]
ARMS += [(name, name, "none", np.nan) for name in ("adam", "sgd")]
LEVELS, EPOCHS = [0.5, 2.0], [0, 1, 10]
WOBBLE = 0.01 * SEEDS


def sweep() -> xr.Dataset:
    """log error = -p or p at the end, by task; adam e times better than sgd; all losses fall to a tenth."""
    names, methods, estimators, p = zip(*ARMS, strict=True)
    dims, shape = ("arm", "task", "level", "seed"), (len(ARMS), 2, 2, len(SEEDS))
    log_error = np.where(np.isnan(p), 0, p)[:, None, None, None] * np.array([-1, 1])[:, None, None] + WOBBLE
    log_error = np.broadcast_to(log_error, shape).copy()
    log_error[names.index("adam")] = -1 + 0.02 * SEEDS
    fall = np.array([1.0, 0.5, 0.1])
    error = np.exp(log_error)[..., None] * np.array([30.0, 3.0, 1.0])
    weight = np.exp(log_error)[..., None] * np.array([1.0, 3.0, 5.0])
    return xr.Dataset(
        {
            "loss": ((*dims, "epoch"), np.broadcast_to(fall, (*shape, 3)).copy()),
            "error": ((*dims, "epoch"), error),
            "weight": ((*dims, "mode"), weight),
            "score": (dims, 0.5 + 0.1 * log_error),
            "waiting": (dims, np.exp(log_error) * 100),
            "chosen_p": ("task", [1.0, -1.0]),
            "was_fitted": (dims, np.ones(shape, dtype="i1")),
            "diverged_at": (dims, np.full(shape, -1)),
        },
        coords={
            "arm": list(names),
            "method": ("arm", list(methods)),
            "estimator": ("arm", list(estimators)),
            "p": ("arm", list(p)),
            "task": ["easy", "hard"],
            "level": LEVELS,
            "seed": SEEDS,
            "epoch": EPOCHS,
            "mode": [0, 1, 2],
            "eigenvalue": (("task", "mode"), [[4.0, 4.0, 1.0], [4.0, 1.0, 1.0]]),
        },
    )


def proofs() -> xr.Dataset:
    return xr.Dataset(
        {
            "gap": (("lemma", "seed"), np.outer([1e-12, 1e-5], 1 + SEEDS)),
            "slope": (("side", "seed", "time"), np.stack([np.full((6, 2), np.nan), np.ones((6, 2))])),
            "length": (("side", "seed"), np.exp([0.3 + WOBBLE, 0 * WOBBLE])),
        },
        coords={"lemma": ["first", "second"], "side": ["left", "right"], "seed": SEEDS, "time": [1, 2]},
    )


@pytest.fixture
def data():
    found = {"sweep": sweep(), "proofs": proofs()}
    found["proofs"]["slope"][0, :, -1] = 0.01 * SEEDS
    return found | {"again": found["sweep"].copy(deep=True)}


def claim(contrast: dict, **changes) -> dict:
    """A valid claim of one contrast."""
    base = {"reference": "nobody", "statement": "It is so.", "figure": "curve"}
    if contrast["kind"] == "identity":
        base |= {"tolerance": 1e-10}
    elif contrast["kind"] == "noninferiority":
        base |= {"expected": "no larger", "margin": {"log": 1.5}}
    else:
        base |= {"expected": "negative", "smallest_effect": 0.1}
    families = [{"family": "X", "claims": [base | {"id": "X-1", "contrast": contrast} | changes]}]
    (found,), faults = claim_schema.checked(families, toy.RULES)
    assert faults == []
    return found


def judged(data, contrast: dict, **changes) -> dict:
    return claims.evaluate(claim(contrast, **changes), data, STUDIES)


BASE = {"study": "sweep", "quantity": "error", "task": "easy"}
PAIR = {"kind": "difference", **BASE, "a": {"method": "adam"}, "b": {"method": "sgd"}}
ORDER = {"kind": "spearman", **BASE, **toy.GRID}
BEST = {
    "kind": "argmin",
    "study": "sweep",
    "quantity": "error",
    **toy.GRID,
    "a": {"task": "easy"},
    "b": {"task": "hard"},
}
TARGET = {"kind": "offset", "study": "sweep", "quantity": "score", "task": "easy", "method": "adam", "target": 0.4}
MARGIN = PAIR | {"kind": "noninferiority"}
KINDS = {"difference": PAIR, "spearman": ORDER, "argmin": BEST, "offset": TARGET, "noninferiority": MARGIN}


def test_every_kind_of_contrast_with_arms_is_tried_below():
    assert {*KINDS, "identity"} == set(claim_schema.KINDS)


@pytest.mark.parametrize(
    ("kind", "estimate"),
    [("difference", -1 + 0.025), ("spearman", -1), ("argmin", 2), ("offset", 0.005), ("noninferiority", -1 + 0.025)],
)
def test_contrasts_have_the_constructed_values(kind, estimate, data):
    row = judged(data, KINDS[kind])
    assert row["estimate"] == pytest.approx(estimate, abs=1e-12) and row["note"] == "" and row["n"] == 6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_contrast_of_any_kind_whose_arms_have_learned_nothing_is_undecided_and_says_why(kind, share, data):
    """A flat training loss, whatever the quantity says; one that falls to half its first value decides."""
    expected = {"difference": "negative", "spearman": "negative", "argmin": "positive", "offset": "zero"}
    changes = {"expected": expected[kind]} if kind in expected else {}
    data["sweep"]["loss"][..., 1:] = share
    row = judged(data, KINDS[kind], **changes)
    assert row["verdict"] == ("undecided" if share > 0.9 else "reproduced")
    assert ("has not trained" in row["note"]) == (share > 0.9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_contrast_of_any_kind_with_a_diverged_model_is_undecided_and_names_it(kind, data):
    name = "adam" if "method" not in KINDS[kind] or KINDS[kind]["method"] == "adam" else "sigma_population_p+0.00"
    data["sweep"]["diverged_at"].loc[{"arm": name, "task": "easy", "level": 2.0, "seed": 3}] = 7
    row = judged(data, KINDS[kind])
    assert (row["verdict"], row["diverged"], row["n"]) == ("undecided", 1, 5)
    assert row["note"] == f"diverged: {name} easy level 2 seeds 3"


def test_one_idle_arm_of_a_grid_spoils_its_order_but_a_best_p_only_where_it_is_the_best(data):
    idle = {"arm": "sigma_population_p+0.00", "epoch": EPOCHS[1:]}
    data["sweep"]["loss"].loc[idle] = 0.95
    assert judged(data, ORDER)["note"] == "sigma_population_p+0.00 easy has not trained"
    assert judged(data, BEST)["note"] == ""
    data["sweep"]["loss"].loc[idle | {"arm": "sigma_population_p+1.00", "task": "easy"}] = 0.95
    row = judged(data, BEST)
    assert (row["verdict"], row["note"]) == ("undecided", "sigma_population_p+1.00 easy has not trained")


def test_one_arm_at_two_levels_keeps_the_cells_of_both_sides(data):
    """Each side has its own diverged seed; were they one key, those of side a would be lost."""
    contrast = {"kind": "difference", **BASE, "method": "adam", "a": {"level": 0.5}, "b": {"level": 2.0}}
    adam = {"arm": "adam", "task": "easy"}
    data["sweep"]["error"].loc[adam | {"level": 0.5}] *= 5
    assert judged(data, contrast)["estimate"] == pytest.approx(math.log(5))
    data["sweep"]["diverged_at"].loc[adam | {"level": 0.5, "seed": 1}] = 3
    data["sweep"]["diverged_at"].loc[adam | {"level": 2.0, "seed": 4}] = 3
    row = judged(data, contrast)
    assert (row["diverged"], row["n"]) == (2, 4)
    assert row["note"] == "diverged: adam easy level 0.5 seeds 1; adam easy level 2 seeds 4"


@pytest.mark.parametrize(("side", "name"), [("a", "adam easy level 0.5"), ("b", "adam easy level 2")])
def test_one_arm_at_two_levels_is_idle_on_the_side_that_is(side, name, data):
    contrast = {"kind": "difference", **BASE, "method": "adam", "a": {"level": 0.5}, "b": {"level": 2.0}}
    level = contrast[side]["level"]
    data["sweep"]["loss"].loc[{"arm": "adam", "task": "easy", "level": level, "epoch": EPOCHS[1:]}] = 1.0
    assert judged(data, contrast)["note"] == f"{name} has not trained"


def test_one_arm_in_two_studies_keeps_the_cells_of_both(data):
    contrast = {"kind": "difference", "quantity": "error", "task": "easy", "method": "adam"}
    contrast |= {"a": {"study": "again"}, "b": {"study": "sweep"}}
    data["again"]["error"].loc[{"arm": "adam"}] *= 3
    data["again"]["diverged_at"].loc[{"arm": "adam", "task": "easy", "level": 2.0, "seed": 2}] = 1
    row = judged(data, contrast)
    assert row["estimate"] == pytest.approx(math.log(3)) and (row["diverged"], row["n"]) == (1, 5)
    assert judged({"sweep": data["sweep"]}, contrast)["note"] == "study again is not in the run"
    fewer = data | {"again": data["again"].sel(seed=[0, 1])}
    assert "studies again and sweep have other seeds" in judged(fewer, contrast)["note"]


def test_directions_that_are_alike_are_read_by_their_mean_as_declared(data):
    contrast = {"kind": "difference", **BASE, "quantity": "weight", "method": "adam"}
    contrast |= {"a": {"mode": 2}, "b": {"mode": 0}}
    assert judged(data, contrast)["estimate"] == pytest.approx(math.log(5 / 2))  # modes 0 and 1 are alike: (1 + 3) / 2
    assert judged(data, contrast | {"task": "hard"})["estimate"] == pytest.approx(math.log(4))  # here 1 and 2 are
    assert judged(data, contrast | {"b": {"mode": 9}})["note"] == "mode 9 is not in the run, which has 0, 1, 2"


@pytest.mark.parametrize(("task", "p"), [("easy", 1), ("hard", -1)])
def test_a_quantity_may_be_that_of_an_arm_that_the_run_has_chosen_whose_divergence_is_seen(task, p, data):
    contrast = {"kind": "difference", "study": "sweep", "task": task, **toy.GRID, "p": 0}
    contrast |= {"a": {"quantity": "chosen"}, "b": {"quantity": "score"}}
    assert judged(data, contrast)["estimate"] == pytest.approx(-0.1)
    data["sweep"]["diverged_at"].loc[{"arm": f"sigma_population_p{p:+.2f}", "task": task, "seed": 5}] = 1
    assert judged(data, contrast)["diverged"] == 2  # at both levels


@pytest.mark.parametrize(
    ("late", "expected", "verdict"),
    [
        ("sgd", "negative", "reproduced"),  # of the larger side: what it really is would only be larger
        ("adam", "negative", "undecided"),  # the smaller side may really be the larger one
        ("adam", "positive", "undecided"),
        ("sgd", "positive", "contradicted"),
        ("both", "negative", "undecided"),
        ("sgd", "zero", "contradicted"),
    ],
)
def test_a_count_that_was_never_reached_is_a_lower_bound_and_decides_only_where_that_suffices(
    late, expected, verdict, data
):
    for name in ("adam", "sgd") if late == "both" else (late,):
        data["sweep"]["was_fitted"].loc[{"arm": name, "task": "easy", "level": 2.0, "seed": [1, 2]}] = 0
    row = judged(data, PAIR | {"quantity": "waiting"}, expected=expected)
    assert row["verdict"] == verdict
    side = {"adam": "a", "sgd": "b", "both": "[ab]"}[late]
    assert re.search(f"{side}: 2 values are lower bounds, never reached in the steps run", row["note"])


@pytest.mark.parametrize("kind", ["spearman", "argmin"])
def test_an_order_and_a_best_p_of_counts_that_were_never_reached_are_undecided(kind, data):
    changes = {"expected": "positive" if kind == "argmin" else "negative"}
    assert judged(data, KINDS[kind] | {"quantity": "waiting"}, **changes)["verdict"] == "reproduced"
    data["sweep"]["was_fitted"].loc[{"arm": "sigma_population_p+0.00"}] = 0
    assert judged(data, KINDS[kind] | {"quantity": "waiting"}, **changes)["verdict"] == "undecided"


@pytest.mark.parametrize(
    ("margin", "verdict"), [({"log": 1.5}, "reproduced"), ({"log": 1.3}, "contradicted"), ({"log": 1.38}, "undecided")]
)
def test_noninferiority_is_held_against_its_margin_on_one_side(margin, verdict, data):
    contrast = {"kind": "noninferiority", "study": "proofs", "quantity": "length"}
    contrast |= {"a": {"side": "left"}, "b": {"side": "right"}}  # e^0.325 = 1.384
    row = judged(data, contrast, margin=margin)
    assert row["verdict"] == verdict and row["measured"] == "1.38 times larger length"
    assert row["claimed"] == f"larger by less than a factor of {margin['log']}, or not at all"


def test_an_identity_reads_the_quantity_and_the_label_that_it_names(data):
    contrast = {"kind": "identity", "study": "proofs", "quantity": "gap", "lemma": "first"}
    row = judged(data, contrast)
    assert (row["estimate"], row["verdict"], row["measured"], row["claimed"]) == (
        6e-12,
        "reproduced",
        "6.0e-12",
        "at most 1e-10",
    )
    assert row["contrast"] == "largest gap of the lemma first"
    assert judged(data, contrast | {"lemma": "second"})["verdict"] == "contradicted"
    assert (
        judged(data, contrast | {"lemma": "third"})["note"] == "lemma third is not in the run, which has first, second"
    )


@pytest.mark.parametrize(
    ("contrast", "measured", "claimed"),
    [
        (PAIR, "2.65 times smaller error", "smaller by more than a factor of 1.11"),
        (PAIR | {"a": {"method": "sgd"}}, "the same error", "smaller by more than a factor of 1.11"),
        (PAIR | {"quantity": "score"}, "score lower by 0.0975", "lower by more than 0.1"),
        (ORDER, "rank correlation -1.00", "below -0.1"),
        (BEST, "best p higher by 2", "lower by more than 0.1"),
        (TARGET, "score +0.41", "below +0.4, by more than 0.1"),
    ],
)
def test_what_was_measured_and_claimed_is_said_in_own_units(contrast, measured, claimed, data):
    row = judged(data, contrast)
    assert (row["measured"], row["claimed"]) == (measured, claimed)


def test_an_offset_says_the_value_and_the_target_and_not_their_difference(data):
    """A value of 0 where +1 was claimed has the estimate -1, which must not read as a value of -1."""
    contrast = {"kind": "offset", "study": "proofs", "quantity": "slope", "side": "left", "target": 1}
    row = judged(data, contrast, expected="zero", smallest_effect=0.25)
    assert row["estimate"] == pytest.approx(0.025 - 1) and row["verdict"] == "contradicted"
    assert (row["measured"], row["claimed"]) == ("slope +0.03", "+1 ± 0.25")
    exact = judged(data, contrast, expected="zero", smallest_effect=0.002)
    assert (exact["measured"], exact["claimed"]) == ("slope +0.0250", "+1 ± 0.002")
    low, high = (float(end) for end in row["interval"].split(" to "))
    assert low == pytest.approx(row["ci_low"] + 1, abs=5e-3) and high == pytest.approx(row["ci_high"] + 1, abs=5e-3)


@pytest.mark.parametrize(
    ("low", "high", "interval"),
    [
        (-2.7, -2.4, "11 to 14.9 times smaller"),
        (-0.1, 0.2, "1.11 times smaller to 1.22 times larger"),
        (0.5, 0.5, "1.65 times larger"),
        (0.0, 0.0, "the same"),
        (math.nan, math.nan, "–"),
        (800.0, 900.0, "1.01e+304 times larger"),
    ],
)
def test_intervals_of_log_ratios_are_factors(low, high, interval):
    row = {"estimate": (low + high) / 2 if low == low else 1.0, "ci_low": low, "ci_high": high}
    assert words.measured(claim(PAIR), row, STUDIES)["interval"] == interval


def test_a_claim_that_was_not_judged_says_what_was_claimed(data):
    row = words.not_run(claim(PAIR), STUDIES, "because")
    assert (row["verdict"], row["note"], row["measured"], row["interval"]) == ("not run", "because", "–", "–")
    assert set(row) == set(judged(data, PAIR))


def test_contrasts_say_what_was_averaged_over():
    assert words.describe(PAIR, STUDIES) == (
        "log error (method=adam) - log error (method=sgd); study=sweep; task=easy; level=all (mean of log)"
    )
    assert words.describe(PAIR | {"quantity": "score"}, STUDIES).endswith("; level=all (mean)")
    assert words.describe(PAIR | {"level": 2}, STUDIES).endswith("; task=easy; level=2")


def test_the_engine_names_no_study_quantity_or_figure_of_a_paper():
    """Neither as a string nor within one, in code; P1's declarations say what its names are."""
    names = {name for study in P1 for name in (study.name, *study.figures, *study.quantities, *study.coordinates)}
    names -= {"kind", "bound", "at_grid_edge", "exponent", "deviation"}  # conventions of the layout, and units
    for path in sorted(Path(claims.__file__).parent.glob("*.py")):
        strings = re.findall(r'"([a-z_]+)"', path.read_text(encoding="utf-8"))
        assert not names & set(strings), path.name


def test_the_list_of_the_made_paper_is_left_as_it_was():
    before = copy.deepcopy(toy.CLAIMS)
    claims.evaluate_all(toy.CLAIMS, {}, STUDIES)
    assert toy.CLAIMS == before
