"""Checks of P1's theory in float64: what a preconditioned first layer can see of its inputs, compared at every step.

P1 has samples in columns: X [d, n], Z = W0^T X, Gram matrix G_P = X^T P X. Here they are rows, x = X^T [n, d], while
weight1 [d, h] is W0 itself. So for an invertible A, X' = A^-T X reads x' = x A^-1, and W0' = A W0, P' = A P A^T stay
as they are; then Z' = Z and G_P' = G_P, and training cannot tell the two apart (P1, Theorems 1 and 2). L2 on W1
breaks this, since W1^T P X is no function of Z: it is off except where its effect is reported.

Conditions: cond(P) >= 100 (checks 1 and 2), 1000 steps or more and a training loss that falls tenfold; else ValueError.
The task is P1's single-index task with little label noise, its inputs turned so that P is a full matrix.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from featurelearning import seeding
from featurelearning.networks import curvature, features, models
from featurelearning.optimizers import adahessian, adam, powers, sigma_power
from featurelearning.optimizers.problem import Gradients, Optimizer, Problem
from featurelearning.preconditioning import modes, single_index
from featurelearning.training.loop import train

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


FIXED = Method(sigma_power)
# Methods that see the coordinates of the inputs; rates of their own, for the loss to fall tenfold.
SEEING = {"adam": Method(adam, 0.01), "adahessian": Method(adahessian, 0.03, {"p": -1.0})}


class Batch(NamedTuple):
    """Models that train together, one per exponent and seed, seeds fastest."""

    params: models.Params
    x_train: Tensor  # [m, n, d]
    y_train: Tensor  # [m, n]
    x_test: Tensor
    y_test: Tensor
    preconditioner: Tensor  # [m, d, d]


def population(study: Study) -> np.ndarray:
    """Return the eigenvalues k^-a, k = 1 .. d, of a covariance with the condition number of the settings."""
    k = np.arange(1, study.settings["dimension"] + 1)
    return k ** (-np.log(study.settings["condition_number"]) / np.log(len(k)))


def turns(study: Study) -> np.ndarray:
    """Return random orthogonal matrices [3, seeds, d, d]: V, the eigenvectors of the covariance, R and Q."""
    d = study.settings["dimension"]
    children = [seeding.generator(study.master_seed, "inputs", seed).spawn(3) for seed in study.seeds]
    normal = [[child.standard_normal((d, d)) for child in three] for three in children]
    return np.linalg.qr(normal)[0].swapaxes(0, 1)


def matrix_power(values: np.ndarray, vectors: np.ndarray, p: float) -> np.ndarray:
    """Return V diag(lambda^p) V^T [..., d, d] from eigenvalues [..., d] and eigenvectors in columns."""
    return vectors * powers.power(values, p)[..., None, :] @ vectors.swapaxes(-1, -2)


def empirical_power(x: np.ndarray, p: float) -> np.ndarray:
    """Return the power p of the uncentred empirical covariance x^T x / n [..., d, d] of x [..., n, d]."""
    return matrix_power(*np.linalg.eigh(x.swapaxes(-1, -2) @ x / x.shape[-2]), p)


def task(study: Study) -> dict[str, np.ndarray]:
    """Return x_train [seeds, n, d], y_train [seeds, n], x_test and y_test of the task, inputs turned: x = x0 V^T."""
    shape = (study.settings["samples_train"], study.settings["samples_test"], SHARPNESS)
    drawn = []
    for seed in study.seeds:
        rngs = (seeding.generator(study.master_seed, name, seed) for name in ("inputs", "coefficient", "label noise"))
        drawn.append(single_index.draw(population(study), 0, SNR, *shape, *rngs)._asdict())
    data = {key: np.stack([one[key] for one in drawn]) for key in Batch._fields[1:5]}
    back = turns(study)[0].swapaxes(-1, -2)
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
    params = models.stack([models.kaiming_uniform(rng, *shape) for rng in rngs] * len(exponents), torch.float64)
    tiled = [torch.as_tensor(np.concatenate([value] * len(exponents))) for value in task(study).values()]
    powered = [matrix_power(population(study), turns(study)[0], p) for p in exponents]
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


def observe(params: models.Params, batch: Batch) -> Observation:
    """Return what is compared, models first: pre-activations, outputs and losses on both splits, and theta."""
    seen = {"bias1": params["bias1"], "second_layer": torch.cat([params["weight2"], params["bias2"]], dim=1)}
    for split, x, y in (("train", batch.x_train, batch.y_train), ("test", batch.x_test, batch.y_test)):
        seen[f"{split}_preactivation"] = x @ params["weight1"] + params["bias1"]
        seen[f"{split}_output"] = models.forward(params, x)[..., 0]
        seen[f"{split}_loss"] = models.mean_squared_error(params, x, y)
    return seen


def deviation(a: Observation, b: Observation) -> Tensor:
    """Return max |a - b| / max |a| over a quantity's entries, the largest over the quantities [m]; 0 / 0 is 0."""

    def relative(key: str) -> Tensor:
        gap, size = (value.reshape(len(value), -1).abs().amax(dim=1) for value in (a[key] - b[key], a[key]))
        return torch.where(gap == 0, 0.0, gap / size)

    return torch.stack([relative(key) for key in a]).amax(dim=0)


