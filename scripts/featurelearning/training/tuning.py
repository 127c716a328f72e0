"""The choice among candidates: learning rates, with dampings or rho where a method has one."""

import numpy as np


def choose(accuracy: np.ndarray) -> int:
    """Return the index of the candidate with the best mean accuracy [candidates, seeds]; the first at a tie.

    A diverged model (NaN) counts as worst, with accuracy 0. Source: design rule of this project (P1 is silent).
    """
    return int(np.nan_to_num(accuracy, nan=0.0).mean(axis=1).argmax())


def at_edge(values: np.ndarray, chosen: int) -> bool:
    """Return whether the chosen one of the values [candidates] is the smallest or largest of three or more.

    Of two values either is an end, which says nothing.
    """
    return len(np.unique(values)) > 2 and values[chosen] in (values.min(), values.max())
