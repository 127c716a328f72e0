"""What the studies of images share: a batch of models trained, at values to choose from or at the chosen ones."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from featurelearning import seeding
from featurelearning.files import joblog, records
from featurelearning.networks import two_layer_relu
from featurelearning.optimizers import powers
from featurelearning.preconditioning.names import NAMES
from featurelearning.training import classification, devices, loop, methods, shards, tuning
from featurelearning.training.experiments import Models, Place, Recipe
from featurelearning.training.job import Job
from featurelearning.training.loop import Run

Values = Mapping[str, float]  # what tuning chooses: the learning rate, and others by name
Train = Callable[..., Run]  # (files, params, job, values of each model, seed of each model)


def tune(train: Train, snakemake, job: Job) -> None:
    """Train every candidate on every tuning seed, and write their validation accuracies with the choice."""
    candidates, seeds = snakemake.params.candidates, list(snakemake.params.seeds)
    shape = (len(candidates), len(seeds))
    each = [values for values in candidates for _ in seeds]
    run = train(snakemake.input, snakemake.params, job, each, seeds * len(candidates))
    accuracy = run.curves["validation_accuracy"][:, -1].reshape(shape)
    chosen = tuning.choose(accuracy)
    columns = {name: np.array([values[name] for values in candidates]) for name in candidates[0]}
    variables = {
        "validation_accuracy": (("candidate", "seed"), accuracy),
        "diverged_at": (("candidate", "seed"), run.diverged_at.reshape(shape)),
        "tuning_accuracy": (("candidate",), accuracy.mean(axis=1)),
        "chosen": ((), np.int32(chosen)),
        "at_grid_edge": ((), np.int8(any(tuning.at_edge(column, chosen) for column in columns.values()))),
    }
    variables |= {name: (("candidate",), column) for name, column in columns.items()}
    coords = {"candidate": range(shape[0]), "seed": seeds}
    attributes = job.attributes | devices.usage(job.device)
    names = NAMES | methods.long_names(snakemake.params.arm["method"])
    records.write(records.dataset(variables, coords, attributes, names), snakemake.output.model)


def train_chosen(train: Train, snakemake, job: Job) -> None:
    """Train the seeds of a shard with the values that tuning chose, and write models and curves."""
    params = snakemake.params
    tuned = records.read(snakemake.input.tune, params.expected["tune"])
    chosen = {name: float(tuned[name].isel(candidate=tuned["chosen"])) for name in params.tuned}
    run = train(snakemake.input, params, job, [chosen] * len(params.seeds), list(params.seeds))
    attributes = job.attributes | devices.usage(job.device)
    steps = loop.schedule(params.settings["steps"], params.settings["records"])
    trained = shards.trained(run, {"seed": list(params.seeds)}, steps, attributes, inputs="input", names=NAMES)
    records.write(trained, snakemake.output.model)


def fit(
    initial: Sequence[dict], data: dict, files, params, job: Job, label: str, chosen: Sequence[Values], seeds: Sequence
) -> Run:
    """Train a batch of classifiers by a job's arm: each from its initial parameters, at its chosen values and seed."""
    values = {name: np.array([each[name] for each in chosen]) for name in chosen[0]}
    names = [f"{label} {described(each)} seed {seed}" for each, seed in zip(chosen, seeds, strict=True)]
    recipe = Recipe(
        params.arm["method"],
        values.pop("learning_rate"),
        **{key: params.settings[key] for key in ("steps", "records", "weight_decay")},
        hyperparameters=params.arm["hyperparameters"] | values,
        streams=seeding.words(params.master_seed, "hutchinson", seeds),
        **preconditioner(files, params, seeds),
    )
    place = Place(
        device=job.device,
        memory=devices.memory(job.device),
        checkpoint=job.checkpoint,
        progress=joblog.progress(params.settings["steps"], label),
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
