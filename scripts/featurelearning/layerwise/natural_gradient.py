"""Joint steps of (G, F) by a damped second-order matrix of all parameters: exact Gauss-Newton, and empirical Fisher.

Parameters are joined row by row, G [k, d] first, then F [o, k]. With f(x) = F G x the Gauss-Newton matrix E[J^T J] has
the blocks (F^T F) (x) S for G, I (x) G S G^T for F, and F[c, b] (G S)[a, j] between F's entry (c, a) and G's (b, j);
the block of G is K-FAC. The empirical Fisher is E[g g^T] over the gradients g of single samples, with their labels.
Source: Zhang et al. 2025, arXiv 2502.01763 (NGD); Kunstner et al. 2019, arXiv 1905.12558, on the empirical Fisher.
"""

import torch
from torch import Tensor

from featurelearning.layerwise.representation import Statistics


def joined(g: Tensor, f: Tensor) -> Tensor:
    """Return both as one vector [..., k d + o k]."""
    return torch.cat([g.flatten(-2), f.flatten(-2)], dim=-1)


def parted(joint: Tensor, g: Tensor, f: Tensor) -> tuple[Tensor, Tensor]:
    """Return a vector as G and F of these shapes."""
    first, second = joint.split([g[0, 0].numel(), f[0, 0].numel()], dim=-1)
    return first.unflatten(-1, g.shape[-2:]), second.unflatten(-1, f.shape[-2:])


def gradients(g: Tensor, f: Tensor, batch: Statistics) -> Tensor:
    """Return the gradient of E|y - F G x|^2 / 2 in both [s, r, k d + o k]."""
    residual = f @ (g @ batch.inputs[:, None]) - batch.cross[:, None]
    return joined(f.mT @ residual, residual @ g.mT)


def gauss_newton(g: Tensor, f: Tensor, batch: Statistics) -> Tensor:
    """Return the Gauss-Newton matrix [s, r, k d + o k, k d + o k]."""
    k, d = g.shape[-2:]
    o, inputs = f.shape[-2], batch.inputs[:, None]
    within = torch.einsum("srab,sij->sraibj", f.mT @ f, batch.inputs).flatten(-4, -3).flatten(-2)
    heads = torch.einsum("ce,srab->srcaeb", torch.eye(o, dtype=f.dtype), g @ inputs @ g.mT).flatten(-4, -3).flatten(-2)
    between = torch.einsum("srcb,sraj->srcabj", f, g @ inputs).reshape(*g.shape[:2], o * k, k * d)
    return torch.cat([torch.cat([within, between.mT], dim=-1), torch.cat([between, heads], dim=-1)], dim=-2)


def empirical_fisher(g: Tensor, f: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return the empirical Fisher matrix [s, r, k d + o k, k d + o k] of inputs x [s, n, d] and labels y [s, n, o]."""
    z = x[:, None] @ g.mT
    residual = z @ f.mT - y[:, None]
    of_g = (residual @ f)[..., :, None] * x[:, None, :, None, :]
    of_f = residual[..., :, None] * z[..., None, :]
    each = torch.cat([of_g.flatten(-2), of_f.flatten(-2)], dim=-1)
    return each.mT @ each / x.shape[1]


def step(matrix: Tensor, gradient: Tensor, damping: float) -> Tensor:
    """Return (matrix + damping I)^-1 gradient; NaN where that has no Cholesky factor."""
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype)
    root, failed = torch.linalg.cholesky_ex(matrix + damping * identity)
    return torch.where(failed[..., None] > 0, torch.nan, torch.cholesky_solve(gradient[..., None], root)[..., 0])
