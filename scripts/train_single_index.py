"""Train one shard of the synthetic studies: the seeds of one arm, case and SNR as one batch of models."""

import torch

import joblog
import training_job
from featurelearning import devices, models, powers, records, regression, seeding, training
from featurelearning.seeding import generator

ARRAYS = ("x_train", "y_train", "x_test", "y_test", "clean_test")


with joblog.to(snakemake.log[0]), training_job.begin(snakemake, "trained models and their curves") as job:
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
    if arm["learning_rate"]:
        settings["learning_rate"] = arm["learning_rate"]
    run = regression.fit(
        [models.kaiming_uniform(stream, d, h, 1, scale) for stream in streams],
        {name: data[name].values for name in ARRAYS},
        settings,
        method=arm["method"],
        names=[f"{cell} seed {seed}" for seed in params.seeds],
        hyperparameters=arm["hyperparameters"],
        streams=seeding.words(params.master_seed, "hutchinson", params.seeds),
        dtype=getattr(torch, settings.get("precision", "float32")),
        device=job.device,
        compiled=job.compiled if settings["compile"] else None,
        progress=joblog.progress(settings["steps"], cell),
        checkpoint=job.checkpoint,
        memory=devices.memory(job.device),
        **basis,
    )
    attributes = job.attributes | devices.usage(job.device)
    coords = {"seed": data["seed"], "direction": data["direction"]}
    steps = training.schedule(settings["steps"], settings["records"])
    records.write(records.trained(run, coords, steps, attributes, inputs="direction"), snakemake.output.model)
