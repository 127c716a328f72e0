"""Estimate the uncentred covariance of the training images of each seed, with a ridge."""

from pathlib import Path

import numpy as np

from featurelearning.files import image_sets, joblog, records
from featurelearning.optimizers import covariance
from featurelearning.preconditioning import images
from featurelearning.preconditioning.names import NAMES, REFERENCE

with joblog.of(snakemake):
    params = snakemake.params
    drawn = records.read(snakemake.input.data, params.expected["data"])
    source = image_sets.load(params.source, Path(snakemake.input.source[0]).parent)
    pairs, deltas = [], []
    for seed in drawn["seed"].values:
        x, _ = images.drawn(source, drawn.sel(seed=seed), "train")
        values, vectors, delta = covariance.ridged(covariance.estimate(x, "empirical"), params.ridge)
        pairs.append((values, vectors))
        deltas.append(delta)
    attributes = records.provenance("covariance of training images", REFERENCE, records.plain(params), params.code)
    variables = covariance.described(pairs) | {"ridge": (("seed",), np.array(deltas))}
    records.write(records.dataset(variables, {"seed": drawn["seed"]}, attributes, NAMES), snakemake.output.covariance)
