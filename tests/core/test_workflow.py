"""The whole workflow on config/tiny.yaml: results as the data model says, a second run that does nothing, reruns."""

import csv
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
from workflow.preconditioning import grid

from featurelearning.files import records
from repository import FIGURES, PARTS, copy_of_repository, snakemake, tiny

STUDIES = {"noise", "firmness", "teachers", "transfer", "ood", "theory"}
TABLES = {"claims", "diagnosis", "firmness"}


def added(**changes) -> dict[str, int]:
    """Return how many files of each study's trained models a changed configuration has more than tiny.yaml."""
    before, after = (set(grid.trained_files(cfg)) for cfg in (tiny(), tiny(**changes)))
    return dict(Counter(path.split("/")[1] for path in after - before))


def planned(folder: Path, *config: str) -> dict[str, int]:
    """Return how many jobs of each rule a dry-run plans."""
    done = snakemake(folder, "-n", config=config)
    assert done.returncode == 0, done.stderr[-3000:]
    text = done.stdout + done.stderr
    if "Nothing to be done" in text:
        return {}
    table = re.search(r"^job\s+count\n-+\s+-+\n(.*?)^total", text, re.DOTALL | re.MULTILINE).group(1)
    return {name: int(count) for name, count in re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE) if name != "all"}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_results_are_complete_and_as_the_data_model_says(finished):
    results = finished / "results"
    noise, transfer = records.read(results / "noise.nc"), records.read(results / "transfer.nc")
    ood, theory = records.read(results / "ood.nc"), records.read(results / "theory.nc")
    firmness, teachers = records.read(results / "firmness.nc"), records.read(results / "teachers.nc")
    cell = ("arm", "case", "snr", "seed")
    for result in (noise, firmness, teachers):
        for name in ("train_mse", "test_mse", "clean_mse"):
            assert result[name].dims == (*cell, "step") and result[name].dtype == np.float32
            assert result[name].where((result["planned"] == 1) & (result["diverged_at"] < 0), 0).notnull().all()
        for name in ("feature_energy", "sensitivity"):
            assert result[name].dims == (*cell, "direction") and result[name].dtype == np.float64
        assert result["noise_floor"].dims == result["diverged_at"].dims == cell
    assert (noise["diverged_at"] < 0).all()
    for study, result in (("noise", noise), ("firmness", firmness), ("teachers", teachers)):
        assert list(result["case"].values) == list(grid.cases(tiny(), study))
        assert int((result["planned"] == 1).sum()) == len(list(grid.cells(tiny(), study)))
    # empirical and SAM have nothing at SNR 2: two exponents, and one, for two cases
    assert int((noise["planned"] == 0).sum()) == 4 + 2
    for name in ("train_mse", "test_mse", "unfrozen_test_mse", "noise_floor"):
        assert transfer[name].dims == ("arm", "source_case", "seed") and transfer[name].notnull().all()
    for name in ("in_distribution", "flipped_noise", "flipped_digits"):
        assert ood[f"accuracy_{name}"].dims == ("arm", "seed") and ood[f"accuracy_{name}"].notnull().all()
    assert {"learning_rate", "at_grid_edge", "diverged_at"} <= set(ood.data_vars)
    assert theory["deviation"].dims == ("check", "seed") and theory["deviation"].notnull().all()
    assert list(ood["arm"].values) == [arm.id for arm in grid.ood_arms(tiny())]
    for result in (noise, firmness, teachers, transfer, ood, theory):
        assert result.sizes["seed"] == 3
        assert {"parameters", "seed_scheme", "software", "device", "code_fingerprint"} <= set(result.attrs)


def test_theory_holds_and_its_control_fails(finished):
    theory = records.read(finished / "results" / "theory.nc")
    worst = theory["deviation"].max("seed")
    assert (worst.where(theory["kind"] == "identity", drop=True) <= 1e-10).all()
    assert (theory["deviation"].min("seed").where(theory["kind"] == "control", drop=True) >= 1e-3).all()


