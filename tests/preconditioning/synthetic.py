"""Synthetic results in the exact layout of the workflow's files, for tests of everything that reads them.

The numbers are smooth formulas with a log-normal spread over seeds, of the size that real runs show; no training.
"""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import xarray as xr

from featurelearning.files import records
from featurelearning.preconditioning.names import NAMES
from featurelearning.preconditioning.studies import STUDIES

EXPONENTS = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0)
SNRS = (0.5, 1.0, 2.0, 5.0)
EIGENVALUES = {"High": [10.0] + [0.1] * 9, "Low": [10.0] * 9 + [0.1]}
NAMES = NAMES | {name: found for study in STUDIES for name, found in study.names().items()}
ATTRIBUTES = records.provenance("synthetic", "none", {}, "none")
CHECKS = {  # name: kind, bound
    "rotation": ("identity", 1e-10),
    "invertible": ("identity", 1e-10),
    "gram_only": ("identity", 1e-10),
    "spectrum": ("identity", 1e-10),
    "gradient_descent": ("identity", 1e-10),
    "identity_covariance": ("identity", 1e-10),
    "mode_decay": ("identity", 1e-10),
    "unrotated_preconditioner": ("control", 1e-3),
    "rotation_adam": ("control", 1e-3),
    "rotation_adahessian": ("control", 1e-3),
    "mode_flow": ("report", np.nan),
    "weight_decay_invertible": ("report", np.nan),
    "weight_decay_gram_only": ("report", np.nan),
}
DEPARTURES = {  # method: size of the last departure under a rotation and under an invertible change
    "fixed_p-1.00": (2e-15, 2e-14),
    "fixed_p+1.00": (2e-15, 3e-15),
    "reestimated_p-1.00": (2e-15, 1e-14),
    "reestimated_p+1.00": (2e-15, 4.0),
    "adam": (2.0, 4.0),
    "adahessian": (2.0, 3.0),
    "kfac_input": (5e-15, 1.0),
    "kfac": (1e-9, 1.0),
}
EFFECTIVE = {  # method: its exponent in the eigenbasis and in rotated coordinates
    "sigma_power_p-1.00": (-1.0, -1.0),
    "sigma_power_p-0.50": (-0.5, -0.5),
    "sigma_power_p+1.00": (1.0, 1.0),
    "sgd": (0.0, 0.0),
    "momentum": (0.0, 0.0),
    "adam": (-0.9, -0.5),
    "sam": (0.01, 0.01),
    "adahessian": (-0.8, -0.3),
    "diagonal_hessian": (-0.7, -0.25),
    "kfac_input": (-0.85, -0.85),
    "kfac": (-1.2, -1.2),
    "shampoo": (-0.6, -0.6),
    "sophia": (-1.0, -0.7),
}


def arms(estimators=(), exponents=EXPONENTS, methods=(), powered=()) -> dict:
    """Return the coordinates of the dimension arm: Sigma-power arms of each estimator, then the named methods.

    powered: methods with a power p of their own.
    """
    rows = [(f"sigma_{e}_p{p:+.2f}", "sigma_power", e, float(p), {"p": p}) for e in estimators for p in exponents]
    rows += [(method, method, "none", np.nan, {}) for method in methods]
    rows += [(f"{m}_p{p:+.2f}", m, "none", float(p), {"p": float(p)}) for m in powered for p in exponents]
    name, method, estimator, p, parameters = zip(*rows, strict=True)
    return {
        "arm": list(name),
        "method": ("arm", list(method)),
        "estimator": ("arm", list(estimator)),
        "p": ("arm", np.array(p)),
        "hyperparameters": ("arm", [json.dumps(value) for value in parameters]),
    }


def spread(shape, scale=0.1, key=0) -> np.ndarray:
    """Return reproducible log-normal factors around one."""
    return np.exp(scale * np.random.default_rng([7, key]).standard_normal(shape))


