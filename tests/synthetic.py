"""Synthetic final data sets in the exact layout of results/*.nc, for tests of everything that reads them.

The numbers are smooth formulas with a log-normal spread over seeds, of the size that real runs show; no training.
"""

import json

import numpy as np
import xarray as xr

from featurelearning import records

EXPONENTS = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0)
SNRS = (0.5, 1.0, 2.0, 5.0)
EIGENVALUES = {"High": [10.0] + [0.1] * 9, "Low": [10.0] * 9 + [0.1]}
ATTRIBUTES = records.provenance("synthetic", {}, "none")
CHECKS = {  # name: kind, bound
    "rotation": ("identity", 1e-10),
    "invertible": ("identity", 1e-10),
    "gram_only": ("identity", 1e-10),
    "spectrum": ("identity", 1e-10),
    "gradient_descent": ("identity", 1e-10),
    "identity_covariance": ("identity", 1e-10),
    "unrotated_preconditioner": ("control", 1e-3),
    "weight_decay_invertible": ("report", np.nan),
    "weight_decay_gram_only": ("report", np.nan),
}


def arms(estimators=(), exponents=EXPONENTS, methods=()) -> dict:
    """Return the coordinates of the dimension arm: Sigma-power arms of each estimator, then the named methods."""
    rows = [(f"sigma_{e}_p{p:+.2f}", "sigma_power", e, float(p), {"p": p}) for e in estimators for p in exponents]
    rows += [(method, method, "none", np.nan, {}) for method in methods]
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
    """Return results/noise.nc: population arms at every SNR, the other estimators at SNR 1 only."""
    coords = arms(estimators, exponents)
    population = np.array(coords["estimator"][1]) == "population"
    planned = population[:, None, None] | (np.array(snrs) == 1.0)
    planned = np.broadcast_to(planned, (len(population), 2, len(snrs)))
    dims, shape = ("arm", "case", "snr", "seed"), (*planned.shape, seeds)
    step = np.unique(np.r_[0, np.geomspace(1, steps, recorded - 1).round().astype(int)])
    # alignment of the emphasis of p with the signal: +p for High, -1-p for Low
    aligned = np.array(coords["p"][1])[:, None, None, None, None] * np.array([1, -1])[:, None, None, None]
    aligned = aligned - np.array([0, 1])[:, None, None, None]
    floor = (1 / (1 + np.array(snrs) ** 2))[:, None] * spread((seeds,), 0.1, 1)
    time = step * spread((*shape, 1), 0.5, 2)
    unlearned = 1 / (1 + (time / 10 ** (2.3 - 0.4 * aligned)) ** 3)
    overfit = 1 / (1 + (10 ** (4.2 + 0.8 * aligned) / np.maximum(time, 1e-9)) ** 1.5)
    train = floor[..., None] * (1 - overfit) ** 2 + (1 - floor[..., None]) * unlearned
    clean = (1 - floor[..., None]) * unlearned + (0.02 + 1.5 * overfit) * floor[..., None] + 0 * train
    variables = {
        "planned": (("arm", "case", "snr"), planned.astype(np.int8)),
        "noise_floor": (dims, np.where(planned[..., None], floor, np.nan)),
        "diverged_at": (dims, np.full(shape, -1, np.int32)),
    }
    for name, values in {"train_mse": train, "test_mse": clean + floor[..., None], "clean_mse": clean}.items():
        values = np.where(planned[..., None, None], values, np.nan)
        variables[name] = ((*dims, "step"), values.astype(np.float32))
    for key, (name, tilt) in enumerate({"feature_energy": 0.8, "sensitivity": 0.5}.items()):
        values = _features(np.array(coords["p"][1]), tilt, (*shape, 10), 10 + key)
        values = values / values.sum(-1, keepdims=True) * (1.0 if name == "feature_energy" else 5.0)
        variables[name] = ((*dims, "direction"), np.where(planned[..., None, None], values, np.nan))
    eigenvalue = (("case", "direction"), np.array(list(EIGENVALUES.values())))
    coords |= {"case": list(EIGENVALUES), "snr": list(snrs), "seed": np.arange(seeds), "step": step}
    return records.dataset(variables, coords | {"direction": np.arange(10), "eigenvalue": eigenvalue}, ATTRIBUTES)


