"""Draw class patterns and splits of MNIST for one seed block; images are composed where they are used."""

import numpy as np

from featurelearning.files import joblog, records
from featurelearning.preconditioning import images
from featurelearning.preconditioning.names import NAMES, REFERENCE

with joblog.of(snakemake):
    params, settings = snakemake.params, snakemake.params.settings
    patterns, train, validation = [], [], []
    for seed in params.seeds:
        patterns.append(images.class_patterns(params.master_seed, seed, settings["pattern_scale"]))
        rows = images.split(params.master_seed, seed, settings["samples_train"], settings["samples_validation"])
        train.append(rows[0])
        validation.append(rows[1])
    variables = {
        "pattern": (("seed", "digit", "input"), np.stack(patterns)),
        "train_index": (("seed", "train"), np.stack(train)),
        "validation_index": (("seed", "validation"), np.stack(validation)),
    }
    attributes = records.provenance("class patterns and splits of MNIST", REFERENCE, records.plain(params), params.code)
    records.write(records.dataset(variables, {"seed": list(params.seeds)}, attributes, NAMES), snakemake.output.data)
