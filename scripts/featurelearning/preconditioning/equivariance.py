"""How far training departs from the bottleneck of a fixed preconditioner (N2, L3), and the law of the first layer (L1).

With P fixed, inputs reach the model through G_P alone: x' = x A^-1, W0' = A W0, P' = A P A^T train as x, W0, P do. An
adaptive P is estimated in training and by each run from its own inputs: P' is what the method makes of x'. In theory
- P = S^p, S the covariance of a mini-batch: changed inputs have S' = A^-T S A^-1, hence S'^p = A S^p A^T for p = -1
  with any invertible A, and for another p with an orthogonal A: nothing but rounding there, a departure elsewhere;
- K-FAC's input factor is such an S^-1, of inputs with a constant, so it departs as far as its damping matters, and with
  an orthogonal A not at all;
- Adam and AdaHessian work on coordinates and depart with any of these A.
The adaptive methods are those that the configuration names: theory.methods, measured by departure.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from featurelearning import seeding
from featurelearning.networks import dense, two_layer_relu
from featurelearning.networks.dense import Params
from featurelearning.optimizers import sigma_power
from featurelearning.optimizers.problem import Problem, State
from featurelearning.preconditioning import theory
from featurelearning.preconditioning.theory import CHECKED, FIXED, Batch, Method, Study
from featurelearning.training.loop import schedule

RECORDS = 60
SHARE = 0.5  # of the training samples, in a mini-batch
UNITS = 20_000  # hidden units that the initial law is estimated from
TRANSFORMATIONS = ("rotation", "invertible")
INITIALISATIONS = ("P-isotropic", "released")


class Reestimated(NamedTuple):
    """An optimiser: sigma_power with P = Sigma^_t^p, at each step of the mini-batch that is its turn."""

    p: float
    samples: Tensor  # [steps, m, size], numbers of training points

    def init(self, params: Params, problem: Problem) -> State:
        """Return the number of updates made."""
        return {"count": {"updates": dense.counts(params)}}

    def update(self, gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
        """Return the step of sigma_power with the power of the uncentred covariance of each model's own inputs."""
        updates = state["count"]["updates"]
        rows = self.samples[updates.flatten().long(), torch.arange(len(updates))]
        x = problem.inputs[torch.arange(len(rows))[:, None], rows]
        values, vectors = torch.linalg.eigh(x.mT @ x / x.shape[1])
        p = vectors * values[:, None] ** self.p @ vectors.mT
        step, _ = sigma_power.update(gradients, {}, params, problem._replace(preconditioner=p))
        return step, {"count": {"updates": updates + 1}}


def minibatches(study: Study, repeats: int) -> Tensor:
    """Return the training points of each step's mini-batch [steps, repeats * seeds, size], drawn without replacement.

    Those of a seed are the same in all of its models; there are enough of them for a covariance of full rank, or
    ValueError is raised.
    """
    steps, n, d = (study.settings[key] for key in ("steps", "samples_train", "dimension"))
    size = min(n, max(round(SHARE * n), 2 * d))
    if size < d:
        raise ValueError(
            f"theory.samples_train: {n} samples leave the covariance of {d} inputs singular, and its inverse is "
            f"needed; allowed: theory.dimension = {d} or more; raise it"
        )
    rngs = [seeding.generator(study.master_seed, "split", seed) for seed in study.seeds]
    drawn = [rng.permuted(np.tile(np.arange(n), (steps, 1)), axis=1)[:, :size] for rng in rngs]
    return torch.as_tensor(np.stack(drawn, axis=1)).repeat(1, repeats, 1)


def runs(study: Study) -> Iterator[tuple[str, float, Method]]:
    """Yield the name of each method, the exponent of the fixed P that its models are drawn with, and the method."""
    samples = minibatches(study, 1 + len(TRANSFORMATIONS))
    for p in CHECKED:
        yield f"fixed_p{p:+.2f}", p, FIXED
    for p in CHECKED:
        yield f"reestimated_p{p:+.2f}", p, Method(Reestimated(p, samples))
    for name, method in theory.measured(study, "departure").items():
        yield name, 0.0, method


def steps(study: Study) -> np.ndarray:
    """Return the recorded steps."""
    return schedule(study.settings["steps"], RECORDS)


