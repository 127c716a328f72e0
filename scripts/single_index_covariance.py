"""Estimate the input covariance of one data set; `population` is the known one of the case."""

import numpy as np

import joblog
from featurelearning import covariance, records

with joblog.to(snakemake.log[0]):
    params = snakemake.params
    data = records.read(snakemake.input.data, params.expected["data"])
    if params.estimator == "population":
        known = np.array(params.case["eigenvalues"])
        pairs = [(known, np.eye(len(known)))] * data.sizes["seed"]
    else:
        pairs = [covariance.eigenpairs(covariance.estimate(x, params.estimator)) for x in data["x_train"].values]
    attributes = records.provenance("input covariance", records.plain(params), params.code)
    records.write(
        records.dataset(
            covariance.described(pairs), {"seed": data["seed"], "direction": data["direction"]}, attributes
        ),
        snakemake.output.covariance,
    )
