"""Train one shard on a source: the seeds of one arm as one batch, at the learning rate that tuning chose."""

import joblog
import real_training
import training_job
from featurelearning import devices, records, training

with joblog.to(snakemake.log[0]), training_job.begin(snakemake, "trained models and their curves") as job:
    params = snakemake.params
    rate = float(records.read(snakemake.input.tune, params.expected["tune"])["learning_rate"])
    run = real_training.train(snakemake.input, params, job, [rate] * len(params.seeds), list(params.seeds))
    attributes = job.attributes | devices.usage(job.device)
    steps = training.schedule(params.settings["steps"], params.settings["records"])
    trained = records.trained(run, {"seed": list(params.seeds)}, steps, attributes, inputs="input")
    records.write(trained, snakemake.output.model)
