"""Recommended exponents before training, against the best ones after it, on made errors and small made files."""

import csv
import io

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import synthetic
from featurelearning.files import records
from featurelearning.preconditioning import diagnosis, diagnosis_score
from references import assert_close
from test_scripts import run
from test_tables import Cells

GRID = np.array([-2.0, -1.0, 0.0])


def errors(best, exponents=GRID):
    """Return errors [p, n] of exp(|p - best|): smallest at the best p of each seed, and log errors are distances."""
    return np.exp(np.abs(exponents[:, None] - np.array(best)))


def test_score_and_regret_are_those_of_the_interval_of_the_best_p():
    recommended = np.array([-1.0, -2.0, 0.0, 0.0])
    found = diagnosis_score.judged(errors([-2, -1, -1, 0]), GRID, recommended)
    half = stats.t.ppf(0.975, 3) * np.sqrt(2 / 3) / 2  # of -1 -+ 1.299: -2 and 0 lie within
    assert_close([found["best_low"], found["best_high"]], [-1 - half, -1 + half])
    assert (found["n"], found["hits"], found["plain_hits"]) == (4, 1, 1)
    assert_close([found["recommended"], found["regret"], found["plain_regret"]], [-0.75, 3 / 4, 2 / 4])


def test_a_best_p_that_all_seeds_share_is_its_own_interval():
    found = diagnosis_score.judged(errors([0, 0, 0, 0]), GRID, np.array([0.0, -1.0, 0.0, -2.0]))
    assert (found["best_low"], found["best_high"], found["hits"], found["plain_hits"]) == (0, 0, 0.5, 0)
    assert_close([found["regret"], found["plain_regret"]], [3 / 4, 1])


def test_a_seed_in_which_a_model_diverged_is_left_out():
    recommended, error = np.array([-1.0, 0.0, -2.0]), errors([-1, -1, 0])
    error[0, 2] = np.nan
    assert diagnosis_score.judged(error, GRID, recommended) == diagnosis_score.judged(
        error[:, :2], GRID, recommended[:2]
    )


@pytest.mark.parametrize(
    ("error", "exponents"),
    [(np.full((3, 4), np.nan), GRID), (np.empty((0, 4)), np.empty(0))],
    ids=["diverged", "no arm"],
)
def test_without_a_seed_or_an_arm_to_judge_a_row_has_no_numbers(error, exponents):
    found = diagnosis_score.judged(error, exponents, np.full(4, -1.0))
    assert found["n"] == 0 and set(found) == {"n", *diagnosis_score.NUMBERS}
    assert np.isnan([found[name] for name in diagnosis_score.NUMBERS]).all()


def test_in_a_grid_without_minus_one_the_plain_p_is_the_nearest_and_hits_where_it_is_best():
    grid = np.array([-2.0, -0.5, 1.0])
    found = diagnosis_score.judged(errors([-0.5, -0.5], grid), grid, np.array([-2.0, -0.5]))
    assert (found["plain_hits"], found["plain_regret"]) == (1, 0)
    assert (found["hits"], found["regret"]) == (0.5, 0.75)


def row(**changes):
    base = {"study": "noise", "case": "High", "snr": 1.0, "reading": "final", "n": 4}
    base |= {"best_low": -1.25, "best_high": -0.75, "recommended": -1.0, "hits": 0.75, "near": 1.0, "regret": 0.125}
    base |= {"plain_hits": 0.5, "plain_near": 0.75, "plain_regret": 0.25}
    return base | changes


ROWS = [
    row(),
    row(case="Low", n=1, hits=0.0, near=0.0, regret=1.125, plain_hits=1.0, plain_near=1.0, plain_regret=0.0),
    row(study="a < b & c", n=0, **dict.fromkeys(diagnosis_score.NUMBERS, np.nan)),
]


