"""The scripts of images from files to one result, on tiny sets, against plain loops in torch."""

import functools
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifier
from torch import nn

from featurelearning.files import image_sets, records
from featurelearning.files.sets import SETS
from featurelearning.networks import two_layer_relu
from featurelearning.preconditioning import images
from featurelearning.seeding import generator
from idx import write_idx
from references import assert_close, descend, network, weights
from synthetic import Job, Names

SCRIPTS = Path(__file__).parents[2] / "scripts" / "preconditioning"
SINGLE = 1e-5  # the workflow trains in float32, the loops below in float64
MASTER, SEEDS, TUNING, RATES, P = 42, [0, 1], [1000], [0.05, 0.5, 400.0], [-1.0, 1.0]
DRAWN = {"samples_train": 40, "samples_validation": 20, "pattern_scale": None}
SETTINGS = {"hidden": 5, "steps": 6, "weight_decay": 1e-3, "records": 4}
TARGET = {"samples_target": 50, "ridge": 1e-2}
PAIRS = [["mnist", "fashion_mnist"], ["fashion_mnist", "mnist"]]
ARMS = [{"id": f"sigma_empirical_p{p:+.2f}", "method": "sigma_power", "estimator": "empirical", "p": p} for p in P]
ARMS = [arm | {"hyperparameters": {}, "learning_rate": None} for arm in ARMS]
CANDIDATES = [{"learning_rate": rate} for rate in RATES]
WITH = {"master_seed": MASTER, "code": "code"}
MACHINE = {"device": "cpu", "threads": 1}


class Inputs(Names):
    """Input files by name, a file or several, and all of them in turn."""

    def __iter__(self):
        return iter([path for value in vars(self).values() for path in (value if isinstance(value, list) else [value])])


def run(name: str, folder: Path, inputs: dict, outputs: dict | list, **params) -> None:
    """Run a script as Snakemake does, with the names that it injects."""
    job = Job(
        input=Inputs(**inputs),
        output=outputs if isinstance(outputs, list) else Names(**outputs),
        params=Names(**WITH | params),
        log=[folder / "log"],
        scriptdir=str(SCRIPTS),
        resources=Names(compile_cache=str(folder / "compile"), state=str(folder / "state"), checkpoint_seconds=600),
    )
    runpy.run_path(str(SCRIPTS / f"{name}.py"), {"snakemake": job})


def write_set(folder: Path, seed: int) -> list[str]:
    """Write a set in MNIST's format whose classes are bright rows; return its files."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for prefix, n in (("train", 90), ("t10k", 40)):
        labels = rng.integers(10, size=n).astype(np.uint8)
        pixels = rng.integers(120, size=(n, 28, 28)).astype(np.uint8)
        pixels[np.arange(n), labels + 3] += 60
        write_idx(folder / f"{prefix}-images-idx3-ubyte", pixels)
        write_idx(folder / f"{prefix}-labels-idx1-ubyte", labels)
    return sorted(map(str, folder.iterdir()))


def made(**parameters) -> dict:
    return {"code_fingerprint": "code", "parameters": {"master_seed": MASTER, **parameters}}


@pytest.fixture(scope="module", autouse=True)
def small():
    """Sets of images that are as small as those written here."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("mnist", "fashion_mnist"):
            patch.setitem(SETS, name, SETS[name]._replace(train=90))
        yield


