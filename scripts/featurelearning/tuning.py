"""The choice of a learning rate."""

import numpy as np


def choose_rate(accuracy: np.ndarray) -> int:
    """Return the index of the learning rate with the best mean accuracy [rates, seeds]; the smaller one at a tie.

    A diverged model (NaN) counts as worst, with accuracy 0. Source: design rule of this project (P1 is silent).
    """
    return int(np.nan_to_num(accuracy, nan=0.0).mean(axis=1).argmax())