def _features(p, tilt, shape, key) -> np.ndarray:
    eigenvalue = np.array(list(EIGENVALUES.values()))[:, None, None, :]
    signal = np.zeros((2, 10))
    signal[0, 0] = signal[1, 9] = 1
    signal = signal[:, None, None, :] * 5 + 0.2
    return eigenvalue ** (tilt * (p + 0.5))[:, None, None, None, None] * signal * spread(shape, 0.4, key)


def transfer(exponents=EXPONENTS, seeds=10, estimators=("population", "empirical")) -> xr.Dataset:
    """Return results/transfer.nc: the head does best at p = -1, more clearly so from High."""
    coords = arms(estimators, exponents)
    dims, shape = ("arm", "source_case", "seed"), (len(coords["arm"]), 2, seeds)
    distance = np.abs(np.array(coords["p"][1]) + 1)[:, None, None] * np.array([1, 0.6])[:, None]
    floor = np.broadcast_to(0.5 * spread((seeds,), 0.1, 3), shape)
    test = (floor + 0.12 * (1 + distance) ** 1.5) * spread(shape, 0.08, 4)
    values = {
        "train_mse": test * 0.6,
        "test_mse": test,
        "unfrozen_test_mse": (floor + 0.15 + 0.1 * distance) * spread(shape, 0.08, 5),
        "noise_floor": floor,
        "diverged_at": np.full(shape, -1, np.int32),
        "unfrozen_diverged_at": np.full(shape, -1, np.int32),
    }
    coords |= {"source_case": list(EIGENVALUES), "seed": np.arange(seeds)}
    return records.dataset({name: (dims, value) for name, value in values.items()}, coords, ATTRIBUTES)


def ood(exponents=EXPONENTS, seeds=10, methods=("sgd", "momentum", "adam")) -> xr.Dataset:
    """Return results/ood.nc: the larger p, the more the digit is read; SGD, momentum and p = 0 nearly coincide."""
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
    tuning = 0.9 - 0.1 * np.abs(np.log10(rates / 0.1)) + np.zeros((len(coords["arm"]), 1))
    variables = {name: (dims, value) for name, value in values.items()} | {"tuning_accuracy": (("arm", "rate"), tuning)}
    return records.dataset(variables, coords | {"seed": np.arange(seeds), "rate": rates}, ATTRIBUTES)


def theory(exponents=EXPONENTS, seeds=10, dimension=5) -> xr.Dataset:
    """Return results/theory.nc: exact slopes for the empirical covariance, noisy ones for the population's."""
    s = np.geomspace(30, 3, dimension) * spread((seeds, dimension), 0.05, 8)
    s = np.sort(s, axis=1)[:, ::-1]
    p = np.array(exponents)
    gram = s ** (2 * (p + 1))[:, None, None]
    size = {"identity": 1e-13, "control": 0.3, "report": 3e-5}
    deviation = np.array([[size[kind]] * seeds for kind, _ in CHECKS.values()]) * spread((len(CHECKS), seeds), 0.5, 9)
    dims = ("exponent", "seed", "direction")
    variables = {
        "deviation": (("check", "seed"), deviation),
        "gram_eigenvalue": (dims, gram),
        "gram_eigenvalue_population": (dims, gram * spread(gram.shape, 0.9, 10)),
        "gram_slope": (("exponent", "seed"), np.tile(p[:, None] + 1, seeds)),
        "singular_value": (("seed", "direction"), s),
    }
    kind, bound = zip(*CHECKS.values(), strict=True)
    coords = {"check": list(CHECKS), "kind": ("check", list(kind)), "bound": ("check", list(bound))}
    return records.dataset(
        variables, coords | {"exponent": p, "seed": np.arange(seeds), "direction": np.arange(dimension)}, ATTRIBUTES
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
