"""What tuning and training on MNIST share: from the files of a job to a trained batch of models."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import joblog
from featurelearning import classification, devices, images, models, powers, records, seeding
from featurelearning.seeding import generator
from featurelearning.training import Run
from training_job import Job


def train(files, params, job: Job, chosen: Sequence[Mapping[str, float]], seeds: Sequence[int]) -> Run:
    """Train a model for each pair of chosen values (learning rate and others) and seed on that seed's images."""
    arm, settings = params.arm, params.settings
    mnist = images.load(Path(files.train_images_idx3).parent)
    data = records.read(files.data, params.expected["data"])
    streams = [generator(params.master_seed, "initialisation", seed) for seed in seeds]
    tuned = {name: np.array([values[name] for values in chosen]) for name in chosen[0]}
    rates = tuned.pop("learning_rate")
    return classification.fit(
        [models.torch_default(stream, images.PIXELS, settings["hidden"], images.CLASSES) for stream in streams],
        arrays(mnist, [data.sel(seed=seed) for seed in seeds]),
        settings,
        rates,
        method=arm["method"],
        names=[f"{arm['id']} {described(values)} seed {seed}" for values, seed in zip(chosen, seeds, strict=True)],
        hyperparameters=arm["hyperparameters"] | tuned,
        streams=seeding.words(params.master_seed, "hutchinson", seeds),
        device=job.device,
        progress=joblog.progress(settings["steps"], arm["id"]),
        checkpoint=job.checkpoint,
        memory=devices.memory(job.device),
        **preconditioner(files, params, seeds),
    )


def described(values: Mapping[str, float]) -> str:
    """Return chosen values as text: `learning rate 0.1 damping 0.001`."""
    return " ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in values.items())


def arrays(mnist: images.Mnist, drawn: Sequence) -> dict[str, np.ndarray]:
    """Return the composed training and validation images of each seed with their labels."""
    sets = {}
    for name in ("train", "validation"):
        pairs = [images.training_set(mnist, seed["pattern"].values, seed[f"{name}_index"].values) for seed in drawn]
        sets[f"x_{name}"], sets[f"y_{name}"] = map(np.stack, zip(*pairs, strict=True))
    return sets


def preconditioner(files, params, seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """Return the eigenbasis and (Sigma + delta I)^p where the arm has them, with a mean step as long as at p = 0."""
    if params.arm["estimator"] == "none":
        return {}
    covariance = records.read(files.covariance, params.expected["covariance"]).sel(seed=list(seeds))
    values = covariance["eigenvalue"].values
    scaled = powers.same_trace(powers.power(values, params.arm["p"]), values)
    return {"basis": covariance["eigenvector"].values, "powers": scaled}