def noise(
    exponents=EXPONENTS, seeds=10, snrs=SNRS, estimators=("population", "empirical", "oas"), steps=10_000, recorded=100
) -> xr.Dataset:
    """Return noise.nc: population arms and AdaHessian at every SNR, all others at SNR 1 only."""
    coords = arms(estimators, exponents, ("adam", "kfac"), ("adahessian",))
    everywhere = np.isin(coords["estimator"][1], "population") | np.isin(coords["method"][1], "adahessian")
    p, population = np.nan_to_num(coords["p"][1], nan=-0.7), everywhere
    planned = np.broadcast_to(population[:, None, None] | (np.array(snrs) == 1), (len(p), 2, len(snrs)))
    shape = (*planned.shape, seeds)
    floor = np.broadcast_to((1 / (1 + np.array(snrs) ** 2))[:, None] * spread((seeds,), 0.1, 1), shape)
    step = np.unique(np.r_[0, np.geomspace(1, steps, recorded - 1).round().astype(int)])
    cell = ("arm", "case", "snr", "seed")
    variables = {name: ((*cell, "step"), value) for name, value in _curves(p, floor, step).items()}
    variables |= {name: ((*cell, "direction"), value) for name, value in _features(p, shape).items()}
    variables["noise_floor"] = (cell, floor)
    for name, (dims, value) in variables.items():
        mask = planned.reshape(planned.shape + (1,) * (value.ndim - planned.ndim))
        variables[name] = (dims, np.where(mask, value, np.nan).astype(value.dtype))
    variables["planned"] = (cell[:3], planned.astype(np.int8))
    variables["diverged_at"] = (cell, np.full(shape, -1, np.int32))
    coords |= {"case": list(EIGENVALUES), "snr": list(snrs), "seed": np.arange(seeds), "step": step}
    coords |= {"direction": np.arange(10), "eigenvalue": (("case", "direction"), np.array(list(EIGENVALUES.values())))}
    return records.dataset(variables, coords, ATTRIBUTES, NAMES)


def teachers(exponents=EXPONENTS, seeds=10) -> xr.Dataset:
    """Return teachers.nc: two-index cases between High and Low, and two others that are those two again."""
    data = noise(exponents, seeds, snrs=(1.0,), estimators=("population",))
    data = data.isel(arm=np.flatnonzero(data["method"] == "sigma_power"))
    names = {"TwoIndex0": "High", "TwoIndex100": "Low", "ModesHigh": "High", "PowerLawLow": "Low"}
    return data.sel(case=list(names.values())).assign_coords(case=list(names))


class Names(SimpleNamespace):
    """Attributes, items and items(), like the lists that Snakemake gives to a script."""

    def items(self):
        return vars(self).items()

    def __getitem__(self, name):
        return vars(self)[name]


class Job(SimpleNamespace):
    """What Snakemake gives to a script: input, output, params and log."""


def shard(folder: Path, arm: dict, seeds: range) -> dict[str, Path]:
    """Write the files of a shard of the noise study, case High at SNR 1; curves as long as the default's."""
    step = np.unique(np.r_[0, np.geomspace(1, 10_000, 149).round().astype(int)])
    made_with = {"arm": arm, "cell": {"case": "High", "snr": 1.0}, "master_seed": 1, "settings": {}}
    attributes = records.provenance("synthetic", "none", made_with, "none")
    rng, n = np.random.default_rng(seeds[0]), len(seeds)
    curves = {
        name: (("seed", "step"), rng.random((n, len(step)), "f4")) for name in ("train_mse", "test_mse", "clean_mse")
    }
    curves["weight1"] = (("seed", "direction", "hidden"), rng.random((n, 10, 500), "f4"))
    measures = {name: (("seed", "direction"), rng.random((n, 10))) for name in ("feature_energy", "sensitivity")}
    measures |= {name: (("seed",), rng.random(n)) for name in ("noise_floor", "first_layer_change")}
    measures["diverged_at"] = (("seed",), np.full(n, -1, "i4"))
    paths = {stage: folder / f"{stage}{seeds[0]:06d}.nc" for stage in ("train", "evaluate")}
    coords = {"seed": list(seeds), "direction": range(10)}
    records.write(records.dataset(curves, {**coords, "step": step}, attributes, NAMES), paths["train"])
    records.write(records.dataset(measures, coords, attributes, NAMES), paths["evaluate"])
    return paths


