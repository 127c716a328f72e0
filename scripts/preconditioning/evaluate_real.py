"""Refit a linear head on the frozen first layers of one shard, trained on the source, on images of the target."""

from pathlib import Path

import numpy as np
import torch

from featurelearning.files import image_sets, joblog, records
from featurelearning.preconditioning import images, transfer
from featurelearning.preconditioning.names import NAMES, REFERENCE
from featurelearning.training import shards

with joblog.of(snakemake):
    params = snakemake.params
    torch.set_num_threads(params.threads)
    source, target = (
        image_sets.load(name, Path(files[0]).parent)
        for name, files in ((params.source, snakemake.input.source), (params.target, snakemake.input.target))
    )
    model = records.read(snakemake.input.model, params.expected["model"])
    accuracies = {name: [] for name in ("accuracy_source", "accuracy_target", "accuracy_random")}
    for seed in map(int, model["seed"].values):
        network = shards.model_parameters(model.sel(seed=seed))
        untrained = transfer.initial(params.master_seed, seed, *network["weight1"].shape)
        rows, _ = images.split(params.master_seed, seed, params.samples_target, 0, len(target.train_images), "real")
        accuracies["accuracy_source"].append(transfer.network_accuracy(network, source))
        accuracies["accuracy_target"].append(transfer.refitted_accuracy(network, target, rows, params.ridge))
        accuracies["accuracy_random"].append(transfer.refitted_accuracy(untrained, target, rows, params.ridge))
    diverged = model["diverged_at"].values >= 0
    for name in ("accuracy_source", "accuracy_target"):
        accuracies[name] = np.where(diverged, np.nan, accuracies[name])
    variables = {name: (("seed",), np.array(values)) for name, values in accuracies.items()}
    variables |= {name: (("seed",), model[name].values) for name in ("diverged_at", "first_layer_change")}
    parameters = records.parameters(model) | records.plain(params, "threads")
    attributes = records.provenance(
        "transfer between real data sets", REFERENCE, parameters, params.code, model.attrs["device"]
    )
    attributes["model_code_fingerprint"] = model.attrs["code_fingerprint"]
    records.write(records.dataset(variables, {"seed": model["seed"]}, attributes, NAMES), snakemake.output.evaluation)
