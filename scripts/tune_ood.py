"""Choose an arm's learning rate on MNIST, and its damping where it has one: each candidate on every tuning seed."""

import numpy as np

import joblog
import ood_training
import training_job
from featurelearning import devices, records, tuning

with joblog.to(snakemake.log[0]), training_job.begin(snakemake, "choice of learning rate and damping") as job:
    params = snakemake.params
    shape = (len(params.candidates), len(params.seeds))
    each = [values for values in params.candidates for _ in params.seeds]
    run = ood_training.train(snakemake.input, params, job, each, list(params.seeds) * len(params.candidates))
    accuracy = run.curves["validation_accuracy"][:, -1].reshape(shape)
    chosen = tuning.choose(accuracy)
    values = {name: np.array([given[name] for given in params.candidates]) for name in params.candidates[0]}
    variables = {
        "validation_accuracy": (("candidate", "seed"), accuracy),
        "diverged_at": (("candidate", "seed"), run.diverged_at.reshape(shape)),
        "tuning_accuracy": (("candidate",), accuracy.mean(axis=1)),
        "chosen": ((), np.int32(chosen)),
        "at_grid_edge": ((), np.int8(any(tuning.at_edge(column, chosen) for column in values.values()))),
    }
    variables |= {name: (("candidate",), column) for name, column in values.items()}
    coords = {"candidate": range(shape[0]), "seed": list(params.seeds)}
    attributes = job.attributes | devices.usage(job.device)
    records.write(records.dataset(variables, coords, attributes), snakemake.output.model)