def _curves(p, floor, step) -> dict:
    # How well the emphasis of p meets the signal: +p for High, -1-p for Low.
    aligned = np.stack([p, -1 - p], axis=1)[:, :, None, None, None]
    floor = floor[..., None]
    time = np.maximum(step, 1e-9) * spread((*floor.shape[:-1], 1), 0.5, 2)
    unlearned = 1 / (1 + (time / 10 ** (2.3 - 0.4 * aligned)) ** 3)
    overfit = 1 / (1 + (10 ** (4.2 + 0.8 * aligned) / time) ** 1.5)
    clean = (1 - floor) * unlearned + (0.02 + 1.5 * overfit) * floor
    train = floor * (1 - overfit) ** 2 + (1 - floor) * unlearned
    curves = {"train_mse": train, "test_mse": clean + floor, "clean_mse": clean}
    return {name: curve.astype(np.float32) for name, curve in curves.items()}


def _features(p, shape) -> dict:
    eigenvalue = np.array(list(EIGENVALUES.values()))[:, None, None, :]
    signal = np.full(eigenvalue.shape, 0.2)
    signal[0, ..., 0] = signal[1, ..., 9] = 5.2
    result = {}
    for key, (name, tilt, total) in enumerate((("feature_energy", 0.8, 1.0), ("sensitivity", 0.5, 5.0))):
        emphasis = eigenvalue ** (tilt * (p + 0.5))[:, None, None, None, None]
        values = emphasis * signal * spread((*shape, 10), 0.4, 10 + key)
        result[name] = total * values / values.sum(axis=-1, keepdims=True)
    return result


def transfer(exponents=EXPONENTS, seeds=10, estimators=("population", "empirical")) -> xr.Dataset:
    """Return transfer.nc: the head does best at p = -1, more clearly so from High."""
    coords = arms(estimators, exponents)
    dims, shape = ("arm", "source_case", "seed"), (len(coords["arm"]), 2, seeds)
    distance = np.abs(np.array(coords["p"][1]) + 1)[:, None, None] * np.array([1, 0.6])[:, None]
    floor = np.broadcast_to(0.5 * spread((seeds,), 0.1, 3), shape)
    test = (floor + 0.12 * (1 + distance) ** 1.5) * spread(shape, 0.08, 4)
    values = {
        "train_mse": test * 0.6,
        "test_mse": test,
        "clean_mse": test - floor,
        "unfrozen_test_mse": (floor + 0.15 + 0.1 * distance) * spread(shape, 0.08, 5),
        "noise_floor": floor,
        "diverged_at": np.full(shape, -1, np.int32),
        "unfrozen_diverged_at": np.full(shape, -1, np.int32),
    }
    coords |= {"source_case": list(EIGENVALUES), "seed": np.arange(seeds)}
    return records.dataset({name: (dims, value) for name, value in values.items()}, coords, ATTRIBUTES, NAMES)


