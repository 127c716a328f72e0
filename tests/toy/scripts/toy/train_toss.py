"""Fit linear networks to the first coordinate of their inputs: the seeds of one arm as one batch of models."""

import numpy as np

from featurelearning.files import joblog, records
from featurelearning.networks import linear
from featurelearning.seeding import generator
from featurelearning.toy.studies import TOSS
from featurelearning.training import loop, regression, shards
from featurelearning.training.experiments import Models, Place, Recipe
from featurelearning.training.job import begin

with joblog.of(snakemake), begin(snakemake, TOSS.title, TOSS.reference) as job:
    params, settings = snakemake.params, snakemake.params.settings
    shape = settings["samples"], settings["inputs"]
    x = np.stack([generator(params.master_seed, "inputs", seed).standard_normal(shape) for seed in params.seeds])
    data = {name: x for name in ("x_train", "x_test")} | {f"{name}": x[..., 0] for name in ("y_train", "y_test")}
    widths = settings["inputs"], settings["hidden"], 1
    streams = [generator(params.master_seed, "initialisation", seed) for seed in params.seeds]
    names = [f"{params.arm['id']} seed {seed}" for seed in params.seeds]
    models = Models(
        linear, [linear.init(stream, widths, 1.0) for stream in streams], data | {"clean_test": x[..., 0]}, names
    )
    recipe = Recipe(
        params.arm["method"],
        **{key: settings[key] for key in ("learning_rate", "steps", "records")},
        hyperparameters=params.arm["hyperparameters"],
    )
    run = regression.fit(models, recipe, Place(job.device, checkpoint=job.checkpoint))
    steps = loop.schedule(settings["steps"], settings["records"])
    result = shards.trained(run, {"seed": list(params.seeds)}, steps, job.attributes, inputs="input", names={})
    records.write(result, snakemake.output.model)
