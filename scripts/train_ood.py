"""Train one shard of the MNIST study: the seeds of one arm as one batch, at the learning rate that tuning chose."""

import joblog
import ood_training
from featurelearning import devices, records, training

with joblog.to(snakemake.log[0]):
    params = snakemake.params
    device = devices.configure(params.machine["threads"], params.machine["device"], snakemake.resources.compile_cache)
    rate = float(records.read(snakemake.input.tune)["learning_rate"])
    run = ood_training.train(snakemake.input, params, device, [rate] * len(params.seeds), list(params.seeds))
    attributes = records.provenance(
        "trained models and their curves", records.plain(params, "machine"), params.code, devices.name(device)
    )
    steps = training.schedule(params.settings["steps"], params.settings["records"])
    trained = records.trained(run, {"seed": list(params.seeds)}, steps, attributes, inputs="input")
    records.write(trained, snakemake.output.model)