def ood(exponents=EXPONENTS, seeds=10, methods=("sgd", "momentum", "adam")) -> xr.Dataset:
    """Return ood.nc: the larger p, the more the digit is read; SGD, momentum and p = 0 nearly coincide."""
    coords = arms(("empirical",), exponents, methods)
    share = 1 / (1 + np.exp(-2.2 * (np.array(exponents) + 0.9)))
    share = np.r_[share, np.interp([0.02, -0.03, -0.4], exponents, share)[: len(methods)]][:, None]
    dims, shape, rates = ("arm", "seed"), (len(coords["arm"]), seeds), np.geomspace(0.003, 3, 7)
    wobble = 0.02 * np.random.default_rng(6).standard_normal((3, *shape))
    values = {
        "accuracy_in_distribution": np.clip(0.9 + wobble[0], 0, 1),
        "accuracy_flipped_noise": np.clip(0.88 * share + wobble[1], 0, 1),
        "accuracy_flipped_digits": np.clip(0.97 - 0.84 * share + wobble[2], 0, 1),
        "learning_rate": np.full(shape, 0.1),
        "at_grid_edge": np.zeros(shape, np.int8),
        "diverged_at": np.full(shape, -1, np.int32),
    }
    tuning = 0.9 - 0.1 * np.abs(np.log10(rates / 0.1))
    variables = {name: (dims, value) for name, value in values.items()}
    for name, row in {"tuning_accuracy": tuning, "tuning_learning_rate": rates}.items():
        variables[name] = (("arm", "candidate"), np.tile(row, (len(coords["arm"]), 1)))
    coords |= {"seed": np.arange(seeds), "candidate": np.arange(len(rates))}
    return records.dataset(variables, coords, ATTRIBUTES, NAMES)


def real(exponents=EXPONENTS, seeds=10, pairs=(("fashion_mnist", "mnist"), ("mnist", "fashion_mnist"))) -> xr.Dataset:
    """Return real.nc: p = -1 transfers best, p = -0.5 or the next one above is best on the source."""
    coords = arms(("empirical",), exponents)
    p, rates = np.array(exponents), np.geomspace(0.01, 10, 7)
    dims, shape = ("pair", "arm", "seed"), (len(pairs), len(p), seeds)
    wobble = 0.01 * np.random.default_rng(12).standard_normal((3, *shape))
    level = np.linspace(0.9, 0.78, len(pairs))[:, None, None]
    target = level - 0.04 * np.abs(p + 1)[:, None] + wobble[0]
    best = int(np.argmin(np.abs(p + 0.4)))
    values = {
        "accuracy_source": 0.83 - 0.02 * (p + 0.5)[:, None] ** 2 + wobble[1],
        "accuracy_target": target,
        "first_layer_change": 0.5 + np.abs(wobble[2]),
        "learning_rate": np.full(shape, 0.3),
        "at_grid_edge": np.zeros(shape, np.int8),
        "diverged_at": np.full(shape, -1, np.int32),
    }
    variables = {name: (dims, np.broadcast_to(value, shape).copy()) for name, value in values.items()}
    variables["accuracy_random"] = (("pair", "seed"), level[..., 0] - 0.06 + wobble[2, :, 0])
    variables["accuracy_specialised"] = (("pair", "seed"), target[:, best])
    variables["specialised_p"] = (("pair",), np.full(len(pairs), p[best]))
    tuning = 0.83 - 0.02 * (p[:, None] + 0.4) ** 2 - 0.1 * np.abs(np.log10(rates / 0.3))
    variables["tuning_accuracy"] = (("pair", "arm", "rate"), np.tile(tuning, (len(pairs), 1, 1)))
    source, to = zip(*pairs, strict=True)
    coords |= {"pair": [f"{a}_to_{b}" for a, b in pairs], "seed": np.arange(seeds), "rate": rates}
    coords |= {"source_set": ("pair", list(source)), "target_set": ("pair", list(to))}
    return records.dataset(variables, coords, ATTRIBUTES, NAMES)


def descending(values) -> np.ndarray:
    """Return the values sorted along the last axis, largest first, as every spectrum is stored."""
    return -np.sort(-values, axis=-1)


