"""The studies of images: a batch of models trained, at values to choose from or at the chosen ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from featurelearning import seeding
from featurelearning.files import image_sets, joblog, records
from featurelearning.networks import two_layer_relu
from featurelearning.optimizers import powers
from featurelearning.preconditioning import images, transfer
from featurelearning.preconditioning.names import NAMES
from featurelearning.training import classification, devices, loop, methods, shards, tuning
from featurelearning.training.experiments import Models, Place, Recipe
from featurelearning.training.job import Job
from featurelearning.training.loop import Run

Values = Mapping[str, float]  # what tuning chooses: the learning rate, and others by name


def tune(snakemake, job: Job) -> None:
    """Choose by successive halving, see `tuning`, and write every candidate's validation accuracies with the choice."""
    params = snakemake.params
    candidates, seeds, settings = params.candidates, list(params.seeds), params.settings

    def accuracies(part: str, kept: Sequence[int], steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Train these candidates on every seed; return accuracies after the last step and steps of divergence."""
        each = [candidates[i] for i in kept for _ in seeds]
        saved_apart = job._replace(checkpoint=job.checkpoint.part(part))
        run = train(snakemake.input, params, saved_apart, settings | {"steps": steps}, each, seeds * len(kept))
        shape = (len(kept), len(seeds))
        return run.curves["validation_accuracy"][:, -1].reshape(shape), run.diverged_at.reshape(shape)

    early, diverged_at = accuracies("early", range(len(candidates)), tuning.early(settings["steps"]))
    kept = tuning.better_half(early)
    final = np.full_like(early, np.nan)
    final[kept], diverged_at[kept] = accuracies("final", kept, settings["steps"])
    chosen = tuning.choose(final)
    columns = {name: np.array([values[name] for values in candidates]) for name in candidates[0]}
    variables = {
        "validation_accuracy": (("candidate", "seed"), final),
        "early_accuracy": (("candidate", "seed"), early),
        "diverged_at": (("candidate", "seed"), diverged_at),
        "tuning_accuracy": (("candidate",), final.mean(axis=1)),
        "tuning_early_accuracy": (("candidate",), early.mean(axis=1)),
        "chosen": ((), np.int32(chosen)),
        "at_grid_edge": ((), np.int8(any(tuning.at_edge(column, chosen) for column in columns.values()))),
    }
    variables |= {name: (("candidate",), column) for name, column in columns.items()}
    attributes = job.attributes | devices.usage(job.device)
    names = methods.long_names(params.arm["method"], columns) | NAMES
    coords = {"candidate": range(len(candidates)), "seed": seeds}
    records.write(records.dataset(variables, coords, attributes, names), snakemake.output.model)


def train_chosen(snakemake, job: Job) -> None:
    """Train the seeds of a shard with the values that tuning chose, and write models and curves."""
    params = snakemake.params
    tuned = records.read(snakemake.input.tune, params.expected["tune"])
    chosen = {name: float(tuned[name].isel(candidate=tuned["chosen"])) for name in params.tuned}
    seeds = list(params.seeds)
    run = train(snakemake.input, params, job, params.settings, [chosen] * len(seeds), seeds)
    attributes = job.attributes | devices.usage(job.device)
    steps = loop.schedule(params.settings["steps"], params.settings["records"])
    trained = shards.trained(run, {"seed": seeds}, steps, attributes, inputs="input", names=NAMES)
    records.write(trained, snakemake.output.model)


def train(files, params, job: Job, settings: Mapping, chosen: Sequence[Values], seeds: Sequence[int]) -> Run:
    """Train a model by the job's arm for each pair of chosen values and seed, on that seed's images."""
    source = image_sets.load(params.source, Path(files.source[0]).parent)
    drawn = records.read(files.data, params.expected["data"])
    each = [drawn.sel(seed=seed) for seed in seeds]
    data = {}
    for name in ("train", "validation"):
        pairs = [images.drawn(source, one, name) for one in each]
        data[f"x_{name}"], data[f"y_{name}"] = map(np.stack, zip(*pairs, strict=True))
    sizes = source.train_images.shape[1], settings["hidden"]
    initial = [transfer.initial(params.master_seed, seed, *sizes) for seed in seeds]
    label = f"{params.arm['id']} on {params.source}"
    names = [f"{label} {described(values)} seed {seed}" for values, seed in zip(chosen, seeds, strict=True)]
    values = {name: np.array([one[name] for one in chosen]) for name in chosen[0]}
    recipe = Recipe(
        params.arm["method"],
        values.pop("learning_rate"),
        **{key: settings[key] for key in ("steps", "records", "weight_decay")},
        hyperparameters=params.arm["hyperparameters"] | values,
        streams=seeding.words(params.master_seed, "hutchinson", seeds),
        **preconditioner(files, params, seeds),
    )
    place = Place(
        device=job.device,
        memory=devices.memory(job.device),
        checkpoint=job.checkpoint,
        progress=joblog.progress(settings["steps"], label),
    )
    return classification.fit(Models(two_layer_relu, initial, data, names), recipe, place)


def described(values: Values) -> str:
    """Return chosen values as text: `learning rate 0.1 damping 0.001`."""
    return " ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in values.items())


def preconditioner(files, params, seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """Return the eigenbasis and (Sigma + delta I)^p where the arm has them, scaled as `powers.same_trace` says."""
    if params.arm["estimator"] == "none":
        return {}
    covariance = records.read(files.covariance, params.expected["covariance"]).sel(seed=list(seeds))
    values = covariance["eigenvalue"].values
    scaled = powers.same_trace(powers.power(values, params.arm["p"]), values)
    return {"basis": covariance["eigenvector"].values, "powers": scaled}
