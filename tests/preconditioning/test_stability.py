"""Verdicts judged again in made variants of the noise study: one that is the same, one reversed, one without a case."""

import csv
import io
from collections import Counter

import pytest

import synthetic
from featurelearning.files import records
from featurelearning.preconditioning import stability
from test_p1_claims import CLAIMS, noise_set
from test_scripts import run
from test_tables import Cells

SPEED = 1.045  # mean over seeds, see test_claims
ON_POWERS = ("P1-C1", "P1-C3-noise", "P1-C4", "P1-M3", "P1-F1")
NOISE_CLAIMS = [claim for claim in CLAIMS if claim["contrast"].get("study") == "noise"]


@pytest.fixture(scope="module")
def rows():
    noise = noise_set(snrs=(1.0,))
    worse = (1 / noise["clean_mse"]).where(noise["step"] > 0, 1e9)  # than before training nothing is
    variants = {"Same": noise.copy(), "Reversed": noise.assign(clean_mse=worse)}
    return stability.judged(CLAIMS, noise, variants | {"HighOnly": noise.sel(case=["High"])})


def found(rows, claim, variant):
    return next(row for row in rows if row["id"] == claim)["verdicts"][variant]


def test_claims_on_powers_of_the_population_covariance_are_judged_and_no_others(rows):
    ids = [row["id"] for row in rows]
    assert ids == [claim["id"] for claim in CLAIMS if claim["id"].startswith(ON_POWERS)]
    assert "P1-A1-adahessian-high" not in ids and "SAM-as-plus-1-high" not in ids
    empirical = [c | {"contrast": c["contrast"] | {"estimator": "empirical"}} for c in CLAIMS if c["id"] == ids[0]]
    assert stability.judged(empirical, noise_set(snrs=(1.0,)), {}) == []


@pytest.mark.parametrize(
    ("claim", "estimate", "reversed_estimate"),
    [
        ("P1-C1-high-final", -2 * SPEED, 2 * SPEED),
        ("P1-C1-low-final", 2 * SPEED, -2 * SPEED),
        ("P1-C1-high-order", -1, 1),
        ("P1-M3-argmin", 1 - -2, -2 - 1),
        ("P1-F1-clean", 3 * SPEED, -3 * SPEED),
    ],
)
def test_a_variant_that_reverses_the_errors_contradicts_and_the_same_data_do_not(
    claim, estimate, reversed_estimate, rows
):
    assert list(rows[0]["verdicts"]) == ["baseline", "Same", "Reversed", "HighOnly"]
    for name, value, verdict in (
        ("baseline", estimate, "reproduced"),
        ("Same", estimate, "reproduced"),
        ("Reversed", reversed_estimate, "contradicted"),
    ):
        row = found(rows, claim, name)
        assert row["estimate"] == pytest.approx(value, rel=1e-5) and row["verdict"] == verdict


def test_a_case_that_a_variant_lacks_is_not_run_there_and_the_other_is_judged(rows):
    assert found(rows, "P1-C1-low-final", "HighOnly")["verdict"] == "not run"
    assert found(rows, "P1-M3-argmin", "HighOnly")["note"] == "case Low is not in the run, which has High"
    assert found(rows, "P1-C1-high-final", "HighOnly") == found(rows, "P1-C1-high-final", "baseline")


def test_verdicts_that_held_are_counted(rows):
    """Reversed errors leave six verdicts as they are, and eight claims ask for case Low.

    The six: those of C4 and P1-F1-overfits, which read no error, and P1-C1-high-equal-loss, which reads p = -1 next to
    the record of its best error, which the reversal makes its worst.
    """
    expected = "Of 17 contrasts, as many have the verdict of the baseline: Same 17, Reversed 6, HighOnly 9."
    assert stability.held(rows) == expected


def test_csv_has_a_line_for_each_claim_and_variant_and_leaves_missing_numbers_empty(rows):
    lines = list(csv.DictReader(io.StringIO(stability.texts(rows)["csv"])))
    assert list(lines[0]) == ["claim", "variant", "estimate", "ci_low", "ci_high", "n", "verdict"]
    assert [(line["claim"], line["variant"]) for line in lines] == [
        (row["id"], name) for row in rows for name in row["verdicts"]
    ]
    for line in lines:
        row = found(rows, line["claim"], line["variant"])
        assert (line["verdict"], line["n"]) == (row["verdict"], str(row["n"]))
        if row["verdict"] == "not run":
            assert line["estimate"] == line["ci_low"] == line["ci_high"] == ""
        else:
            assert float(line["estimate"]) == pytest.approx(row["estimate"], rel=1e-5)