def test_summary_weighs_data_sets_alike_and_passes_over_rows_without_any():
    assert diagnosis_score.summary(ROWS) == (
        "The recommended p lies in the interval of the best p in 60 % of 5 data sets and readings (always p = -1: "
        "60 %), within one step of the grid in 80 % (80 %), with a mean regret of 0.33 in log error (0.20)."
    )
    assert " 0 % of 0 data sets" in diagnosis_score.summary(ROWS[2:])


def test_csv_holds_every_number_and_leaves_missing_ones_empty():
    first, _, empty = csv.DictReader(io.StringIO(diagnosis_score.texts(ROWS)["csv"]))
    assert list(first) == list(diagnosis_score.COLUMNS)
    assert {name: float(first[name]) for name in diagnosis_score.NUMBERS} == {
        name: ROWS[0][name] for name in diagnosis_score.NUMBERS
    }
    assert (first["study"], first["snr"], first["n"]) == ("noise", "1", "4")
    assert empty["n"] == "0" and {empty[name] for name in diagnosis_score.NUMBERS} == {""}


def test_markdown_and_html_hold_the_rows_and_the_rule():
    lines, parser = diagnosis_score.texts(ROWS)["md"].splitlines(), Cells()
    assert lines[0] == diagnosis_score.summary(ROWS) and lines[2] == diagnosis_score.RULE
    first = "| noise | High | 1.00 | final | 4 | -1.25 | -0.75 | -1.00 | 0.75 | 1.00 | 0.12 | 0.50 | 0.75 | 0.25 |"
    assert first in lines
    parser.feed(diagnosis_score.texts(ROWS)["html"])
    assert parser.open == [] and parser.links == []
    assert {"a < b & c", "-1.25", "0.75", diagnosis_score.summary(ROWS)} <= {*parser.texts}
    assert diagnosis_score.texts(ROWS)["html"].count("<tr>") == 1 + len(ROWS)
    assert "diagnosis score" in parser.texts and "| diagnosis score |" in diagnosis_score.texts(ROWS)["md"]


def test_the_same_rows_give_the_same_texts_with_unix_lines():
    texts = diagnosis_score.texts(ROWS)
    assert texts == diagnosis_score.texts([dict(each) for each in ROWS])
    assert all("\r" not in text and text.endswith("\n") for text in texts.values())


VARIANCES, EXPONENTS = np.array([9.0, 0.25]), [-2.0, -1.0, 1.0]


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """A shard of three data sets: labels of the wide direction, of the narrow one, and of neither."""
    monkeypatch.setattr(diagnosis, "PERMUTATIONS", 19)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 60, 2)) * np.sqrt(VARIANCES)
    y = np.stack([x[0, :, 0] / 3, x[1, :, 1] / 0.5, np.zeros(60)]) + 0.2 * rng.standard_normal((3, 60))
    variables = {"x_train": (("seed", "train", "direction"), x), "y_train": (("seed", "train"), y)}
    attributes = records.provenance("test", "none", {"snr": 1.0}, "code")
    coords = {"seed": [4, 5, 6], "direction": range(2)}
    records.write(records.dataset(variables, coords, attributes, synthetic.NAMES), tmp_path / "data.nc")
    return x, y


def diagnosed(folder, **expected):
    params = {"exponents": EXPONENTS, "expected": {"data": expected}}
    run("diagnose", folder, {"data": folder / "data.nc"}, {"diagnosis": folder / "diagnosis.nc"}, **params)
    return records.read(folder / "diagnosis.nc")


def test_each_data_set_gets_the_p_of_where_its_signal_is_and_a_line_that_says_why(drawn, tmp_path):
    found = diagnosed(tmp_path)
    assert found["seed"].values.tolist() == [4, 5, 6]
    assert found["recommended"].values.tolist() == [1, -2, -1]
    assert records.parameters(found) == {"exponents": EXPONENTS}
    said = (tmp_path / "log").read_text(encoding="utf-8")
    assert "seed 4: p = 1: signal in direction 0" in said and "seed 5: p = -2: signal in direction 1" in said
    assert "seed 6: p = -1: no direction explains more" in said


