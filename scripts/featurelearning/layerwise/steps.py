"""Steps of G by the methods of linear representation learning, from the statistics of a batch; see `representation`.

With the gradient D = F^T (F G S - C) of the loss in G and the head F of the step before:
    sgd     D                           right   D S^-1
    left    (F^T F)^-1 D                kfac    (F^T F)^-1 D S^-1
after which the rows of G are made orthonormal and the head is fitted on the same batch. S is E[x x^T], K-FAC's factor
of the inputs, F^T F that of the outputs. Source: Zhang et al. 2025, arXiv 2502.01763, equation 5 with P_F = I.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from featurelearning.layerwise.representation import Statistics

Direction = Callable[[Tensor, Tensor, Statistics], Tensor]


def sgd(gradient: Tensor, f: Tensor, batch: Statistics) -> Tensor:
    """Return the gradient [s, r, k, d]."""
    return gradient


def right(gradient: Tensor, f: Tensor, batch: Statistics) -> Tensor:
    """Return the gradient times the inverse of the inputs' factor."""
    return torch.linalg.solve(batch.inputs[:, None], gradient, left=False)


def left(gradient: Tensor, f: Tensor, batch: Statistics) -> Tensor:
    """Return the inverse of the outputs' factor times the gradient."""
    return torch.linalg.solve(f.mT @ f, gradient)


def kfac(gradient: Tensor, f: Tensor, batch: Statistics) -> Tensor:
    """Return the gradient between both inverses."""
    return left(right(gradient, f, batch), f, batch)


DIRECTIONS: dict[str, Direction] = {"sgd": sgd, "right": right, "left": left, "kfac": kfac}
