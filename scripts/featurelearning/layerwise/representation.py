"""Linear representation learning: tasks y = F* G* x + noise, their batches, and how far a representation is from G*.

Inputs are x = Sigma^(1/2) z, z uniform on {-1, 1}^d, Sigma^(1/2) the symmetric root; G* [k, d] has orthonormal rows.
Of a batch of n samples every method here uses S = X^T X / n [d, d] and C = Y^T X / n [o, d] alone, batch
normalisation the means as well, so that one batch serves all methods and rates. Layout: s seeds, r models of each; G
[s, r, k, d], heads F [s, r, o, k]; what a seed has once is [s, ...] and is shared by its models.
Source: Zhang et al. 2025, arXiv 2502.01763, linear representation learning; the sizes are our choice.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Task(NamedTuple):
    """One task of each seed: root [s, d, d] of the covariance, head F* [s, o, k], representation G* [s, k, d]."""

    root: Tensor
    head: Tensor
    representation: Tensor


class Draw(NamedTuple):
    """What is random of a batch of n samples: signs [s, n, d], and the noise of the labels [s, n, o]."""

    signs: Tensor
    errors: Tensor


class Statistics(NamedTuple):
    """What a batch says: S [s, d, d], C [s, o, d], means of x [s, d] and y [s, o], and E|y|^2 [s]."""

    inputs: Tensor
    cross: Tensor
    input_mean: Tensor
    label_mean: Tensor
    label_square: Tensor


def spectrum(d: int, cond: float) -> np.ndarray:
    """Return d eigenvalues, geometric from the largest to the largest / cond, of mean 1."""
    values = cond ** -np.linspace(0, 1, d)
    return values / values.mean()


def orthogonal(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Draw orthonormal rows [rows, columns], uniform on the Stiefel manifold."""
    q, r = np.linalg.qr(rng.standard_normal((columns, rows)))
    return (q * np.sign(np.diag(r))).T


def covariance_root(rng: np.random.Generator, d: int, cond: float) -> np.ndarray:
    """Draw the symmetric root [d, d] of a covariance of that spectrum in a random basis."""
    basis = orthogonal(rng, d, d)
    return (basis.T * np.sqrt(spectrum(d, cond))) @ basis


def true_head(rng: np.random.Generator, o: int, k: int, fcond: float) -> np.ndarray:
    """Draw F* [o, k] with singular values geometric from the largest to the largest / fcond, |F*|_F^2 = k."""
    values = fcond ** -np.linspace(0, 1, k)
    values *= np.sqrt(k / (values**2).sum())
    return orthogonal(rng, k, o).T * values @ orthogonal(rng, k, k)


def start(rng: np.random.Generator, representation: np.ndarray, distance: float) -> np.ndarray:
    """Draw orthonormal rows [k, d] at a distance from G*, all of whose principal angles are alike."""
    k, d = representation.shape
    across = rng.standard_normal((k, d))
    across -= across @ representation.T @ representation
    away = np.linalg.qr(across.T)[0].T
    return np.sqrt(1 - distance**2) * representation + distance * away


def draw(rngs: Sequence[np.random.Generator], n: int, d: int, o: int, noise: float) -> Draw:
    """Draw a batch of n samples for each generator, of label noise with this standard deviation."""
    bits = [np.unpackbits(np.frombuffer(rng.bytes(-(-n * d // 8)), np.uint8), count=n * d) for rng in rngs]
    signs = 2.0 * np.stack(bits).reshape(-1, n, d) - 1
    errors = noise * np.stack([rng.standard_normal((n, o)) for rng in rngs])
    return Draw(torch.from_numpy(signs), torch.from_numpy(errors))


def samples(task: Task, drawn: Draw) -> tuple[Tensor, Tensor]:
    """Return the inputs [s, n, d] and the labels [s, n, o] of a batch."""
    x = drawn.signs @ task.root
    return x, x @ (task.head @ task.representation).mT + drawn.errors


def statistics(task: Task, drawn: Draw) -> Statistics:
    """Return the statistics of a batch, without making its inputs and labels."""
    signs, errors = drawn
    n, teacher = signs.shape[1], task.head @ task.representation
    whole = signs.float()  # a product of signs is an integer of at most n, which single precision holds
    inputs = task.root @ (whole.mT @ whole).double() @ task.root / n
    mixed = errors.mT @ signs @ task.root / n  # E[noise x^T]
    mean = (signs.mean(dim=1, keepdim=True) @ task.root)[:, 0]
    labels = (teacher @ mean[..., None])[..., 0] + errors.mean(dim=1)
    square = (teacher @ inputs * teacher + 2 * mixed * teacher).sum(dim=(1, 2)) + errors.square().sum(dim=(1, 2)) / n
    return Statistics(inputs, teacher @ inputs + mixed, mean, labels, square)


def orthonormal(g: Tensor) -> Tensor:
    """Return orthonormal rows that span those of G [..., k, d]."""
    return torch.linalg.qr(g.mT).Q.mT


def fitted_head(g: Tensor, batch: Statistics) -> Tensor:
    """Return the least-squares head F = C G^T (G S G^T)^-1 [s, r, o, k]."""
    s, c = batch.inputs[:, None], batch.cross[:, None]
    return torch.linalg.solve(g @ s @ g.mT, g @ c.mT).mT


def loss(g: Tensor, f: Tensor, batch: Statistics) -> Tensor:
    """Return E|y - F G x|^2 / 2 over the batch [s, r]."""
    product = f @ g
    explained = (product @ batch.inputs[:, None] - 2 * batch.cross[:, None]) * product
    return (batch.label_square[:, None] + explained.sum(dim=(-2, -1))) / 2


def gradient(g: Tensor, f: Tensor, batch: Statistics) -> Tensor:
    """Return the gradient of the loss in G, F^T (F G S - C) [s, r, k, d]."""
    return f.mT @ (f @ (g @ batch.inputs[:, None]) - batch.cross[:, None])


def distance(g: Tensor, task: Task) -> Tensor:
    """Return |G^ (I - G*^T G*)|_2 [s, r], G^ orthonormal rows that span G's: the sine of the largest angle."""
    rows, truth = orthonormal(g), task.representation[:, None]
    across = rows - rows @ truth.mT @ truth
    return torch.linalg.eigvalsh(across @ across.mT)[..., -1].clamp(min=0).sqrt()


def transfer_risk(g: Tensor, task: Task) -> Tensor:
    """Return the excess risk of the best head on G, over the variance of the signal [s, r]; population, no noise."""
    teacher, covariance = (task.head @ task.representation)[:, None], (task.root @ task.root)[:, None]
    across = teacher @ covariance @ g.mT
    signal = (teacher @ covariance * teacher).sum(dim=(-2, -1))
    kept = (torch.linalg.solve(g @ covariance @ g.mT, across.mT).mT * across).sum(dim=(-2, -1))
    return 1 - kept / signal