def test_shares_are_along_the_eigenvectors_of_the_uncentred_empirical_covariance(drawn, tmp_path):
    found = diagnosed(tmp_path)
    for i, (x, y) in enumerate(zip(*drawn, strict=True)):
        values, vectors = np.linalg.eigh(x.T @ x / len(x))
        values, vectors = values[::-1], vectors[:, ::-1]
        assert_close(found["eigenvalue"].values[i], values)
        assert_close(found["explained_share"].values[i], diagnosis.explained(x, y, values, vectors))
        assert_close(found["chance_share"].values[i], diagnosis.chance(x, y, values, vectors))


def test_data_of_other_code_are_refused(drawn, tmp_path):
    with pytest.raises(SystemExit):
        diagnosed(tmp_path, code_fingerprint="other")
    assert "made by other code" in (tmp_path / "log").read_text(encoding="utf-8")
    assert not (tmp_path / "diagnosis.nc").exists()


@pytest.fixture
def check(tmp_path):
    """Run check_diagnosis.py on four seeds in two shards, listed the wrong way round: each p the best but seed 3's."""
    studies = {
        "noise": synthetic.noise(seeds=4, snrs=(1.0, 2.0), estimators=("empirical", "population")),
        "teachers": synthetic.teachers(seeds=4),
    }
    arm = {"case": "High", "snr": 2.0, "seed": 1, "arm": "sigma_population_p+0.50"}
    studies["noise"] = synthetic.diverge(studies["noise"], 10, **arm)
    recommended, inputs = {}, {}
    for study, data in studies.items():
        records.write(data, tmp_path / f"{study}.nc")
        inputs |= {study: tmp_path / f"{study}.nc", f"{study}_diagnoses": []}
        (tmp_path / study).mkdir()
        for case in data["case"].values:
            for snr in data["snr"].values:
                chosen = best(data, case, snr)
                chosen[3] = -2 if chosen[3] != -2 else 1
                recommended[study, case, f"{snr:g}"] = chosen
                for seeds in ([2, 3], [0, 1]):
                    name = f"{case}_snr{snr:.2f}_seeds{seeds[0]:04d}-{seeds[-1]:04d}.nc"
                    values = {"recommended": (("seed",), chosen[seeds])}
                    attributes = records.provenance("test", "none", {}, "code")
                    shard = records.dataset(values, {"seed": seeds}, attributes, synthetic.NAMES)
                    records.write(shard, tmp_path / study / name)
                    inputs[f"{study}_diagnoses"].append(tmp_path / study / name)
    outputs = {form: tmp_path / f"diagnosis.{form}" for form in ("csv", "md", "html")}

    def check(**expected):
        expected = {"noise": {}, "teachers": {}, "diagnosis": {}} | expected
        run("check_diagnosis", tmp_path, inputs, outputs, studies=("noise", "teachers"), expected=expected)
        return {form: path.read_text(encoding="utf-8") for form, path in outputs.items()}

    check.folder, check.studies, check.recommended = tmp_path, studies, recommended
    return check


def final(data: xr.Dataset, case: str, snr: float, seed: int) -> dict[float, float]:
    """Return the final error of each exponent of the known covariance, one cell after another."""
    result = {}
    for arm in data["arm"].values:
        cell = data.sel(arm=arm, case=case, snr=snr, seed=seed)
        if cell["estimator"].item() == "population":
            result[cell["p"].item()] = float(cell["clean_mse"][-1])
    return result


def best(data: xr.Dataset, case: str, snr: float) -> np.ndarray:
    found = [final(data, case, snr, seed) for seed in range(4)]
    return np.array([min(each, key=each.get) for each in found])


