"""Estimate the uncentred covariance of each seed's training images of the source, with a ridge."""

from pathlib import Path

import numpy as np

from featurelearning.files import image_sets, joblog, records
from featurelearning.optimizers import covariance
from featurelearning.preconditioning import images
from featurelearning.preconditioning.names import NAMES, REFERENCE

with joblog.of(snakemake):
    params = snakemake.params
    data = image_sets.load(params.source, Path(snakemake.input.source[0]).parent)
    pairs, deltas = [], []
    for seed in params.seeds:
        rows, _ = images.split(params.master_seed, seed, params.samples_train, 0, len(data.train_images), "real")
        x = data.train_images[rows]
        values, vectors, delta = covariance.ridged(covariance.estimate(x, "empirical"), params.ridge)
        pairs.append((values, vectors))
        deltas.append(delta)
    attributes = records.provenance("covariance of the source's images", REFERENCE, records.plain(params), params.code)
    variables = covariance.described(pairs) | {"ridge": (("seed",), np.array(deltas))}
    result = records.dataset(variables, {"seed": list(params.seeds)}, attributes, NAMES)
    records.write(result, snakemake.output.covariance)
