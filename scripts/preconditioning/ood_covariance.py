"""Estimate the uncentred covariance of the composed MNIST training images of each seed, with a ridge."""

from pathlib import Path

import numpy as np

from featurelearning.files import image_sets, joblog, records
from featurelearning.optimizers import covariance
from featurelearning.preconditioning import images
from featurelearning.preconditioning.names import NAMES, REFERENCE

with joblog.of(snakemake):
    params = snakemake.params
    data = records.read(snakemake.input.data, params.expected["data"])
    mnist = image_sets.load_mnist(Path(snakemake.input.train_images_idx3).parent)
    pairs, deltas = [], []
    for seed in data["seed"].values:
        x, _ = images.training_set(
            mnist, data.sel(seed=seed)["pattern"].values, data.sel(seed=seed)["train_index"].values
        )
        values, vectors, delta = covariance.ridged(covariance.estimate(x, "empirical"), params.ridge)
        pairs.append((values, vectors))
        deltas.append(delta)
    attributes = records.provenance(
        "covariance of MNIST with class patterns", REFERENCE, records.plain(params), params.code
    )
    variables = covariance.described(pairs) | {"ridge": (("seed",), np.array(deltas))}
    records.write(records.dataset(variables, {"seed": data["seed"]}, attributes, NAMES), snakemake.output.covariance)
