"""The choice among candidates by successive halving: learning rates, with dampings or rho where a method has one.

All candidates train for a fifth of the steps, the better half of them to the end, from their start again, so that the
chosen one is trained as it will be. Source: Jamieson & Talwalkar 2016, arXiv 1502.07943; the fifth is our choice.
"""

import numpy as np

EARLY = 5  # part of the steps after which the worse half is dropped


def early(steps: int) -> int:
    """Return the number of steps that all candidates are trained for: a fifth, at least one."""
    return max(steps // EARLY, 1)


def scores(accuracy: np.ndarray) -> np.ndarray:
    """Return the mean accuracy over seeds [candidates] of [candidates, seeds].

    A diverged model (NaN) counts as worst, with accuracy 0. Source: design rule of this project (P1 is silent).
    """
    return np.nan_to_num(accuracy, nan=0.0).mean(axis=1)


def better_half(accuracy: np.ndarray) -> np.ndarray:
    """Return the indices, ascending, of the better half of the candidates [candidates, seeds], the larger where odd.

    At a tie those that come first.
    """
    count = len(accuracy) - len(accuracy) // 2
    return np.sort(np.argsort(-scores(accuracy), kind="stable")[:count])


def choose(accuracy: np.ndarray) -> int:
    """Return the index of the candidate with the best mean accuracy [candidates, seeds]; the first at a tie."""
    return int(scores(accuracy).argmax())


def at_edge(values: np.ndarray, chosen: int) -> bool:
    """Return whether the chosen one of the values [candidates] is the smallest or largest of three or more.

    Of two values either is an end, which says nothing.
    """
    return len(np.unique(values)) > 2 and values[chosen] in (values.min(), values.max())
