"""The whole workflow on config/tiny.yaml: results as the data model says, a second run that does nothing, reruns."""

import csv
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from featurelearning.files import records
from repository import FIGURES, PARTS, STUDIES, TABLES, copy_of_repository, planned, snakemake, tiny
from workflow.core import rooms
from workflow.preconditioning import grid, image_grid

PAPER = Path("results/preconditioning")
MEASURED = [name for name, study in STUDIES.items() if study.quantities]  # the studies that have an aggregated file
CLAIMS = rooms.claims(tiny())
JUDGED = [study for study in STUDIES if CLAIMS[study]]
CHECKS = {"check_diagnosis", "check_stability"}


def added(**changes) -> dict[str, int]:
    """Return how many files of each study's trained models a changed configuration has more than tiny.yaml."""
    before, after = (set(grid.trained_files(cfg)) for cfg in (tiny(), tiny(**changes)))
    return dict(Counter(path.split("/")[2] for path in after - before))


def dry_run(folder: Path, *config: str) -> dict[str, int]:
    """Return how many jobs of each rule a dry-run plans."""
    done = snakemake(folder, "-n", config=config)
    assert done.returncode == 0, done.stderr[-3000:]
    return planned(done.stdout + done.stderr)


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def append(path: Path, line: str) -> None:
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")


def test_results_are_complete_and_as_the_data_model_says(finished):
    found = {name: records.read(finished / PAPER / f"{name}.nc") for name in MEASURED}
    noise, transfer, ood, theory, firmness, teachers = (
        found.pop(name) for name in ("noise", "transfer", "ood", "theory", "firmness", "teachers")
    )
    assert not found
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
    assert list(ood["arm"].values) == list(image_grid.arms(tiny(), "ood"))
    for result in (noise, firmness, teachers, transfer, ood, theory):
        assert result.sizes["seed"] == 3
        assert {"parameters", "seed_scheme", "software", "device", "code_fingerprint"} <= set(result.attrs)


def test_training_is_compiled_in_a_folder_with_a_blank(finished):
    assert " " in str(finished)
    steps = {
        path.parent.name: records.read(path).attrs["training_step"]
        for path in (finished / PAPER / "noise/train").glob("*/*.nc")
    }
    assert len(steps) > 4 and steps.pop("sam_rho0.05") == "torch.compile, C++ gradients"
    assert set(steps.values()) == {"descent"}


def test_theory_holds_and_its_control_fails(finished):
    theory = records.read(finished / PAPER / "theory.nc")
    worst = theory["deviation"].max("seed")
    assert (worst.where(theory["kind"] == "identity", drop=True) <= 1e-10).all()
    assert (theory["deviation"].min("seed").where(theory["kind"] == "control", drop=True) >= 1e-3).all()


def test_every_figure_and_verdict_is_there(finished):
    figures = {path.name for path in (finished / PAPER / "figures").iterdir()}
    assert figures == {f"{name}.{form}" for name in FIGURES for form in ("pdf", "png")}
    assert {path.name for path in (finished / "results").glob("*.csv")} == {"costs.csv"}
    verdicts = {path.parent.name: rows(path) for path in (finished / PAPER).glob("*/claims.csv")}
    assert {path.stem for path in (finished / PAPER).glob("*.csv")} == {*TABLES, "claims"}
    wanted = {study: [claim["id"] for claim in CLAIMS[study]] for study in JUDGED}
    assert {study: [row["claim"] for row in table] for study, table in verdicts.items()} == wanted
    found = [row for table in verdicts.values() for row in table]
    columns = ["claim", "reference", "statement", "contrast", "estimate", "ci_low", "ci_high", "n", "verdict"]
    assert all(list(row)[: len(columns)] == columns for row in found)
    assert {row["verdict"] for row in found} <= {"reproduced", "contradicted", "undecided", "not run"}
    identities = [row["verdict"] for row in found if row["claim"].startswith(("P1-M1", "P1-M2"))]
    assert identities and set(identities) == {"reproduced"}
    for study, table in verdicts.items():
        shown = [(finished / PAPER / study / f"claims.{form}").read_text(encoding="utf-8") for form in ("md", "html")]
        assert [row["claim"] for row in table for text in shown if row["claim"] not in text] == []


def test_the_verdicts_of_all_studies_are_gathered_and_what_was_not_run_is_said(finished):
    gathered = rows(finished / PAPER / "claims.csv")
    assert {row["claim"] for row in gathered} == {claim["id"] for claims in CLAIMS.values() for claim in claims}
    judged = {row["claim"]: row for study in JUDGED for row in rows(finished / PAPER / study / "claims.csv")}
    assert [row for row in gathered if judged.get(row["claim"], row) != row] == []
    others = {(row["verdict"], row["note"]) for row in gathered if row["claim"] not in judged}
    assert others == {("not run", "study real was not run")}


def test_every_data_set_is_diagnosed_and_every_variant_judged(finished):
    diagnosis, firmness = (rows(finished / PAPER / f"{name}.csv") for name in ("diagnosis", "firmness"))
    places = {
        (study, case, f"{snr:g}") for study in grid.diagnosed(tiny()) for _, case, snr in grid.cells(tiny(), study)
    }
    found = [(row["study"], row["case"], row["snr"]) for row in diagnosis]
    assert set(found) == places and len(found) == 2 * len(places)  # two readings
    assert {row["n"] for row in diagnosis if row["study"] == "noise"} == {"3"}
    assert {row["variant"] for row in firmness} == {"baseline", *tiny().firmness.variants}