def theory(exponents=EXPONENTS, seeds=10, dimension=5) -> xr.Dataset:
    """Return theory.nc: exact slopes for the empirical covariance, noisy ones for the population's."""
    s = np.geomspace(30, 3, dimension) * spread((seeds, dimension), 0.05, 8)
    s = descending(s)
    p = np.array(exponents)
    gram = s ** (2 * (p + 1))[:, None, None]
    size = {"identity": 1e-13, "control": 0.3, "report": 3e-5}
    deviation = np.array([[size[kind]] * seeds for kind, _ in CHECKS.values()]) * spread((len(CHECKS), seeds), 0.5, 9)
    dims = ("exponent", "seed", "direction")
    variables = {
        "deviation": (("check", "seed"), deviation),
        "gram_eigenvalue": (dims, descending(gram)),
        "gram_eigenvalue_population": (dims, descending(gram * spread(gram.shape, 0.9, 10))),
        "gram_slope": (("exponent", "seed"), np.tile(p[:, None] + 1, seeds)),
        "singular_value": (("seed", "direction"), s),
    }
    step = np.unique(np.r_[0, np.geomspace(1, 2000, 59).round().astype(int)])
    last = np.array([*DEPARTURES.values()])[..., None, None]
    growth = np.sqrt((step + 1) / 2001) * spread((*last.shape[:2], seeds, 1), 0.5, 11)
    variables["departure"] = (("preconditioner", "transformation", "seed", "step"), last * growth)
    noise = 0.012 * spread((len(p), seeds), 0.2, 12)
    error = np.array([np.ones_like(p), 1 + np.abs(p) * 50])[:, None, :, None] * noise
    variables["isotropy_error"] = (
        ("initialisation", "transformation", "exponent", "seed"),
        np.repeat(error, 2, axis=1) * spread((2, 2, len(p), seeds), 0.4, 13),
    )
    variables["isotropy_noise"] = (("exponent", "seed"), noise)
    effective_step = np.unique(np.geomspace(1, 1000, 44).round().astype(int))
    exponent = np.array([*EFFECTIVE.values()])[..., None, None]
    fixed = np.array([name.startswith(("sigma", "sgd")) for name in EFFECTIVE])[:, None, None, None]
    for key, (name, scale) in enumerate({"effective_exponent": 0.1, "step_exponent": 0.3}.items()):
        wobble = np.log(spread((*exponent.shape[:2], seeds, len(effective_step)), scale, 14 + key))
        drift = exponent * (1 - 0.3 / effective_step**0.3) + wobble
        variables[name] = (("optimizer", "frame", "seed", "effective_step"), np.where(fixed, exponent, drift))
    kind, bound = zip(*CHECKS.values(), strict=True)
    coords = {"check": list(CHECKS), "kind": ("check", list(kind)), "bound": ("check", list(bound))}
    coords |= {"preconditioner": list(DEPARTURES), "transformation": ["rotation", "invertible"], "step": step}
    coords |= {"initialisation": ["P-isotropic", "released"], "frame": ["eigenbasis", "rotated"]}
    coords |= {"optimizer": list(EFFECTIVE), "effective_step": effective_step}
    return records.dataset(
        variables,
        coords | {"exponent": p, "seed": np.arange(seeds), "direction": np.arange(dimension)},
        ATTRIBUTES,
        NAMES,
    )


def diverge(data: xr.Dataset, step: int, flag: str = "diverged_at", **labels) -> xr.Dataset:
    """Return a copy in which the models at the labels diverged at the step: flagged, and their measures NaN.

    Recorded curves keep what came before that step.
    """
    data = data.copy(deep=True)
    data[flag].loc[labels] = step
    prefix = flag.removesuffix("diverged_at")
    for name, variable in data.data_vars.items():
        measured = variable.dtype.kind == "f" and set(labels) <= set(variable.dims) and "noise_floor" != name
        if measured and name.startswith("unfrozen_") == bool(prefix):
            curve = {"step": data.step[data.step >= step]} if "step" in variable.dims else {}
            variable.loc[labels | curve] = np.nan
    return data