def test_markdown_shows_mark_and_measured_value_in_each_cell(rows):
    said = ("8.08 times smaller error", "8.08 times larger error")  # exp 2.09
    lines = stability.texts(rows)["md"].splitlines()
    assert lines[0] == stability.held(rows)
    assert lines[2:4] == ["| claim | baseline | Same | Reversed | HighOnly |", "| --- | --- | --- | --- | --- |"]
    assert "| P1-C1-high-final | ✔ {0} | ✔ {0} | ✘ {1} | ✔ {0} |".format(*said) in lines
    assert "| P1-C1-low-final | ✔ {1} | ✔ {1} | ✘ {0} | – |".format(*said) in lines
    assert len(lines) == 4 + len(rows)


def test_html_is_well_formed_escaped_and_needs_no_other_file(rows):
    rows = [row | {"statement": f"p < q & {row['id']}"} for row in rows]
    parser = Cells()
    parser.feed(stability.texts(rows)["html"])
    assert parser.open == [] and parser.links == []
    assert {"p < q & P1-C1-high-final", "HighOnly", "✘ 8.08 times larger error", stability.held(rows)} <= {
        *parser.texts
    }
    assert "url(" not in stability.texts(rows)["html"] and "http" not in stability.texts(rows)["html"]
    assert stability.texts(rows)["html"].count('class="number not-run" title="not run"') == 8


def test_the_same_rows_give_the_same_texts_with_unix_lines(rows):
    texts = stability.texts(rows)
    assert texts == stability.texts([dict(row) for row in rows])
    assert all("\r" not in text and text.endswith("\n") for text in texts.values())


def test_without_claims_on_powers_the_table_is_empty_and_says_so():
    others = [claim for claim in CLAIMS if not claim["id"].startswith(ON_POWERS)]
    assert stability.judged(others, noise_set(snrs=(1.0,)), {}) == []
    texts = stability.texts([])
    assert texts["csv"] == "claim,variant,estimate,ci_low,ci_high,n,verdict\n"
    assert texts["md"].startswith("No claim is on powers of the known covariance in the noise study.\n")
    assert "No claim is on powers" in texts["html"]


def test_without_variants_only_the_baseline_is_judged():
    few = [claim for claim in CLAIMS if claim["id"] == "P1-F1-clean"]
    rows = stability.judged(few, noise_set(snrs=(1.0,)), {})
    assert stability.held(rows) == "Of 1 contrasts, as many have the verdict of the baseline: no variants."
    assert "| P1-F1-clean | ✔ 23 times larger error |" in stability.texts(rows)["md"]


@pytest.fixture
def check(tmp_path):
    """Run check_stability.py on a noise study at two SNRs and two variants at one: the same, and its cases swapped."""
    noise = synthetic.noise(seeds=4, snrs=(1.0, 2.0), estimators=("population", "empirical"))
    records.write(noise, tmp_path / "noise.nc")
    variants = {name: {case: case + name for case in ("High", "Low")} for name in ("Same", "Swapped")}
    changed = noise.sel(snr=[1.0], arm=noise["estimator"] == "population").sel(case=["High", "Low", "Low", "High"])
    names = [*variants["Same"].values(), *variants["Swapped"].values()]
    records.write(changed.assign_coords(case=names), tmp_path / "firmness.nc")
    inputs = {"noise": tmp_path / "noise.nc", "firmness": tmp_path / "firmness.nc"}
    outputs = {form: tmp_path / f"firmness.{form}" for form in ("csv", "md", "html")}

    def check(**expected):
        params = {"variants": variants, "claims": NOISE_CLAIMS, "expected": {"noise": {}, "firmness": expected}}
        run("check_stability", tmp_path, inputs, outputs, **params)
        return {form: path.read_text(encoding="utf-8") for form, path in outputs.items()}

    check.folder = tmp_path
    return check


def test_script_judges_each_variant_under_the_names_of_the_cases_at_its_snr(check):
    texts = check()
    lines = {(each["claim"], each["variant"]): each for each in csv.DictReader(io.StringIO(texts["csv"]))}
    assert Counter(variant for _, variant in lines) == {"baseline": 17, "Same": 17, "Swapped": 17}
    for claim in {claim for claim, _ in lines}:
        assert lines[claim, "Same"] | {"variant": "baseline"} == lines[claim, "baseline"]
    swapped = [float(lines["P1-M3-argmin", name]["estimate"]) for name in ("baseline", "Swapped")]
    assert swapped[0] == -swapped[1] != 0
    said = next(line for line in texts["md"].splitlines() if line.startswith("Of 17 contrasts"))
    assert "Same 17, Swapped " in said and said in (check.folder / "log").read_text(encoding="utf-8")
    assert texts["html"].startswith("<!DOCTYPE html>")


def test_script_refuses_a_file_of_other_code_and_writes_nothing(check):
    with pytest.raises(SystemExit):
        check(code_fingerprint="other")
    assert "made by other code" in (check.folder / "log").read_text(encoding="utf-8")
    assert not list(check.folder.glob("firmness.[cmh]*"))