@pytest.fixture(scope="module")
def study(small, tmp_path_factory):
    """A folder with every file of the study: two pairs, two exponents, two seeds."""
    folder = tmp_path_factory.mktemp("study")
    files = {name: write_set(folder / name, i) for i, name in enumerate(("mnist", "fashion_mnist"))}
    for source, target in PAIRS:
        for shard, seeds in (("tuning", TUNING), ("shard", SEEDS)):
            about = {"study": "real", "source": source, "settings": DRAWN, "seeds": seeds}
            data, path = (folder / f"{source}_{name}_{shard}.nc" for name in ("data", "covariance"))
            run("image_data", folder, {}, {"data": data}, **about)
            more = {"source": source, "ridge": 1e-3, "expected": {"data": made(**about)}}
            inputs = {"source": files[source], "data": data}
            run("image_covariance", folder, inputs, {"covariance": path}, **more)
        for arm in ARMS:
            cell = f"{source}_{arm['id']}"
            about = {"source": source, "arm": arm, "settings": SETTINGS, "machine": MACHINE}
            for name, shard, seeds in (("tune", "tuning", TUNING), ("train", "shard", SEEDS)):
                inputs = {"source": files[source]}
                inputs |= {key: folder / f"{source}_{key}_{shard}.nc" for key in ("data", "covariance")}
                expected = {"data": made(source=source, seeds=seeds), "covariance": made(source=source)}
                more = {"tune": {"candidates": CANDIDATES}, "train": {"tuned": ["learning_rate"]}}
                if name == "train":
                    inputs["tune"] = folder / f"{cell}_tune.nc"
                    expected["tune"] = made(source=source, arm=arm)
                outputs = {"model": folder / f"{cell}_{name}.nc"}
                run(f"{name}_images", folder, inputs, outputs, **about, **more[name], seeds=seeds, expected=expected)
            inputs = {"source": files[source], "target": files[target], "model": folder / f"{cell}_train.nc"}
            expected = {"model": made(source=source, arm=arm, settings=SETTINGS)}
            more = {"source": source, "target": target, "threads": 1, "expected": expected}
            run("evaluate_real", folder, inputs, {"evaluation": folder / f"{cell}_evaluate.nc"}, **TARGET, **more)
    aggregate(folder)
    return folder


def aggregate(folder: Path, **changes) -> None:
    inputs = {name: sorted(folder.glob(f"*_{name}.nc")) for name in ("tune", "evaluate")}
    expected = {"tune": {}, "evaluate": made(settings=SETTINGS, **TARGET)}
    params = {"pairs": PAIRS, "arms": ARMS, "seeds": 2, "learning_rates": RATES, "expected": expected}
    run("aggregate_real", folder, inputs, [folder / "real.nc"], **params | changes)


def rows(name: str, seed: int, n: int) -> np.ndarray:
    return generator(MASTER, "split", seed).permutation(90)[:n]


