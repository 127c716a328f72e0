"""Estimate the uncentred covariance of the composed MNIST training images of each seed, with a ridge."""

from pathlib import Path

import joblog
from featurelearning import covariance, images, records

with joblog.to(snakemake.log[0]):
    params = snakemake.params
    data = records.read(snakemake.input.data)
    mnist = images.load(Path(snakemake.input.train_images_idx3).parent)
    pairs = []
    for seed in data["seed"].values:
        x, _ = images.training_set(
            mnist, data.sel(seed=seed)["pattern"].values, data.sel(seed=seed)["train_index"].values
        )
        values, vectors = covariance.eigenpairs(covariance.estimate(x, "empirical"))
        pairs.append((covariance.add_ridge(values, params.ridge), vectors))
    attributes = records.provenance("covariance of MNIST with class patterns", records.plain(params), params.code)
    records.write(
        records.dataset(covariance.described(pairs), {"seed": data["seed"]}, attributes), snakemake.output.covariance
    )
