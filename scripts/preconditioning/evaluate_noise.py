"""Measure what the first layers of one shard have learned, per population eigen-direction."""

import numpy as np

from featurelearning.files import joblog, records
from featurelearning.networks import features, two_layer_arrays
from featurelearning.preconditioning.names import NAMES, REFERENCE
from featurelearning.training import shards

with joblog.of(snakemake):
    data, model = (records.read(snakemake.input[name], snakemake.params.expected[name]) for name in ("data", "model"))
    directions = np.eye(data.sizes["direction"])
    energies, sensitivities = [], []
    for seed in model["seed"].values:
        params = shards.model_parameters(model.sel(seed=seed))
        energies.append(features.energy(params["weight1"], directions))
        gradients = two_layer_arrays.input_gradients(params, data["x_test"].sel(seed=seed).values)
        sensitivities.append(features.sensitivity(gradients, directions))
    variables = {
        "feature_energy": (("seed", "direction"), np.stack(energies)),
        "sensitivity": (("seed", "direction"), np.stack(sensitivities)),
        "noise_floor": (("seed",), data["noise_floor"].values),
        "diverged_at": (("seed",), model["diverged_at"].values),
        "first_layer_change": (("seed",), model["first_layer_change"].values),
    }
    coords = {"seed": model["seed"], "direction": data["direction"]}
    attributes = records.provenance(
        "features of trained models", REFERENCE, records.parameters(model), snakemake.params.code, model.attrs["device"]
    )
    attributes["model_code_fingerprint"] = model.attrs["code_fingerprint"]
    records.write(records.dataset(variables, coords, attributes, NAMES), snakemake.output.evaluation)
