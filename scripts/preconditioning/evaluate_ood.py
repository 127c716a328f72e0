"""Measure the accuracies of one MNIST shard on the three out-of-distribution test sets."""

from pathlib import Path

import numpy as np
import torch

from featurelearning.files import image_sets, joblog, records
from featurelearning.networks import dense, two_layer_relu
from featurelearning.preconditioning import images
from featurelearning.preconditioning.names import NAMES, REFERENCE
from featurelearning.training import measures, shards

with joblog.of(snakemake):
    params = snakemake.params
    torch.set_num_threads(params.threads)
    mnist = image_sets.load(params.source, Path(snakemake.input.source[0]).parent)
    data = records.read(snakemake.input.data, params.expected["data"])
    model = records.read(snakemake.input.model, params.expected["model"])
    accuracies = {name: [] for name in ("in_distribution", "flipped_noise", "flipped_digits")}
    for seed in model["seed"].values:
        network = dense.stack([shards.model_parameters(model.sel(seed=seed))], torch.float32)
        pattern = data["pattern"].sel(seed=seed).values
        for name, test in images.ood_sets(mnist.test_labels, params.master_seed, int(seed)).items():
            x = torch.as_tensor(images.compose(mnist.test_images, pattern, test.pattern_index))
            outputs = measures.predict(two_layer_relu.forward, network, x[None])
            accuracies[name].append(float(measures.correct(outputs, torch.as_tensor(test.labels)[None])))
    finite = model["diverged_at"].values < 0
    variables = {f"accuracy_{name}": (("seed",), np.where(finite, v, np.nan)) for name, v in accuracies.items()}
    variables |= {name: (("seed",), model[name].values) for name in ("diverged_at", "first_layer_change")}
    attributes = records.provenance(
        "out-of-distribution accuracies", REFERENCE, records.parameters(model), params.code, model.attrs["device"]
    )
    attributes["model_code_fingerprint"] = model.attrs["code_fingerprint"]
    records.write(records.dataset(variables, {"seed": model["seed"]}, attributes, NAMES), snakemake.output.evaluation)
