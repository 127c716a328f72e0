"""Training on MNIST with patterns: from the files of a job to a trained batch of models."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from featurelearning.files import image_sets, records
from featurelearning.networks import two_layer_relu
from featurelearning.preconditioning import image_training, images
from featurelearning.seeding import generator
from featurelearning.training.job import Job
from featurelearning.training.loop import Run


def train(files, params, job: Job, chosen: Sequence[image_training.Values], seeds: Sequence[int]) -> Run:
    """Train a model for each pair of chosen values (learning rate and others) and seed on that seed's images."""
    mnist = image_sets.load_mnist(Path(files.train_images_idx3).parent)
    data = records.read(files.data, params.expected["data"])
    streams = [generator(params.master_seed, "initialisation", seed) for seed in seeds]
    hidden = params.settings["hidden"]
    initial = [two_layer_relu.torch_default(stream, images.PIXELS, hidden, image_sets.CLASSES) for stream in streams]
    drawn = arrays(mnist, [data.sel(seed=seed) for seed in seeds])
    return image_training.fit(initial, drawn, files, params, job, params.arm["id"], chosen, seeds)


def arrays(mnist: image_sets.Mnist, drawn: Sequence) -> dict[str, np.ndarray]:
    """Return the composed training and validation images of each seed with their labels."""
    sets = {}
    for name in ("train", "validation"):
        pairs = [images.training_set(mnist, seed["pattern"].values, seed[f"{name}_index"].values) for seed in drawn]
        sets[f"x_{name}"], sets[f"y_{name}"] = map(np.stack, zip(*pairs, strict=True))
    return sets
