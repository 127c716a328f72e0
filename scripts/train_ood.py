"""Train one shard of the MNIST study: the seeds of one arm as one batch, with the values that tuning chose."""

import joblog
import ood_training
import training_job
from featurelearning import devices, records, training

with joblog.to(snakemake.log[0]), training_job.begin(snakemake, "trained models and their curves") as job:
    params = snakemake.params
    tuned = records.read(snakemake.input.tune, params.expected["tune"])
    chosen = {name: float(tuned[name].isel(candidate=tuned["chosen"])) for name in params.tuned}
    run = ood_training.train(snakemake.input, params, job, [chosen] * len(params.seeds), list(params.seeds))
    attributes = job.attributes | devices.usage(job.device)
    steps = training.schedule(params.settings["steps"], params.settings["records"])
    trained = records.trained(run, {"seed": list(params.seeds)}, steps, attributes, inputs="input")
    records.write(trained, snakemake.output.model)
