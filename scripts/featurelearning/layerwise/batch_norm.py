"""Batch normalisation of the representation, without scale and shift, from the statistics of a batch.

h = (G x - mean) / s, s_i = sqrt(g_i Cov g_i^T + eps) with Cov = S - E[x] E[x]^T, all over the batch; the loss is
E|y - F h|^2 / 2. With H = diag(1/s) G, C' = C - E[y] E[x]^T and D = F^T (F H Cov - C') its gradient in row i of G is
    (D_i - (D_i . h_i) Cov h_i) / s_i.
Source: Ioffe & Szegedy 2015, arXiv 1502.03167; the form by statistics is derived here.
"""

import torch
from torch import Tensor

from featurelearning.layerwise.representation import Statistics

EPSILON = 1e-5


def centred(batch: Statistics) -> tuple[Tensor, Tensor]:
    """Return Cov [s, 1, d, d] and C' [s, 1, o, d]."""
    mean = batch.input_mean[:, None]
    return (batch.inputs - mean.mT @ mean)[:, None], (batch.cross - batch.label_mean[..., None] @ mean)[:, None]


def normalised(g: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Return H [s, r, k, d] and s [s, r, k, 1]."""
    scale = ((g @ covariance) * g).sum(dim=-1, keepdim=True).add(EPSILON).sqrt()
    return g / scale, scale


def fitted_head(g: Tensor, batch: Statistics) -> Tensor:
    """Return the least-squares head on the normalised representation [s, r, o, k]."""
    covariance, cross = centred(batch)
    h, _ = normalised(g, covariance)
    return torch.linalg.solve(h @ covariance @ h.mT, h @ cross.mT).mT


def loss(g: Tensor, f: Tensor, batch: Statistics) -> Tensor:
    """Return E|y - F h|^2 / 2 over the batch [s, r]."""
    covariance, cross = centred(batch)
    product = f @ normalised(g, covariance)[0]
    return (batch.label_square[:, None] + ((product @ covariance - 2 * cross) * product).sum(dim=(-2, -1))) / 2


def gradient(g: Tensor, f: Tensor, batch: Statistics) -> Tensor:
    """Return the gradient of the loss in G [s, r, k, d]."""
    covariance, cross = centred(batch)
    h, scale = normalised(g, covariance)
    inner = f.mT @ (f @ (h @ covariance) - cross)
    return (inner - (inner * h).sum(dim=-1, keepdim=True) * (h @ covariance)) / scale