@functools.cache
def ridged(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    x = np.frombuffer(content).reshape(-1, 784)
    covariance = x.T @ x / len(x)
    return np.linalg.eigh(covariance + 1e-3 * np.trace(covariance) / 784 * np.eye(784))


def reference(
    data: image_sets.ImageSet, name: str, seed: int, p: float, rate: float, steps: int = SETTINGS["steps"]
) -> nn.Sequential:
    """Train one model by a plain loop with the full matrix P ~ S^p, trace(P S) = trace(S), S = C + delta I."""
    chosen = rows(name, seed, DRAWN["samples_train"])
    x, y = torch.tensor(data.train_images[chosen], dtype=torch.float64), torch.tensor(data.train_labels[chosen])
    values, vectors = ridged(x.numpy().tobytes())
    powers = values**p
    precondition = torch.tensor(vectors * (powers * values.sum() / (powers @ values)) @ vectors.T)
    drawn = two_layer_relu.torch_default(generator(MASTER, "initialisation", seed), 784, SETTINGS["hidden"], 10)
    net = network({key: torch.tensor(value)[None] for key, value in drawn.items()}, 0)
    optimizer = torch.optim.SGD(net.parameters(), lr=rate)
    loss = lambda outputs: nn.functional.cross_entropy(outputs, y)  # noqa: E731
    descend(net, loss, optimizer, x, steps, precondition, SETTINGS["weight_decay"])
    return net


@pytest.mark.parametrize("source, target", PAIRS)
@pytest.mark.parametrize("p", P)
def test_models_and_accuracies_are_those_of_plain_loops(study, source, target, p):
    cell = f"{source}_sigma_empirical_p{p:+.2f}"
    found, model = records.read(study / "real.nc"), records.read(study / f"{cell}_train.nc")
    found = found.sel(pair=f"{source}_to_{target}", arm=f"sigma_empirical_p{p:+.2f}")
    sets = {name: image_sets.load(name, study / name) for name in (source, target)}
    asked, data = sets[source], sets[target]
    for seed in SEEDS:
        net = reference(asked, source, seed, p, found["learning_rate"].sel(seed=seed).item())
        for key, value in weights(net).items():
            assert_close(model[key].sel(seed=seed), value, SINGLE)
        start = two_layer_relu.torch_default(generator(MASTER, "initialisation", seed), 784, SETTINGS["hidden"], 10)[
            "weight1"
        ]
        change = np.linalg.norm(weights(net)["weight1"].numpy() - start) / np.linalg.norm(start)
        assert found["first_layer_change"].sel(seed=seed).item() == pytest.approx(change, rel=1e-4)
        with torch.no_grad():
            right = net(torch.tensor(asked.test_images, dtype=torch.float64)).argmax(dim=1).numpy() == asked.test_labels
        assert found["accuracy_source"].sel(seed=seed) == right.mean()
        chosen = rows(target, seed, TARGET["samples_target"])
        for name, weight, bias in (
            ("accuracy_target", model["weight1"].sel(seed=seed).values, model["bias1"].sel(seed=seed).values),
            ("accuracy_random", start, untrained_bias(seed)),
        ):
            z = np.maximum(data.train_images[chosen] @ weight.astype(float) + bias, 0)
            fresh = np.maximum(data.test_images @ weight.astype(float) + bias, 0)
            head = RidgeClassifier(alpha=TARGET["ridge"] * len(z), solver="svd").fit(z, data.train_labels[chosen])
            assert found[name].sel(seed=seed) == head.score(fresh, data.test_labels), name


def untrained_bias(seed: int) -> np.ndarray:
    return two_layer_relu.torch_default(generator(MASTER, "initialisation", seed), 784, SETTINGS["hidden"], 10)["bias1"]


@pytest.mark.parametrize("source, target", PAIRS)
@pytest.mark.parametrize("p", P)
def test_the_rate_has_the_best_validation_accuracy_of_plain_loops_that_go_on(study, source, target, p):
    """Of the rates whose accuracy after a fifth of the steps is in the better half; the other one is not known."""
    data = image_sets.load(source, study / source)
    chosen = generator(MASTER, "split", TUNING[0]).permutation(90)[40:60]

    def accuracy(rate: float, steps: int) -> float:
        net = reference(data, source, TUNING[0], p, rate, steps)
        with torch.no_grad():
            outputs = net(torch.tensor(data.train_images[chosen], dtype=torch.float64))
        return np.mean(outputs.argmax(dim=1).numpy() == data.train_labels[chosen])

    found = records.read(study / "real.nc").sel(pair=f"{source}_to_{target}", arm=f"sigma_empirical_p{p:+.2f}")
    early = [accuracy(rate, 1) for rate in RATES]
    np.testing.assert_allclose(found["tuning_early_accuracy"], early, rtol=1e-6)
    *kept, dropped = sorted(range(3), key=lambda i: -early[i])
    assert np.isnan(found["tuning_accuracy"][dropped])
    for i in kept:
        if RATES[i] < 1:  # the third rate is beyond stability, where rounding decides
            assert found["tuning_accuracy"][i].item() == pytest.approx(accuracy(RATES[i], SETTINGS["steps"]), rel=1e-6)
    tuned = found["tuning_accuracy"].fillna(0).values
    assert (found["learning_rate"] == RATES[tuned.argmax()]).all()
    assert (found["at_grid_edge"] == (tuned.argmax() in (0, 2))).all()


def test_the_specialised_exponent_is_the_best_of_tuning(study):
    found = records.read(study / "real.nc")
    for pair in found["pair"].values:
        cells = found.sel(pair=pair)
        best = {arm: cells["tuning_accuracy"].sel(arm=arm).max().item() for arm in cells["arm"].values}
        arm = max(best, key=best.get)
        assert cells["specialised_p"] == cells["p"].sel(arm=arm)
        np.testing.assert_array_equal(cells["accuracy_specialised"], cells["accuracy_target"].sel(arm=arm))


def test_the_result_is_labelled(study):
    found = records.read(study / "real.nc")
    assert found["pair"].values.tolist() == ["mnist_to_fashion_mnist", "fashion_mnist_to_mnist"]
    assert found["source_set"].values.tolist() == ["mnist", "fashion_mnist"]
    assert found["target_set"].values.tolist() == ["fashion_mnist", "mnist"]
    assert found["accuracy_target"].dims == ("pair", "arm", "seed") and found["p"].values.tolist() == P
    assert found["accuracy_random"].dims == ("pair", "seed") and found["rate"].values.tolist() == RATES
    parameters = records.parameters(found)
    assert parameters["pairs"] == PAIRS and parameters["settings"] == SETTINGS and parameters["ridge"] == 1e-2


def test_aggregation_names_a_missing_cell(study, tmp_path):
    for path in study.glob("*.nc"):
        (tmp_path / path.name).hardlink_to(path)
    (tmp_path / "real.nc").unlink()
    (tmp_path / "mnist_sigma_empirical_p-1.00_evaluate.nc").unlink()
    with pytest.raises(SystemExit):
        aggregate(tmp_path)
    message = (tmp_path / "log").read_text().splitlines()[-1]
    assert "missing or not finite in cell" in message and "'arm': 'sigma_empirical_p-1.00'" in message
    assert "'pair': 'mnist_to_fashion_mnist'" in message and not (tmp_path / "real.nc").exists()


def test_a_diverged_model_is_nan_and_fails_nobody_else(study, tmp_path):
    model = records.read(study / "mnist_sigma_empirical_p-1.00_train.nc")
    for name in ("weight1", "bias1", "weight2", "bias2", "first_layer_change"):
        model[name].loc[{"seed": 1}] = np.nan
    model["diverged_at"].loc[{"seed": 1}] = 3
    records.write(model, tmp_path / "model.nc")
    files = {name: sorted(map(str, (study / name).iterdir())) for name in ("mnist", "fashion_mnist")}
    inputs = {"source": files["mnist"], "target": files["fashion_mnist"], "model": tmp_path / "model.nc"}
    params = {"source": "mnist", "target": "fashion_mnist", "threads": 1, "expected": {"model": {}}, **TARGET}
    run("evaluate_real", tmp_path, inputs, {"evaluation": tmp_path / "evaluation.nc"}, **params)
    found, whole = (
        records.read(path) for path in (tmp_path / "evaluation.nc", study / "mnist_sigma_empirical_p-1.00_evaluate.nc")
    )
    assert found["diverged_at"].values.tolist() == [-1, 3]
    for name in ("accuracy_source", "accuracy_target"):
        assert found[name].sel(seed=0) == whole[name].sel(seed=0) and np.isnan(found[name].sel(seed=1))
    np.testing.assert_array_equal(found["accuracy_random"], whole["accuracy_random"])


def test_class_patterns_lie_over_the_images_of_a_study_that_has_them(tmp_path):
    files = write_set(tmp_path / "mnist", 0)
    about = {"study": "ood", "source": "mnist", "settings": DRAWN | {"pattern_scale": 0.1}, "seeds": SEEDS}
    run("image_data", tmp_path, {}, {"data": tmp_path / "data.nc"}, **about)
    found = records.read(tmp_path / "data.nc", made(**about))
    source = image_sets.load("mnist", Path(files[0]).parent)
    for seed in SEEDS:
        pattern = 0.1 * generator(MASTER, "patterns", seed).standard_normal((10, 784))
        for name, n in (("train", 40), ("validation", 20)):
            rows = found[f"{name}_index"].sel(seed=seed).values
            assert len(rows) == n
            shown, labels = images.drawn(source, found.sel(seed=seed), name)
            np.testing.assert_array_equal(labels, source.train_labels[rows])
            np.testing.assert_allclose(shown, np.clip(source.train_images[rows] + pattern[labels], 0, 1), atol=1e-6)