def changes(study: Study) -> list[np.ndarray]:
    """Return the matrices A [seeds, d, d] of TRANSFORMATIONS."""
    return [theory.rotations(study)[1], theory.stretch(study)]


def departure(study: Study) -> dict[str, np.ndarray]:
    """Return of each method how far training on changed inputs is from training on the given ones, at `steps`.

    name -> [transformations, seeds, records], the deviation of the checks at one step: relative, over pre-activations,
    outputs and losses on both splits and over theta. Raises ValueError where the loss on the given inputs does not fall
    tenfold. Source: P1, N2 and L3.
    """
    found = {}
    for name, p, method in runs(study):
        batch = theory.draw(study, (p,))
        batches = [batch, *(theory.transformed(batch, a) for a in changes(study))]
        deviations, losses = theory.beside(study, batches, method=method, steps=steps(study))
        theory.require_fall(study, losses, method)
        found[name] = deviations[1:]
    return found


def isotropy(study: Study) -> dict[str, np.ndarray]:
    """Return how far the law of the initial pre-activations Z0 = x W0 is from one that depends on G_P alone (L1).

    isotropy_error [initialisations, transformations, exponents, seeds]: |C - sigma^2 G|_F / |sigma^2 G|_F with C = Z0
    Z0^T / h over UNITS hidden units and G = x P x^T, which no A changes, P a power of the population covariance. The
    P-isotropic W0' ~ N(0, P') has sigma = 1; the released one is drawn in the coordinates of x', with the sigma^2 that
    fits best. isotropy_noise [exponents, seeds]: sqrt((1 + (tr G)^2 / |G|_F^2) / h), the root mean square of the
    former, since a Gaussian column z has E (z_i z_j - G_ij)^2 = G_ii G_jj + G_ij^2. Source: P1, L1.
    """
    batches = [theory.draw(study, (p,)) for p in study.exponents]
    errors = [
        [[moment_error(study, theory.transformed(batch, a), law) for batch in batches] for a in changes(study)]
        for law in INITIALISATIONS
    ]
    rank = [effective_rank(batch.x_train @ batch.preconditioner @ batch.x_train.mT) for batch in batches]
    return {"isotropy_error": np.array(errors), "isotropy_noise": np.sqrt((1 + np.array(rank)) / UNITS)}


def moment_error(study: Study, batch: Batch, law: str) -> np.ndarray:
    """Return |C - sigma^2 G|_F / |sigma^2 G|_F [seeds] for one of INITIALISATIONS; see `isotropy`.

    Raises ValueError, naming the key, where P has no Cholesky factor.
    """
    x, p = batch.x_train, batch.preconditioner
    rngs = [seeding.generator(study.master_seed, "initialisation", seed) for seed in study.seeds]
    if law == "released":
        shape = (x.shape[-1], UNITS, 1, theory.INITIAL_SCALE)
        w = torch.as_tensor(np.stack([two_layer_relu.kaiming_uniform(rng, *shape)["weight1"] for rng in rngs]))
    else:
        normal = torch.as_tensor(np.stack([rng.standard_normal((x.shape[-1], UNITS)) for rng in rngs]))
        root, failed = torch.linalg.cholesky_ex(p)
        if failed.any():
            raise ValueError(
                f"theory.condition_number: {study.settings['condition_number']:g} makes P singular up to rounding for "
                "an exponent of the grid; allowed: P with a Cholesky factor; lower it, or leave out that exponent"
            )
        w = root @ normal
    c, g = x @ (w @ w.mT / UNITS) @ x.mT, x @ p @ x.mT
    if law == "released":
        g = g * ((c * g).sum(dim=(1, 2)) / g.square().sum(dim=(1, 2)))[:, None, None]
    return ((c - g).norm(dim=(1, 2)) / g.norm(dim=(1, 2))).numpy()


def effective_rank(gram: Tensor) -> np.ndarray:
    """Return (tr G)^2 / |G|_F^2 [m], the number of equal eigenvalues that would give the same."""
    return (gram.diagonal(dim1=1, dim2=2).sum(dim=1) / gram.norm(dim=(1, 2))).square().numpy()
