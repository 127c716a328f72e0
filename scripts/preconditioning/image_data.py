"""Draw splits of a set of images for one seed block, and class patterns where the study has them."""

import numpy as np

from featurelearning.files import joblog, records
from featurelearning.files.sets import SETS
from featurelearning.preconditioning import images
from featurelearning.preconditioning.names import NAMES, REFERENCE

with joblog.of(snakemake):
    params, settings = snakemake.params, snakemake.params.settings
    sizes = settings["samples_train"], settings["samples_validation"], SETS[params.source].train
    splits = [images.split(params.master_seed, seed, *sizes, section=params.study) for seed in params.seeds]
    train, validation = map(np.stack, zip(*splits, strict=True))
    variables = {"train_index": (("seed", "train"), train), "validation_index": (("seed", "validation"), validation)}
    if settings["pattern_scale"] is not None:
        drawn = [images.class_patterns(params.master_seed, seed, settings["pattern_scale"]) for seed in params.seeds]
        variables["pattern"] = (("seed", "digit", "input"), np.stack(drawn))
    attributes = records.provenance("splits of a set of images", REFERENCE, records.plain(params), params.code)
    records.write(records.dataset(variables, {"seed": list(params.seeds)}, attributes, NAMES), snakemake.output.data)