def test_every_figure_and_verdict_is_there(finished):
    figures = {path.name for path in (finished / "results" / "figures").iterdir()}
    assert figures == {f"{name}.{form}" for name in FIGURES for form in ("pdf", "png")}
    tables = {path.name for path in (finished / "results").glob("*.csv")}
    assert tables == {f"{name}.csv" for name in (*TABLES, "costs")}
    with open(finished / "results" / "claims.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = ["claim", "reference", "statement", "contrast", "estimate", "ci_low", "ci_high", "n", "verdict"]
    assert list(rows[0])[: len(columns)] == columns
    assert {row["verdict"] for row in rows} <= {"reproduced", "contradicted", "undecided", "not run"}
    assert all(row["verdict"] == "reproduced" for row in rows if row["claim"].startswith(("P1-M1", "P1-M2")))
    notes = {row["note"] for row in rows if "study=real" in row["contrast"]}
    assert notes == {"study real is not in the run"}


def test_every_data_set_is_diagnosed_and_every_variant_judged(finished):
    rows = {}
    for name in ("diagnosis", "firmness"):
        with open(finished / "results" / f"{name}.csv", encoding="utf-8", newline="") as file:
            rows[name] = list(csv.DictReader(file))
    places = {
        (study, case, f"{snr:g}") for study in grid.diagnosed(tiny()) for _, case, snr in grid.cells(tiny(), study)
    }
    found = [(row["study"], row["case"], row["snr"]) for row in rows["diagnosis"]]
    assert set(found) == places and len(found) == 2 * len(places)  # two readings
    assert {row["n"] for row in rows["diagnosis"] if row["study"] == "noise"} == {"3"}
    assert {row["variant"] for row in rows["firmness"]} == {"baseline", *tiny().firmness.variants}


def test_a_second_run_does_nothing(finished):
    done = snakemake(finished)
    assert done.returncode == 0 and "Nothing to be done" in done.stdout + done.stderr


def test_touched_files_rerun_nothing(copy):
    for path in [*copy.joinpath("scripts").rglob("*.py"), *copy.joinpath("workflow").rglob("*")]:
        path.touch()
    assert planned(copy) == {}


def test_a_fresh_checkout_reruns_nothing(copy):
    for part in PARTS:
        shutil.rmtree(copy / part)
    copy_of_repository(copy)
    assert planned(copy) == {}


def test_a_comment_and_a_docstring_rerun_nothing(copy):
    edit(copy / "scripts/featurelearning/training.py", "import torch\n", "import torch  # a comment\n")
    edit(copy / "scripts/featurelearning/training.py", "The one training loop", "The only training loop")
    edit(copy / "scripts/train_single_index.py", '"""Train', '"""Really train')
    assert planned(copy) == {}


def test_a_change_of_the_style_reruns_plots_only(copy):
    path = copy / "scripts/featurelearning/style.py"
    path.write_text(path.read_text(encoding="utf-8") + "\nADDED = 1\n", encoding="utf-8")
    assert planned(copy) == {"plot": len(FIGURES), "costs": 1}


def test_a_change_of_the_trainer_reruns_training_and_what_follows(copy):
    path = copy / "scripts/featurelearning/training.py"
    path.write_text(path.read_text(encoding="utf-8") + "\nADDED = 1\n", encoding="utf-8")
    rules = planned(copy)
    assert not {"single_index_data", "ood_data", "single_index_covariance", "ood_covariance", "mnist"} & set(rules)
    assert "diagnose" not in rules
    assert {"train_single_index", "tune_ood", "train_ood", "evaluate_theory"} <= set(rules)
    assert {f"aggregate_{study}" for study in STUDIES} | {f"check_{name}" for name in TABLES} <= set(rules)
    assert rules["plot"] == len(FIGURES)


def test_a_change_of_one_optimizer_reruns_its_arms(copy):
    path = copy / "scripts/featurelearning/optimizers/adam.py"
    path.write_text(path.read_text(encoding="utf-8") + "\nADDED = 1\n", encoding="utf-8")
    rules = planned(copy)
    assert rules["tune_ood"] == 1 and rules["train_ood"] == 2 and "train_single_index" not in rules


def test_an_added_seed_adds_shards(copy):
    before = {path: path.stat().st_mtime_ns for path in (copy / "results/noise/train").rglob("*.nc")}
    rules, files = planned(copy, "seeds=5"), added(seeds=5)  # 0-1 stay, 2-2 becomes 2-3, and 4-4 is new
    ood = files.pop("ood")
    assert rules["train_single_index"] == sum(files.values()) and rules["train_ood"] == ood
    assert rules["evaluate_noise"] == sum(files[study] for study in grid.SYNTHETIC) and "tune_ood" not in rules
    diagnosed = {path for study in grid.diagnosed(tiny()) for path in grid.diagnosis_files(tiny(), study)}
    assert rules["diagnose"] == len(diagnosed)  # two shards here, and two new ones
    assert rules["plot"] == len(FIGURES)
    assert [rules[f"check_{name}"] for name in sorted(TABLES)] == [1, 1, 1] and rules["costs"] == 1
    assert before == {path: path.stat().st_mtime_ns for path in (copy / "results/noise/train").rglob("*.nc")}


def test_an_added_exponent_trains_its_arms_only(copy):
    rules, files = planned(copy, "exponents=[-1, 0, 1]"), added(exponents=[-1, 0, 1])
    assert files["noise"] == 2 * (2 * 2 + 2) and files["ood"] == 2  # two shards; population has two SNRs
    assert rules["train_ood"] == files.pop("ood") and rules["train_single_index"] == sum(files.values())
    assert rules["tune_ood"] == 1
    assert "single_index_data" not in rules and "single_index_covariance" not in rules


def test_a_wrong_key_ends_before_any_job(copy):
    done = snakemake(copy, "-n", config=("exponent=[1]",))
    assert done.returncode != 0
    assert "did you mean 'exponents'?" in done.stdout + done.stderr


def test_parsing_the_workflow_imports_nothing_slow(copy):
    path = copy / "workflow/Snakefile"
    before, after = "import sys\n\nBEFORE = set(sys.modules)\n\n", "print('LOADED', *set(sys.modules) - BEFORE)\n"
    path.write_text(f"{before}{path.read_text(encoding='utf-8')}\n{after}", encoding="utf-8")
    done = snakemake(copy, "-n")
    loaded = re.search(r"LOADED (.*)", done.stdout).group(1).split()
    assert {"grid", "model", "progress"} <= set(loaded)
    assert not {"torch", "xarray", "pandas", "sklearn", "matplotlib"} & set(loaded)
