"""Training on the source of a real pair: from the files of a job to a trained batch of models."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from featurelearning.files import image_sets
from featurelearning.preconditioning import image_training, transfer
from featurelearning.training.job import Job
from featurelearning.training.loop import Run


def train(files, params, job: Job, chosen: Sequence[image_training.Values], seeds: Sequence[int]) -> Run:
    """Train a model for each pair of learning rate and seed on that seed's images of the source."""
    settings = params.settings
    data = image_sets.load(params.source, Path(files.source[0]).parent)
    d, label = data.train_images.shape[1], f"{params.arm['id']} on {params.source}"
    initial = [transfer.initial(params.master_seed, seed, d, settings["hidden"]) for seed in seeds]
    drawn = arrays(data, params.master_seed, settings, seeds)
    return image_training.fit(initial, drawn, files, params, job, label, chosen, seeds)


def arrays(data: image_sets.ImageSet, master: int, settings: dict, seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """Return the training and validation images of each seed with their labels."""
    sizes = settings["samples_train"], settings["samples_validation"]
    splits = [transfer.split(data, master, seed, *sizes) for seed in seeds]
    sets = {}
    for i, name in enumerate(("train", "validation")):
        rows = np.stack([split[i] for split in splits])
        sets[f"x_{name}"], sets[f"y_{name}"] = data.train_images[rows], data.train_labels[rows]
    return sets
