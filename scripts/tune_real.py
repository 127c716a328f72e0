"""Choose an arm's learning rate on a source: every rate of the grid on every tuning seed, as one batch of models."""

from itertools import product

import numpy as np

import joblog
import real_training
import training_job
from featurelearning import devices, records, tuning

with joblog.to(snakemake.log[0]), training_job.begin(snakemake, "learning-rate choice") as job:
    params = snakemake.params
    rates, seeds = map(list, zip(*product(params.learning_rates, params.seeds), strict=True))
    run = real_training.train(snakemake.input, params, job, rates, seeds)
    shape = (len(params.learning_rates), len(params.seeds))
    accuracy = run.curves["validation_accuracy"][:, -1].reshape(shape)
    chosen = tuning.choose(accuracy)
    variables = {
        "validation_accuracy": (("rate", "seed"), accuracy),
        "diverged_at": (("rate", "seed"), run.diverged_at.reshape(shape)),
        "tuning_accuracy": (("rate",), accuracy.mean(axis=1)),
        "learning_rate": ((), params.learning_rates[chosen]),
        "at_grid_edge": ((), np.int8(tuning.at_edge(np.array(params.learning_rates), chosen))),
    }
    coords = {"rate": list(params.learning_rates), "seed": list(params.seeds)}
    attributes = job.attributes | devices.usage(job.device)
    records.write(records.dataset(variables, coords, attributes), snakemake.output.model)
