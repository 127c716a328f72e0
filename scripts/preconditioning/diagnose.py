"""Recommend an exponent for each data set of a shard before any training, from its training inputs and labels alone."""

import numpy as np

from featurelearning.files import joblog, records
from featurelearning.optimizers import covariance
from featurelearning.preconditioning import diagnosis
from featurelearning.preconditioning.names import NAMES, REFERENCE

with joblog.of(snakemake):
    params = snakemake.params
    data = records.read(snakemake.input.data, params.expected["data"])
    shares, chances, recommended, spectra = [], [], [], []
    for seed in data["seed"].values:
        x, y = (data[name].sel(seed=seed).values for name in ("x_train", "y_train"))
        pairs = covariance.eigenpairs(covariance.estimate(x, "empirical"))
        shares.append(diagnosis.explained(x, y, *pairs))
        chances.append(diagnosis.chance(x, y, *pairs))
        found = diagnosis.recommend(shares[-1], pairs[0], params.exponents, len(y), chances[-1])
        print(f"seed {seed}: p = {found.p:g}: {found.reason}")
        recommended.append(found.p)
        spectra.append(pairs[0])
    variables = {
        "explained_share": (("seed", "direction"), np.stack(shares)),
        "chance_share": (("seed",), np.array(chances)),
        "recommended": (("seed",), np.array(recommended)),
        "eigenvalue": (("seed", "direction"), np.stack(spectra)),
    }
    attributes = records.provenance("diagnosis before training", REFERENCE, records.plain(params), params.code)
    coords = {"seed": data["seed"], "direction": data["direction"]}
    records.write(records.dataset(variables, coords, attributes, NAMES), snakemake.output.diagnosis)
