"""Estimate the input covariance of one data set; `population` is the known one of the case."""

import numpy as np

from featurelearning.files import joblog, records
from featurelearning.optimizers import covariance
from featurelearning.preconditioning.names import NAMES, REFERENCE

with joblog.of(snakemake):
    params = snakemake.params
    data = records.read(snakemake.input.data, params.expected["data"])
    if params.estimator == "population":
        known = np.array(params.case["eigenvalues"])
        pairs = [(known, np.eye(len(known)))] * data.sizes["seed"]
    else:
        pairs = [covariance.eigenpairs(covariance.estimate(x, params.estimator)) for x in data["x_train"].values]
    attributes = records.provenance("input covariance", REFERENCE, records.plain(params), params.code)
    coords = {"seed": data["seed"], "direction": data["direction"]}
    result = records.dataset(covariance.described(pairs), coords, attributes, NAMES)
    records.write(result, snakemake.output.covariance)
