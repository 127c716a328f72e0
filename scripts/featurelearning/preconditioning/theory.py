"""Training runs of P1's theory in float64: what a preconditioned first layer can see of its inputs, at every step.

P1 has samples in columns: X [d, n], Z = W0^T X, Gram matrix G_P = X^T P X. Here they are rows, x = X^T [n, d], while
weight1 [d, h] is W0 itself. So for an invertible A, X' = A^-T X reads x' = x A^-1, and W0' = A W0, P' = A P A^T stay
as they are; then Z' = Z and G_P' = G_P, and training cannot tell the two apart (P1, Theorems 1 and 2). L2 on W1
breaks this, since W1^T P X is no function of Z: it is off except where its effect is reported.

Conditions: cond(P) >= 100 (checks 1 and 2), 1000 steps or more and a training loss that falls tenfold; else ValueError.
The task is P1's single-index task with little label noise, its inputs rotated so that P is a full matrix.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from featurelearning import seeding
from featurelearning.networks import dense, two_layer_relu
from featurelearning.networks.curvature import squared_error_root
from featurelearning.networks.dense import Params
from featurelearning.optimizers import powers, sigma_power
from featurelearning.optimizers.problem import Optimizer, Problem
from featurelearning.preconditioning import single_index
from featurelearning.training import methods
from featurelearning.training.loop import Record, Rule, train

LEAST = {"steps": 1000, "condition_number": 100}
FALL = 10.0  # of the training loss
CHECKED = (-1.0, 1.0)  # exponents of P in the checks of training: there cond(P) = cond(Sigma)
SNR, SHARPNESS = 10.0, 10.0  # the link is P1's; few samples suffice for the fall when the labels hold little noise
INITIAL_SCALE = 0.1  # times Kaiming-uniform: W1 moves by its own norm or more, sooner than from the paper's 0.001
STRETCH = 10.0  # condition number of A
WEIGHT_DECAY = 1e-6  # the paper's, to be divided by the number of samples

Observation = dict[str, Tensor]
Reference = Callable[[Observation], Observation]


class Study(NamedTuple):
    """What the checks run on."""

    master_seed: int
    seeds: Sequence[int]
    settings: Mapping[str, float]  # the configuration's section theory
    exponents: Sequence[float]  # grid of p for the Gram spectrum and for Sigma = I


class Method(NamedTuple):
    """An optimiser with what it needs to be run in a study."""

    optimizer: Optimizer
    learning_rate: float | None = None  # None: the study's
    hyperparameters: Mapping[str, float] = MappingProxyType({})
    rate: str = "theory.learning_rate"  # where its learning rate stands


FIXED = Method(sigma_power)


class Batch(NamedTuple):
    """Models that train together, one per exponent and seed, seeds fastest."""

    params: Params
    x_train: Tensor  # [m, n, d]
    y_train: Tensor  # [m, n]
    x_test: Tensor
    y_test: Tensor
    preconditioner: Tensor  # [m, d, d]


def population(study: Study) -> np.ndarray:
    """Return the eigenvalues k^-a, k = 1 .. d, of a covariance with the condition number of the settings."""
    k = np.arange(1, study.settings["dimension"] + 1)
    return k ** (-np.log(study.settings["condition_number"]) / np.log(len(k)))


def rotations(study: Study) -> np.ndarray:
    """Return random orthogonal matrices [3, seeds, d, d]: V, the eigenvectors of the covariance, R and Q."""
    d = study.settings["dimension"]
    children = [seeding.generator(study.master_seed, "inputs", seed).spawn(3) for seed in study.seeds]
    normal = [[child.standard_normal((d, d)) for child in three] for three in children]
    return np.linalg.qr(normal)[0].swapaxes(0, 1)


def stretch(study: Study) -> np.ndarray:
    """Return A = R D Q [seeds, d, d], far from a rotation: its condition number is STRETCH."""
    _, r, q = rotations(study)
    return r * np.geomspace(1, STRETCH, r.shape[-1]) @ q


def matrix_power(values: np.ndarray, vectors: np.ndarray, p: float) -> np.ndarray:
    """Return V diag(lambda^p) V^T [..., d, d] from eigenvalues [..., d] and eigenvectors in columns."""
    return vectors * powers.power(values, p)[..., None, :] @ vectors.swapaxes(-1, -2)


def empirical_power(x: np.ndarray, p: float) -> np.ndarray:
    """Return the power p of the uncentred empirical covariance x^T x / n [..., d, d] of x [..., n, d].

    Raises ValueError for a negative p of a covariance that is singular up to rounding.
    """
    values, vectors = np.linalg.eigh(x.swapaxes(-1, -2) @ x / x.shape[-2])
    return matrix_power(powers.cleared(values), vectors, p)


def task(study: Study) -> dict[str, np.ndarray]:
    """Return x_train [seeds, n, d], y_train [seeds, n], x_test and y_test of the task, inputs rotated: x = x0 V^T."""
    shape = (study.settings["samples_train"], study.settings["samples_test"], SHARPNESS)
    drawn = []
    for seed in study.seeds:
        rngs = (seeding.generator(study.master_seed, name, seed) for name in ("inputs", "coefficient", "label noise"))
        drawn.append(single_index.draw(population(study), 0, SNR, *shape, *rngs)._asdict())
    data = {key: np.stack([one[key] for one in drawn]) for key in Batch._fields[1:5]}
    back = rotations(study)[0].swapaxes(-1, -2)
    return {key: value @ back if key.startswith("x") else value for key, value in data.items()}


def draw(study: Study, exponents: Sequence[float] = CHECKED) -> Batch:
    """Return the untrained models of all exponents and seeds, with P = Sigma^p of the population covariance.

    Raises ValueError, naming the key, where the settings do not meet the conditions of the checks.
    """
    for key, least in LEAST.items():
        if study.settings[key] < least:
            raise ValueError(f"theory.{key}: {study.settings[key]:g} is too small; allowed: {least} or more; raise it")
    shape = (study.settings["dimension"], study.settings["hidden"], 1, INITIAL_SCALE)
    rngs = [seeding.generator(study.master_seed, "initialisation", seed) for seed in study.seeds]
    params = dense.stack([two_layer_relu.kaiming_uniform(rng, *shape) for rng in rngs] * len(exponents), torch.float64)
    tiled = [torch.as_tensor(np.concatenate([value] * len(exponents))) for value in task(study).values()]
    powered = [matrix_power(population(study), rotations(study)[0], p) for p in exponents]
    return Batch(params, *tiled, torch.as_tensor(np.concatenate(powered)))


def transformed(batch: Batch, a: np.ndarray) -> Batch:
    """Return the batch seen through A [seeds, d, d], invertible: x' = x A^-1, W0' = A W0, P' = A P A^T."""
    a = torch.as_tensor(a).repeat(len(batch.y_train) // len(a), 1, 1)
    inverse = torch.linalg.inv(a)
    return batch._replace(
        params={**batch.params, "weight1": a @ batch.params["weight1"]},
        x_train=batch.x_train @ inverse,
        x_test=batch.x_test @ inverse,
        preconditioner=a @ batch.preconditioner @ a.mT,
    )


def joined(batches: Sequence[Batch]) -> Batch:
    """Return the models of all batches as one batch, those of the first in front."""
    params = {key: torch.cat([batch.params[key] for batch in batches]) for key in batches[0].params}
    return Batch(params, *map(torch.cat, zip(*(batch[1:] for batch in batches), strict=True)))


def observe(params: Params, batch: Batch) -> Observation:
    """Return what is compared, models first: pre-activations, outputs and losses on both splits, and theta."""
    seen = {"bias1": params["bias1"], "second_layer": torch.cat([params["weight2"], params["bias2"]], dim=1)}
    for split, x, y in (("train", batch.x_train, batch.y_train), ("test", batch.x_test, batch.y_test)):
        seen[f"{split}_preactivation"] = x @ params["weight1"] + params["bias1"]
        seen[f"{split}_output"] = two_layer_relu.forward(params, x)[..., 0]
        seen[f"{split}_loss"] = two_layer_relu.mean_squared_error(params, x, y)
    return seen


def deviation(a: Observation, b: Observation) -> Tensor:
    """Return max |a - b| / max |a| over a quantity's entries, the largest over the quantities [m]; 0 / 0 is 0."""

    def relative(key: str) -> Tensor:
        gap, size = (value.reshape(len(value), -1).abs().amax(dim=1) for value in (a[key] - b[key], a[key]))
        return torch.where(gap == 0, 0.0, gap / size)

    return torch.stack([relative(key) for key in a]).amax(dim=0)


def streams(study: Study, count: int) -> Tensor:
    """Return the words [count, 2] that random signs come from: those of a seed are the same in all of its models."""
    words = torch.as_tensor(seeding.words(study.master_seed, "hutchinson", study.seeds))
    return words.repeat(count // len(words), 1)


def measured(study: Study, by: str) -> dict[str, Method]:
    """Return the methods that the configuration has measured by one of its studies, effective or departure, by name."""
    found = {}
    for each in study.settings["methods"]:
        if by in each["measure"]:
            own = each["learning_rate"] is not None
            rate = f"theory.methods.{each['method']}.learning_rate" if own else Method._field_defaults["rate"]
            module = methods.load(each["method"])
            found[each["id"]] = Method(module, each["learning_rate"], each["hyperparameters"], rate)
    return found


def prepared(study: Study, batch: Batch, method: Method, weight_decay: float = 0.0) -> Rule:
    """Return the rule by which a method trains a batch."""
    gradients = functools.partial(two_layer_relu.mse_gradients, x=batch.x_train, y=batch.y_train)
    rate = study.settings["learning_rate"] if method.learning_rate is None else method.learning_rate
    problem = Problem(
        preconditioner=batch.preconditioner,
        hyperparameters=method.hyperparameters,
        objective=gradients,
        gradients_along=functools.partial(dense.gradients_along, gradients),
        network=two_layer_relu,
        inputs=batch.x_train,
        output_root=squared_error_root,
        streams=streams(study, len(batch.y_train)),
        learning_rate=rate,
    )
    return Rule(gradients, method.optimizer, problem, rate, weight_decay)


def follow(
    study: Study,
    batch: Batch,
    reference: Reference,
    weight_decay: float = 0.0,
    method: Method = FIXED,
    steps: Sequence[int] | None = None,
) -> tuple[np.ndarray, ...]:
    """Train by the project's own trainer; return deviation from the reference and training loss, [m, records] each.

    reference: is given what is observed before any update and after each, and returns what it should be. steps: the
    updates after which to look; None: every one.
    """

    def measure(params: Params) -> dict[str, Tensor]:
        seen = observe(params, batch)
        return {"deviation": deviation(reference(seen), seen), "loss": seen["train_loss"]}

    names = [f"seed {seed}" for seed in study.seeds] * (len(batch.y_train) // len(study.seeds))
    steps = range(study.settings["steps"] + 1) if steps is None else steps
    run = train(batch.params, prepared(study, batch, method, weight_decay), Record(steps, measure, names))
    return run.curves["deviation"], run.curves["loss"]


def largest(study: Study, deviations: np.ndarray, losses: np.ndarray, method: Method = FIXED) -> np.ndarray:
    """Return each seed's largest deviation over models and steps [seeds]; raises ValueError without a tenfold fall."""
    require_fall(study, losses, method)
    return deviations.max(axis=1).reshape(-1, len(study.seeds)).max(axis=0)


def require_fall(study: Study, losses: np.ndarray, method: Method = FIXED) -> None:
    """Raise ValueError, naming the seed, unless the loss [m, records] of every model falls tenfold."""
    fall = (losses[:, 0] / losses[:, -1]).reshape(-1, len(study.seeds)).min(axis=0)
    if not (fall >= FALL).all():
        least = int(fall.argmin())  # a NaN counts as the least
        raise ValueError(
            f"theory.steps: {study.settings['steps']} steps lower the training loss of seed {study.seeds[least]} "
            f"{fall[least]:.3g}-fold; allowed: {FALL:g}-fold or more; raise theory.steps or change {method.rate}"
        )


def beside(
    study: Study,
    batches: Sequence[Batch],
    weight_decay: float = 0.0,
    method: Method = FIXED,
    steps: Sequence[int] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Train batches side by side and return how far each is from the first, and the losses of the first, as `follow`.

    Deviations are [batches, m, records] for m models of a batch, losses [m, records].
    """
    m = len(batches[0].y_train)

    def first_again(seen: Observation) -> Observation:
        return {key: torch.cat([value[:m]] * len(batches)) for key, value in seen.items()}

    deviations, losses = follow(study, joined(batches), first_again, weight_decay, method, steps)
    return deviations.reshape(len(batches), m, -1), losses[:m]


def alike(study: Study, *batches: Batch, weight_decay: float = 0.0, method: Method = FIXED) -> np.ndarray:
    """Train batches side by side and return how far the others stray from the first [seeds]."""
    deviations, losses = beside(study, batches, weight_decay, method)
    return largest(study, deviations.max(axis=0), losses, method)


def against(study: Study, batch: Batch, simulation: Iterator[Observation], weight_decay: float = 0.0) -> np.ndarray:
    """Train a batch in lockstep with another computation of it and return how far the two are apart [seeds]."""
    return largest(study, *follow(study, batch, lambda _: next(simulation), weight_decay))
