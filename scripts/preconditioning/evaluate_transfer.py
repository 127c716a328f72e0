"""Refit a linear head on the frozen first layers of one shard, on the target task."""

import numpy as np

from featurelearning.files import joblog, records
from featurelearning.networks import two_layer_arrays
from featurelearning.preconditioning.names import NAMES, REFERENCE
from featurelearning.training import ridge, shards

MEASURED = {"train_mse": ("train", "y_train"), "test_mse": ("test", "y_test"), "clean_mse": ("test", "clean_test")}

with joblog.of(snakemake):
    names = ("data", "frozen", "unfrozen")
    data, frozen, unfrozen = (records.read(snakemake.input[name], snakemake.params.expected[name]) for name in names)
    errors = {name: [] for name in MEASURED}
    for seed in frozen["seed"].values:
        if frozen["diverged_at"].sel(seed=seed) >= 0:
            for values in errors.values():
                values.append(np.nan)
            continue
        params, target = shards.model_parameters(frozen.sel(seed=seed)), data.sel(seed=seed)
        z = {split: two_layer_arrays.hidden(params, target[f"x_{split}"].values) for split in ("train", "test")}
        head = ridge.fit(z["train"], target["y_train"].values, snakemake.params.ridge)
        for name, (split, labels) in MEASURED.items():
            errors[name].append(ridge.mean_squared_error(head, z[split], target[labels].values))
    variables = {name: (("seed",), np.array(values)) for name, values in errors.items()}
    variables |= {
        "unfrozen_test_mse": (("seed",), unfrozen["test_mse"].values[:, -1].astype(np.float64)),
        "noise_floor": (("seed",), data["noise_floor"].values),
        "diverged_at": (("seed",), frozen["diverged_at"].values),
        "unfrozen_diverged_at": (("seed",), unfrozen["diverged_at"].values),
    }
    parameters = {**records.parameters(frozen), "ridge": snakemake.params.ridge}
    attributes = records.provenance(
        "transferred first layers", REFERENCE, parameters, snakemake.params.code, frozen.attrs["device"]
    )
    attributes["model_code_fingerprint"] = frozen.attrs["code_fingerprint"]
    records.write(records.dataset(variables, {"seed": frozen["seed"]}, attributes, NAMES), snakemake.output.evaluation)
