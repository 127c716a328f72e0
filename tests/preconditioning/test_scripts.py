"""Scripts on shards in which a model diverged: it is carried along as NaN, counted, and fails nobody else."""

import runpy
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from featurelearning.files import records
from featurelearning.files.checkpoints import Checkpoint
from featurelearning.preconditioning import image_training
from featurelearning.preconditioning.names import NAMES
from featurelearning.training import job as training_job
from featurelearning.training import methods, shards
from featurelearning.training.loop import Run
from synthetic import Job, Names

SCRIPTS = Path(__file__).parents[2] / "scripts" / "preconditioning"
SEEDS, D, H, N = [0, 1], 3, 4, 6
ARM = {"id": "sigma_population_p+1.00", "method": "sigma_power", "estimator": "population", "p": 1.0}
ARM |= {"hyperparameters": {}, "learning_rate": None}

MADE_WITH = {"arm": ARM, "cell": {"case": "High", "snr": 1.0}, "master_seed": 1, "settings": {"steps": 5}}
CPU = torch.device("cpu")
OOD_MEASURES = ("accuracy_in_distribution", "accuracy_flipped_noise", "accuracy_flipped_digits")
OOD_MEASURES += ("diverged_at", "first_layer_change")
EXPECTED = {name: {} for name in ("data", "model", "frozen", "unfrozen", "evaluate")}
EXPECTED |= {"train": {}, "evaluate": {"parameters": {"master_seed": 1, "settings": {"steps": 5}}}}


def run(name: str, folder: Path, inputs: dict, outputs: dict | list, **params) -> None:
    """Run a script as Snakemake does, with the names that it injects."""
    job = Job(
        input=Names(**inputs),
        output=outputs if isinstance(outputs, list) else Names(**outputs),
        params=Names(code="code", **{"expected": EXPECTED} | params),
        log=[folder / "log"],
        scriptdir=str(SCRIPTS),
    )
    runpy.run_path(str(SCRIPTS / f"{name}.py"), {"snakemake": job})


def test_any_hyper_parameter_may_be_tuned_and_is_named_by_its_method(tmp_path, monkeypatch):
    """The file of a choice, and what gathers those of two methods."""
    asked, saved = [], set()

    def train(files, params, job, settings, chosen, seeds):
        asked.append((settings["steps"], len(chosen)))
        saved.add(job.checkpoint.path.name)
        known = {5: [0.1, 0.8, 0.6], 25: [0.2, 0.7, 0.9]}[settings["steps"]]  # the third is the better one in the end
        accuracy = np.array([known[params.candidates.index(values)] for values in chosen])[:, None]
        diverged = np.full(len(chosen), settings["steps"])
        return SimpleNamespace(curves={"validation_accuracy": accuracy}, diverged_at=diverged)

    monkeypatch.setattr(image_training, "train", train)
    arms = [{**ARM, "id": name, "method": name, "estimator": "none", "p": None} for name in ("momentum", "kfac")]
    for arm, name, values in zip(arms, ("momentum", "damping"), ((0.3, 0.5, 0.9), (0.05, 0.1, 0.2)), strict=True):
        candidates = [{"learning_rate": 0.1, name: value} for value in values]
        made_with = {"arm": arm, "master_seed": 1, "settings": {"steps": 25}}
        attributes = records.provenance("test", "reference", made_with, "code")
        checkpoint = Checkpoint(tmp_path / "state", 600, threading.Event())
        job = training_job.Job(CPU, attributes, checkpoint, tmp_path)
        params = SimpleNamespace(candidates=candidates, seeds=[1000], arm=arm, settings={"steps": 25, "records": 2})
        output = SimpleNamespace(model=tmp_path / f"{arm['id']}.nc")
        image_training.tune(SimpleNamespace(params=params, input=None, output=output), job)
        found = records.read(output.model)
        assert found[name].attrs["long_name"] == methods.long_names(arm["method"])[name][0]
        assert found[name][found["chosen"]] == values[2]
        np.testing.assert_array_equal(found["tuning_accuracy"], [np.nan, 0.7, 0.9])
        np.testing.assert_array_equal(found["tuning_early_accuracy"], [0.1, 0.8, 0.6])
        assert found["diverged_at"].values.ravel().tolist() == [5, 25, 25]
        variables = {name: (("seed",), np.zeros(2)) for name in OOD_MEASURES}
        shard = records.dataset(variables, {"seed": SEEDS}, job.attributes, NAMES)
        records.write(shard, tmp_path / f"{arm['id']}_evaluated.nc")
    assert asked == 2 * [(5, 3), (25, 2)] and saved == {"state.early", "state.final"}  # whatever their steps are
    tuned = {arm["id"]: ["learning_rate", name] for arm, name in zip(arms, ("momentum", "damping"), strict=True)}
    inputs = {"tune": [tmp_path / f"{arm['id']}.nc" for arm in arms]}
    inputs["evaluate"] = [tmp_path / f"{arm['id']}_evaluated.nc" for arm in arms]
    expected = {"tune": {}, "evaluate": {"parameters": {"master_seed": 1, "settings": {"steps": 25}}}}
    run("aggregate_ood", tmp_path, inputs, [tmp_path / "ood.nc"], arms=arms, tuned=tuned, seeds=2, expected=expected)
    found = records.read(tmp_path / "ood.nc")
    assert found["momentum"].values.tolist()[0] == [0.9, 0.9] and np.isnan(found["momentum"].values[1]).all()
    assert found["tuning_momentum"].attrs["long_name"].startswith("share of the last step that is kept, of a candidate")
    np.testing.assert_array_equal(found["tuning_accuracy"], 2 * [[np.nan, 0.7, 0.9]])
    np.testing.assert_array_equal(found["tuning_early_accuracy"], 2 * [[0.1, 0.8, 0.6]])


