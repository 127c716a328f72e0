"""What tuning and training on the source share: from the files of a job to a trained batch of models."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

import joblog
from featurelearning import classification, devices, image_sets, powers, records, transfer
from featurelearning.training import Run
from training_job import Job


def train(files, params, job: Job, rates: Sequence[float], seeds: Sequence[int]) -> Run:
    """Train a model for each pair of rate and seed on that seed's images of the source."""
    arm, settings = params.arm, params.settings
    data = image_sets.load(params.source, Path(files.source[0]).parent)
    d, label = data.train_images.shape[1], f"{arm['id']} on {params.source}"
    return classification.fit(
        [transfer.initial(params.master_seed, seed, d, settings["hidden"]) for seed in seeds],
        arrays(data, params.master_seed, settings, seeds),
        settings,
        np.array(rates),
        method=arm["method"],
        names=[f"{label} learning rate {rate:g} seed {seed}" for rate, seed in zip(rates, seeds, strict=True)],
        device=job.device,
        progress=joblog.progress(settings["steps"], label),
        checkpoint=job.checkpoint,
        memory=devices.memory(job.device),
        **preconditioner(files, params, seeds),
    )


def preconditioner(files, params, seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """Return the eigenbasis and (Sigma + delta I)^p, scaled so that a mean step is as long as with p = 0."""
    covariance = records.read(files.covariance, params.expected["covariance"]).sel(seed=list(seeds))
    values = covariance["eigenvalue"].values
    scaled = powers.same_trace(powers.power(values, params.arm["p"]), values)
    return {"basis": covariance["eigenvector"].values, "powers": scaled}


def arrays(data: image_sets.ImageSet, master: int, settings: dict, seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """Return the training and validation images of each seed with their labels."""
    sizes = settings["samples_train"], settings["samples_validation"]
    splits = [transfer.split(data, master, seed, *sizes) for seed in seeds]
    sets = {}
    for i, name in enumerate(("train", "validation")):
        rows = np.stack([split[i] for split in splits])
        sets[f"x_{name}"], sets[f"y_{name}"] = data.train_images[rows], data.train_labels[rows]
    return sets