def streams(study: Study, models: int) -> Tensor:
    """Return the words [models, 2] that random signs come from: those of a seed are the same in all of its models."""
    words = torch.as_tensor(seeding.words(study.master_seed, "hutchinson", study.seeds))
    return words.repeat(models // len(words), 1)


def prepared(study: Study, batch: Batch, method: Method) -> tuple[Gradients, Problem, float]:
    """Return what a method needs to train a batch: the gradients of the data term, its problem and learning rate."""
    gradients = functools.partial(models.mse_gradients, x=batch.x_train, y=batch.y_train)
    problem = Problem(
        preconditioner=batch.preconditioner,
        hyperparameters=method.hyperparameters,
        objective=gradients,
        hessian_product=functools.partial(curvature.hessian_product, gradients),
        inputs=batch.x_train,
        output_root=curvature.squared_error_root,
        streams=streams(study, len(batch.y_train)),
    )
    rate = study.settings["learning_rate"] if method.learning_rate is None else method.learning_rate
    return gradients, problem, rate


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

    def measure(params: models.Params) -> dict[str, Tensor]:
        seen = observe(params, batch)
        return {"deviation": deviation(reference(seen), seen), "loss": seen["train_loss"]}

    gradients, problem, rate = prepared(study, batch, method)
    names = [f"seed {seed}" for seed in study.seeds] * (len(batch.y_train) // len(study.seeds))
    steps = range(study.settings["steps"] + 1) if steps is None else steps
    run = train(batch.params, gradients, method.optimizer, problem, rate, weight_decay, steps, measure, names)
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
        own = (
            f"the rate of {method.optimizer.__name__} in theory.py" if method.learning_rate else "theory.learning_rate"
        )
        raise ValueError(
            f"theory.steps: {study.settings['steps']} steps lower the training loss of seed {study.seeds[least]} "
            f"{fall[least]:.3g}-fold; allowed: {FALL:g}-fold or more; raise theory.steps or change {own}"
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


def rotation(study: Study) -> np.ndarray:
    """Check 1: inputs, P and W0 rotated together leave training unchanged [seeds]."""
    batch = draw(study)
    return alike(study, batch, transformed(batch, turns(study)[1]))


def unrotated_preconditioner(study: Study) -> np.ndarray:
    """Control of check 1: with P left as it was the rotation is seen, so the comparison can fail [seeds]."""
    batch = draw(study)
    return alike(study, batch, transformed(batch, turns(study)[1])._replace(preconditioner=batch.preconditioner))


def coordinate_wise(method: Method, study: Study) -> np.ndarray:
    """Control of check 1: a method that works on coordinates sees the rotation of inputs and W0 [seeds]."""
    batch = draw(study, (0.0,))
    return alike(study, batch, transformed(batch, turns(study)[1]), method=method)


def stretch(study: Study) -> np.ndarray:
    """Return A = R D Q [seeds, d, d], far from a rotation: its condition number is STRETCH."""
    _, r, q = turns(study)
    return r * np.geomspace(1, STRETCH, r.shape[-1]) @ q


def invertible(study: Study, weight_decay: float = 0.0) -> np.ndarray:
    """Check 1, stronger: A = R D Q, far from a rotation, does too, with P' = A P A^T given explicitly [seeds]."""
    batch = draw(study)
    return alike(study, batch, transformed(batch, stretch(study)), weight_decay=weight_decay)


def gram_only(study: Study, weight_decay: float = 0.0) -> np.ndarray:
    """Check 2: pre-activations moved by Gram matrices alone follow the weight-space run [seeds]."""
    batch = draw(study)
    x, y = torch.cat([batch.x_train, batch.x_test], dim=1), torch.cat([batch.y_train, batch.y_test], dim=1)
    z, gram = x @ batch.params["weight1"], batch.x_train @ batch.preconditioner @ x.mT
    theta = [batch.params[key].mT for key in ("bias1", "weight2", "bias2")]
    rate = study.settings["learning_rate"]
    return against(study, batch, gram_simulation(z.mT, gram, y, *theta, rate, weight_decay), weight_decay)


def gram_simulation(
    z: Tensor, gram: Tensor, y: Tensor, b: Tensor, v: Tensor, c: Tensor, rate: float, weight_decay: float = 0.0
) -> Iterator[Observation]:
    """Yield what gradient descent does to Z <- Z - rate delta [G_tt, G_ts], before any update and after each.

    In the paper's layout and without X. Points are in columns, training points first: z [m, h, N], y [m, N], gram
    [m, n, N] from training points to all; f = v relu(z + b) + c with b [m, h, 1], v [m, 1, h], c [m, 1, 1]; delta =
    dL/dZ on the training points, L = (1/n) sum (f - y)^2. weight_decay acts on v: for W1 there is no such form.
    Source: P1, Theorem 1; biases derived here.
    """
    n = gram.shape[1]
    while True:
        u = z + b
        error = (v @ u.relu() + c)[:, 0] - y
        seen = {"bias1": b.mT, "second_layer": torch.cat([v.mT, c], dim=1)}
        for split, part in (("train", slice(n)), ("test", slice(n, None))):
            seen[f"{split}_preactivation"] = u[..., part].mT
            seen[f"{split}_output"] = (error + y)[:, part]
            seen[f"{split}_loss"] = (error[:, part] ** 2).mean(dim=1)
        yield seen
        r = (2 / n) * error[:, None, :n]
        delta = v.mT * r * (u[..., :n] > 0)
        v, c = v - rate * (r @ u[..., :n].relu().mT + weight_decay * v), c - rate * r.sum(dim=-1, keepdim=True)
        z, b = z - rate * delta @ gram, b - rate * delta.sum(dim=-1, keepdim=True)


def gradient_descent(study: Study) -> np.ndarray:
    """Check 5: p = 0 is gradient descent, as a plain torch loop does it, one model at a time [seeds]."""
    batch = draw(study, (0.0,))
    return against(study, batch, plain_loop(batch, study.settings["learning_rate"]))


def plain_loop(batch: Batch, rate: float) -> Iterator[Observation]:
    """Yield what torch.nn, autograd and torch.optim.SGD make of the models, before any update and after each."""
    networks = [network({key: value[i] for key, value in batch.params.items()}) for i in range(len(batch.y_train))]
    optimizers = [torch.optim.SGD(net.parameters(), lr=rate) for net in networks]
    while True:
        first, second = ([net[layer] for net in networks] for layer in (0, 2))
        params = {"weight1": torch.stack([layer.weight.T for layer in first])}
        params["bias1"] = torch.stack([layer.bias[None] for layer in first])
        params["weight2"] = torch.stack([layer.weight.T for layer in second])
        params["bias2"] = torch.stack([layer.bias[None] for layer in second])
        yield observe(params, batch)
        for net, optimizer, x, y in zip(networks, optimizers, batch.x_train, batch.y_train, strict=True):
            optimizer.zero_grad()
            with torch.enable_grad():
                nn.functional.mse_loss(net(x)[:, 0], y).backward()
            optimizer.step()


def network(params: models.Params) -> nn.Sequential:
    """Return one model in torch's own layers, whose weights are [h, d] and [1, h]."""
    d, h = params["weight1"].shape
    net = nn.Sequential(nn.Linear(d, h), nn.ReLU(), nn.Linear(h, 1)).double()
    state = {"0.weight": params["weight1"].T, "0.bias": params["bias1"][0]}
    net.load_state_dict({**state, "2.weight": params["weight2"].T, "2.bias": params["bias2"][0]})
    return net


def identity_covariance(study: Study) -> np.ndarray:
    """Check 5: inputs whitened to empirical covariance I make every p of the grid gradient descent [seeds]."""
    batch = draw(study, (0.0,))
    whiten = torch.as_tensor(empirical_power(batch.x_train.numpy(), -0.5))
    white = batch._replace(x_train=batch.x_train @ whiten, x_test=batch.x_test @ whiten)
    of_white = (torch.as_tensor(empirical_power(white.x_train.numpy(), p)) for p in study.exponents)
    identity = torch.eye(whiten.shape[-1], dtype=torch.float64).expand_as(whiten)
    return alike(study, *(white._replace(preconditioner=p) for p in (identity, *of_white)))


def gram(study: Study) -> dict[str, np.ndarray]:
    """Return the spectra of x P x^T / n on the training inputs, P a power of the empirical and of the population Sigma.

    gram_eigenvalue, gram_eigenvalue_population [exponents, seeds, d]; singular_value [seeds, d] of x / sqrt(n);
    gram_slope [exponents, seeds]: half the log-log slope of the first against the last. Directions are in the order of
    descending singular values, where s^(2 (p + 1)) ascends for p < -1; at p = -1, where it is flat, the order of the
    population's eigenvalues is a convention (descending). Source: P1, Theorem 2 and the spectrum of G_P.
    """
    x, vectors = task(study)["x_train"], turns(study)[0]
    scaled = x / np.sqrt(x.shape[1])
    s = np.linalg.svd(scaled, compute_uv=False)
    found = [spectra(scaled, empirical_power(x, p), p) for p in study.exponents]
    known = [spectra(scaled, matrix_power(population(study), vectors, p), p) for p in study.exponents]
    slope = [[features.log_log_slope(*pair) / 2 for pair in zip(s, values, strict=True)] for values in found]
    return {
        "gram_eigenvalue": np.array(found),
        "gram_eigenvalue_population": np.array(known),
        "gram_slope": np.array(slope),
        "singular_value": s,
    }


def spectra(x: np.ndarray, preconditioner: np.ndarray, p: float) -> np.ndarray:
    """Return the eigenvalues [seeds, d] of x P x^T for x [seeds, n, d], ascending where p < -1, else descending."""
    descending = np.array([*map(features.gram_spectrum, x, preconditioner)])
    return descending[:, ::-1] if p < -1 else descending


def spectrum(study: Study) -> np.ndarray:
    """Check 3: with the empirical covariance G_P has eigenvalues s^(2 (p + 1)); largest error of p + 1 [seeds]."""
    return np.abs(gram(study)["gram_slope"] - np.array(study.exponents)[:, None] - 1).max(axis=0)


def linear(study: Study) -> modes.Course:
    """Return the descent of linear students on linear teachers, on the study's inputs and exponents; see `modes`."""
    x = task(study)["x_train"]
    rngs = [seeding.generator(study.master_seed, "target", seed) for seed in study.seeds]
    teachers = np.array([rng.standard_normal(x.shape[-1]) for rng in rngs])
    return modes.descend(x, teachers, study.exponents, study.settings["learning_rate"], study.settings["steps"])


def mode_decay(study: Study) -> np.ndarray:
    """Check 4: a linear student's error in mode k falls by the factor 1 - 2 eta lambda_k^(1 + p) a step [seeds]."""
    course = linear(study)
    return course.apart(course.discrete()).max(axis=0)


def mode_flow(study: Study) -> np.ndarray:
    """Return how far check 4's descent is from gradient flow, exp(-2 t lambda_k^(1 + p)) at t = eta s [seeds].

    It is learning_rate / e to first order, reached where the fastest mode has fallen to 1 / e.
    """
    course = linear(study)
    return course.apart(course.flow()).max(axis=0)


def with_decay(check: Callable[[Study, float], np.ndarray], study: Study) -> np.ndarray:
    """Return a check's deviation with the paper's L2 term switched on [seeds]."""
    return check(study, WEIGHT_DECAY / study.settings["samples_train"])


CHECKS = {  # name: function of a study, kind, bound
    "rotation": (rotation, "identity", 1e-10),
    "invertible": (invertible, "identity", 1e-10),
    "gram_only": (gram_only, "identity", 1e-10),
    "spectrum": (spectrum, "identity", 1e-10),
    "gradient_descent": (gradient_descent, "identity", 1e-10),
    "identity_covariance": (identity_covariance, "identity", 1e-10),
    "mode_decay": (mode_decay, "identity", 1e-10),
    "unrotated_preconditioner": (unrotated_preconditioner, "control", 1e-3),
    **{f"rotation_{name}": (functools.partial(coordinate_wise, m), "control", 1e-3) for name, m in SEEING.items()},
    "mode_flow": (mode_flow, "report", np.nan),
    "weight_decay_invertible": (functools.partial(with_decay, invertible), "report", np.nan),
    "weight_decay_gram_only": (functools.partial(with_decay, gram_only), "report", np.nan),
}