@pytest.fixture
def shard(tmp_path):
    """Files of a shard of two seeds, the second of which diverged in update 3."""
    rng = np.random.default_rng(0)
    dims = {"x_train": ("train", "direction"), "y_train": ("train",), "x_test": ("test", "direction")}
    dims |= {"y_test": ("test",), "clean_test": ("test",), "noise_floor": ()}
    sizes = {"train": N, "test": N, "direction": D}
    variables = {
        name: (("seed", *dim), rng.random([len(SEEDS), *(sizes[key] for key in dim)])) for name, dim in dims.items()
    }
    attributes = records.provenance("test", "reference", MADE_WITH, "code")
    coords = {"seed": SEEDS, "direction": range(D)}
    records.write(records.dataset(variables, coords, attributes, NAMES), tmp_path / "data.nc")
    shapes = {"weight1": (D, H), "bias1": (1, H), "weight2": (H, 1), "bias2": (1, 1)}
    params = {name: np.stack([rng.standard_normal(shape), np.full(shape, np.nan)]) for name, shape in shapes.items()}
    curves = {name: np.array([[1.0, 0.5], [1.0, np.nan]], "f4") for name in ("train_mse", "test_mse", "clean_mse")}
    trained = Run(
        {name: Tensor(value) for name, value in params.items()},
        curves,
        np.array([-1, 3], "i4"),
        "eager",
        np.array([0.5, np.nan]),
    )
    model = shards.trained(trained, coords, np.array([0, 5]), attributes, "direction", NAMES)
    records.write(model, tmp_path / "model.nc")
    return tmp_path


class Tensor:
    """What is asked of a tensor when it is recorded."""

    def __init__(self, value):
        self.value = value

    def cpu(self):
        return self

    def numpy(self):
        return self.value


def test_features_of_a_diverged_model_are_nan(shard):
    run(
        "evaluate_noise",
        shard,
        {"data": shard / "data.nc", "model": shard / "model.nc"},
        {"evaluation": shard / "evaluation.nc"},
    )
    found = records.read(shard / "evaluation.nc")
    for name in ("feature_energy", "sensitivity"):
        assert found[name].sel(seed=0).notnull().all() and found[name].sel(seed=1).isnull().all()
    assert found["diverged_at"].values.tolist() == [-1, 3]


def test_transfer_of_a_diverged_model_is_nan(shard):
    files = {"data": shard / "data.nc", "frozen": shard / "model.nc", "unfrozen": shard / "model.nc"}
    run("evaluate_transfer", shard, files, {"evaluation": shard / "evaluation.nc"}, ridge=0.1)
    found = records.read(shard / "evaluation.nc")
    for name in ("train_mse", "test_mse", "clean_mse", "unfrozen_test_mse"):
        assert found[name].sel(seed=0).notnull() and found[name].sel(seed=1).isnull()


def test_a_transferred_head_is_measured_on_each_kind_of_label(shard):
    """The head by least squares on rows that add the penalty: sqrt(ridge n) on each weight, none on the bias."""
    test_transfer_of_a_diverged_model_is_nan(shard)
    data, model = (records.read(shard / f"{name}.nc").sel(seed=0) for name in ("data", "model"))
    z = {
        split: np.maximum(data[f"x_{split}"].values @ model["weight1"].values + model["bias1"].values, 0)
        for split in ("train", "test")
    }
    penalty = np.eye(H + 1)[:H] * np.sqrt(0.1 * N)
    rows = np.vstack([np.c_[z["train"], np.ones(N)], penalty])
    head = np.linalg.lstsq(rows, np.r_[data["y_train"].values, np.zeros(H)], rcond=None)[0]
    found = records.read(shard / "evaluation.nc").sel(seed=0)
    for name, split, labels in (
        ("train_mse", "train", "y_train"),
        ("test_mse", "test", "y_test"),
        ("clean_mse", "test", "clean_test"),
    ):
        error = data[labels].values - z[split] @ head[:H] - head[H]
        np.testing.assert_allclose(found[name], np.mean(error**2), rtol=1e-6)


def aggregate(shard, **changes) -> Path:
    """Aggregate the shard as a whole noise study of one cell family."""
    test_features_of_a_diverged_model_are_nan(shard)
    params = {
        "study": "noise",
        "arms": [ARM],
        "seeds": 2,
        "snrs": [1.0],
        "cases": {"High": [3.0, 2.0, 1.0]},
        "planned": {ARM["id"]: [1.0]},
    }
    run(
        "aggregate_noise",
        shard,
        {"train": [shard / "model.nc"], "evaluate": [shard / "evaluation.nc"]},
        [shard / "noise.nc"],
        **params | changes,
    )
    return shard / "noise.nc"


def test_aggregation_keeps_a_diverged_model_as_nan_and_says_when(shard):
    found = records.read(aggregate(shard))
    assert found["diverged_at"].squeeze().values.tolist() == [-1, 3]
    assert found["clean_mse"].sel(seed=1).isel(step=-1).isnull().all()


@pytest.mark.parametrize(
    ("changes", "cell"),
    [({"seeds": 3}, "'seed': 2"), ({"snrs": [1.0, 2.0], "planned": {ARM["id"]: [1.0, 2.0]}}, "'snr': 2.0")],
)
def test_aggregation_names_a_missing_cell(shard, changes, cell):
    with pytest.raises(SystemExit):
        aggregate(shard, **changes)
    message = (shard / "log").read_text().splitlines()[-1]
    assert "missing or not finite in cell" in message and cell in message and "run the same command again" in message
    assert not (shard / "noise.nc").exists()
