"""How one number is read off a recorded curve.

A power p changes the step size as well as the direction, so a fixed number of steps compares different amounts of
training. Beside the final step two further readings are taken: the best value over time, and the value at equal
training loss. Every function takes curves [..., steps] and is vectorised over the leading axes; a curve that holds a
NaN (a diverged model) reads as NaN.
"""

import numpy as np


def final(curve: np.ndarray) -> np.ndarray:
    """Return the last recorded value [...] of curves [..., steps]."""
    return np.asarray(curve, float)[..., -1]


def best_over_time(curve: np.ndarray) -> np.ndarray:
    """Return the smallest recorded value [...] of curves [..., steps], step 0 included."""
    return np.min(np.asarray(curve, float), axis=-1)


def at_equal_loss(
    train_a: np.ndarray, clean_a: np.ndarray, train_b: np.ndarray, clean_b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the two arms' clean errors [...] where each first reaches a training loss that both reach.

    The level is max(min train_a, min train_b), over the recorded steps. Between two records both curves of an arm are
    taken as linear in log step. No step is needed for it: the training loss falls from t0 to t1 and meets the level at
    the share w = (t0 - level) / (t0 - t1) of the way in log step, and the clean error is c0 + w (c1 - c0). An arm that
    starts at or below the level is read at step 0.

    All curves are [..., steps]; the two curves of an arm share their records. Source: derived here; the paper compares
    at a fixed number of steps.
    """
    level = np.maximum(best_over_time(train_a), best_over_time(train_b))
    return _where_reached(train_a, clean_a, level), _where_reached(train_b, clean_b, level)


READINGS = {"final": final, "best_over_time": best_over_time}


def _where_reached(train, clean, level):
    train, clean = np.asarray(train, float), np.asarray(clean, float)
    reached = train <= level[..., None]
    after = reached.argmax(-1)
    before = np.maximum(after - 1, 0)
    t0, t1, c0, c1 = (_pick(curve, at) for curve in (train, clean) for at in (before, after))
    share = np.divide(t0 - level, t0 - t1, out=np.ones_like(level), where=after > 0)
    return np.where(reached.any(-1), c0 + share * (c1 - c0), np.nan)


def _pick(curve, at):
    return np.take_along_axis(curve, at[..., None], axis=-1)[..., 0]