def test_every_case_and_snr_is_judged_by_its_own_models(check):
    lines = list(csv.DictReader(io.StringIO(check()["csv"])))
    assert [line["reading"] for line in lines] == ["final", "best_over_time"] * len(check.recommended)
    assert [(line["study"], line["case"], line["snr"]) for line in lines[::2]] == list(check.recommended)
    for line in lines[::2]:
        data, case, snr = check.studies[line["study"]], line["case"], float(line["snr"])
        chosen = check.recommended[line["study"], line["case"], line["snr"]]
        left = [seed for seed in range(4) if (case, snr, seed) != ("High", 2.0, 1) or line["study"] == "teachers"]
        found = [final(data, case, snr, seed) for seed in left]
        at_best = [min(each, key=each.get) for each in found]
        spread = stats.t.ppf(0.975, len(left) - 1) * np.std(at_best, ddof=1) / np.sqrt(len(left))
        ends = [np.mean(at_best) - spread, np.mean(at_best) + spread]
        regret = [np.log(each[p] / min(each.values())) for each, p in zip(found, chosen[left], strict=True)]
        plain = [np.log(each[-1.0] / min(each.values())) for each in found]
        assert line["n"] == str(len(left))
        numbers = [np.mean(chosen[left]), *ends, np.mean([ends[0] <= p <= ends[1] for p in chosen[left]])]
        numbers += [np.mean(regret), float(ends[0] <= -1 <= ends[1]), np.mean(plain)]
        names = ("recommended", "best_low", "best_high", "hits", "regret", "plain_hits", "plain_regret")
        assert [float(line[name]) for name in names] == pytest.approx(numbers, rel=1e-5, abs=1e-12)


def test_all_formats_and_the_log_have_the_same_sentence(check):
    texts = check()
    said = texts["md"].splitlines()[0]
    assert said in (check.folder / "log").read_text(encoding="utf-8") and said in texts["html"]


def test_a_study_without_the_known_covariance_has_rows_of_no_data_sets(check):
    noise = check.studies["noise"]
    records.write(noise.isel(arm=np.flatnonzero(noise["estimator"] != "population")), check.folder / "noise.nc")
    lines = list(csv.DictReader(io.StringIO(check()["csv"])))
    assert {line["n"] for line in lines if line["study"] == "noise"} == {"0"}
    assert {line["n"] for line in lines if line["study"] == "teachers"} == {"4"}


@pytest.mark.parametrize("name", ["noise", "teachers", "diagnosis"])
def test_a_file_of_other_code_is_refused(name, check):
    with pytest.raises(SystemExit):
        check(**{name: {"code_fingerprint": "other"}})
    assert "made by other code" in (check.folder / "log").read_text(encoding="utf-8")
    assert not list(check.folder.glob("diagnosis.[cmh]*"))


def test_the_judgement_is_the_t_interval_of_the_best_exponents():
    best = np.array([1, 0.5, 0.5, 1, 0, 0.5, 1, 0.5, 0.5, 1])
    half = stats.t.ppf(0.975, 9) * best.std(ddof=1) / np.sqrt(10)
    for p in np.arange(-2, 1.5, 0.5):
        hit, low, high = diagnosis_score.within(p, best)
        assert_close([low, high], best.mean() + np.array([-half, half]))
        assert hit == (abs(p - best.mean()) <= half)
    assert diagnosis_score.within(1, best) == (False, low, high) and diagnosis_score.within(1, best, 0.999).hit


@pytest.mark.parametrize("value", [-2.0, -1.0, 0.1, 0.0])
def test_best_exponents_that_agree_are_the_only_hit(value):
    found = diagnosis_score.within(value, np.full(10, value))
    assert found.hit and found.low == found.high == pytest.approx(value, abs=1e-15)
    assert not diagnosis_score.within(value + 0.5, np.full(10, value)).hit


def test_one_seed_has_no_interval_and_a_diverged_one_is_refused():
    found = diagnosis_score.within(1.0, np.array([1.0]))
    assert not found.hit and np.isnan([found.low, found.high]).all()
    with pytest.raises(ValueError, match="best p: not all are finite; leave out the seeds whose models diverged"):
        diagnosis_score.within(1.0, np.array([1.0, np.nan]))
