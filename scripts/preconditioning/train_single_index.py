"""Train one shard of the synthetic studies: the seeds of one arm, case and SNR as one batch of models."""

import torch

from featurelearning import seeding
from featurelearning.files import joblog, records
from featurelearning.networks import two_layer_relu
from featurelearning.optimizers import powers
from featurelearning.preconditioning.names import NAMES, REFERENCE
from featurelearning.seeding import generator
from featurelearning.training import devices, loop, regression, shards
from featurelearning.training.experiments import Models, Place, Recipe
from featurelearning.training.job import begin

ARRAYS = ("x_train", "y_train", "x_test", "y_test", "clean_test")


with joblog.of(snakemake), begin(snakemake, "trained models and their curves", REFERENCE) as job:
    params, arm = snakemake.params, snakemake.params.arm
    settings = params.settings | params.variant
    data = records.read(snakemake.input.data, params.expected["data"])
    d, h, scale = data.sizes["direction"], settings["hidden"], settings["initial_scale"]
    streams = [generator(params.master_seed, "initialisation", seed) for seed in params.seeds]
    cell = f"{arm['id']} {params.cell['study']} {params.cell['case']} SNR {params.cell['snr']:g}"
    basis = {}
    if arm["estimator"] != "none":
        covariance = records.read(snakemake.input.covariance, params.expected["covariance"])
        power = powers.power(covariance["eigenvalue"].values, arm["p"])
        power = powers.unit_mean(power) if settings.get("scale") == "trace" else power
        basis = {"basis": covariance["eigenvector"].values, "powers": power}
    models = Models(
        two_layer_relu,
        [two_layer_relu.kaiming_uniform(stream, d, h, 1, scale) for stream in streams],
        {name: data[name].values for name in ARRAYS},
        [f"{cell} seed {seed}" for seed in params.seeds],
    )
    recipe = Recipe(
        arm["method"],
        arm["learning_rate"] or settings["learning_rate"],
        **{key: settings[key] for key in ("steps", "records", "weight_decay")},
        hyperparameters=arm["hyperparameters"],
        streams=seeding.words(params.master_seed, "hutchinson", params.seeds),
        **basis,
    )
    place = Place(
        job.device,
        getattr(torch, settings.get("precision", "float32")),
        job.compiled if settings["compile"] else None,
        devices.memory(job.device),
        job.checkpoint,
        joblog.progress(settings["steps"], cell),
    )
    run = regression.fit(models, recipe, place)
    attributes = job.attributes | devices.usage(job.device)
    coords = {"seed": data["seed"], "direction": data["direction"]}
    steps = loop.schedule(settings["steps"], settings["records"])
    records.write(
        shards.trained(run, coords, steps, attributes, inputs="direction", names=NAMES), snakemake.output.model
    )
