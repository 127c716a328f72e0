"""When a costly part of an optimiser's state is computed anew."""

from torch import Tensor


def due(count: Tensor, interval: int) -> bool:
    """Return whether what is kept is refreshed in the update that follows `count` [m, 1, 1] others.

    Always in the first 16, then where the count is a multiple of the greatest power of two up to its eighth, or of the
    interval, a power of two, where that is less. So nothing is older than the interval, nor than an eighth of the
    training so far: it changes fastest early on. The models of a batch are in step, so the first one's count is that
    of all. Source: chosen here.
    """
    made = int(count.flatten()[0])
    return made % min(interval, 2 ** max(made.bit_length() - 4, 0)) == 0