class Unchanged(NamedTuple):
    """What a run of a finished copy says in which nothing has changed that counts."""

    jobs: dict[str, int]
    modules: set[str]  # that parsing has loaded


@pytest.fixture(scope="module")
def unchanged(finished, tmp_path_factory):
    """A run in a fresh checkout of a finished copy, with new time stamps, comments and docstrings."""
    folder = shutil.copytree(finished, tmp_path_factory.mktemp("unchanged") / "copy", symlinks=True)
    for part in PARTS:
        path = folder / part
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    copy_of_repository(folder)
    edit(folder / "scripts/featurelearning/training/loop.py", "import torch\n", "import torch  # a comment\n")
    edit(folder / "scripts/featurelearning/training/loop.py", '"""The one training', '"""The only training')
    edit(folder / "scripts/preconditioning/train_single_index.py", '"""Train', '"""Really train')
    snakefile = folder / "workflow/Snakefile"
    text = snakefile.read_text(encoding="utf-8")
    snakefile.write_text(f"import sys\n\nBEFORE = set(sys.modules)\n\n{text}", encoding="utf-8")
    append(snakefile, "print('LOADED', *set(sys.modules) - BEFORE)")
    done = snakemake(folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return Unchanged(planned(done.stdout + done.stderr), set(re.search("LOADED (.*)", done.stdout)[1].split()))


def test_a_second_run_does_nothing_nor_after_a_fresh_checkout_or_a_comment(unchanged):
    assert unchanged.jobs == {}


def test_parsing_the_workflow_imports_nothing_slow(unchanged):
    assert {"workflow.core.grid", "workflow.preconditioning.grid", "workflow.core.progress"} <= unchanged.modules
    assert not {"torch", "xarray", "pandas", "sklearn", "matplotlib"} & unchanged.modules


def test_a_change_of_the_style_reruns_plots_only(copy):
    append(copy / "scripts/featurelearning/drawing/style.py", "ADDED = 1")
    assert dry_run(copy) == {"plot_preconditioning": len(FIGURES), "costs": 1}


def test_a_change_of_the_trainer_reruns_training_and_what_follows(copy):
    append(copy / "scripts/featurelearning/training/loop.py", "ADDED = 1")
    jobs = dry_run(copy)
    assert not {"single_index_data", "image_data", "single_index_covariance", "image_covariance", "mnist"} & set(jobs)
    assert "diagnose" not in jobs
    assert {"train_single_index", "tune_images", "train_images", "evaluate_theory"} <= set(jobs)
    assert {f"aggregate_{study}" for study in MEASURED} | CHECKS <= set(jobs)
    assert jobs["plot_preconditioning"] == len(FIGURES) and jobs["judge"] == len(JUDGED)


def test_a_change_of_one_optimizer_reruns_its_arms(copy):
    append(copy / "scripts/featurelearning/optimizers/adam.py", "ADDED = 1")
    jobs = dry_run(copy)
    assert jobs["tune_images"] == 1 and jobs["train_images"] == 1 and "train_single_index" not in jobs


def test_an_added_seed_adds_shards(finished):
    trained = list((finished / PAPER / "noise/train").rglob("*.nc"))
    before = {path: path.stat().st_mtime_ns for path in trained}
    jobs, files = dry_run(finished, "seeds=5"), added(seeds=5)  # 0-2 stay, and 3-4 are new
    ood = files.pop("ood")
    assert jobs["train_single_index"] == sum(files.values()) and jobs["train_images"] == ood
    assert jobs["evaluate_noise"] == sum(files[study] for study in grid.SYNTHETIC) and "tune_images" not in jobs
    diagnosed = {path for study in grid.diagnosed(tiny()) for path in grid.diagnosis_files(tiny(), study)}
    assert jobs["diagnose"] == len(diagnosed)  # one shard here, and a new one
    assert jobs["plot_preconditioning"] == len(FIGURES) and jobs["judge"] == len(JUDGED)
    assert [jobs[name] for name in sorted(CHECKS)] == [1, 1] and jobs["costs"] == 1
    assert before and before == {path: path.stat().st_mtime_ns for path in trained}


def test_an_added_exponent_trains_its_arms_only(finished):
    jobs, files = dry_run(finished, "exponents=[-1, 0, 1]"), added(exponents=[-1, 0, 1])
    assert files["noise"] == 2 * 2 + 2 and files["ood"] == 1  # two cases; population has two SNRs
    assert jobs["train_images"] == files.pop("ood") and jobs["train_single_index"] == sum(files.values())
    assert jobs["tune_images"] == 1
    assert "single_index_data" not in jobs and "single_index_covariance" not in jobs


def test_a_wrong_key_ends_before_any_job(finished):
    done = snakemake(finished, "-n", config=("exponent=[1]",))
    assert done.returncode != 0
    assert "did you mean 'exponents'?" in done.stdout + done.stderr
