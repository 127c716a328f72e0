"""Random signs that need no generator: each is a hash of its model's stream, the draw and its place.

So a run that goes on from a saved state draws on as before, a model draws the same in any shard and on any device, and
a compiled step can draw. All arithmetic is on 32-bit words that wrap around.
"""

import torch
from torch import Tensor

from featurelearning.networks.dense import Params

GOLDEN = 0x9E3779B9 - 2**32  # 2^32 / golden ratio, as a signed word: neighbouring draws get far-apart words
FACTORS = (0x21F0AAAD, 0xD35A2D97 - 2**32)  # of the mixer, of lowest known bias among those of two rounds


def mixed(word: Tensor) -> Tensor:
    """Return a bijection of 32-bit words (int32) in which every input bit moves about half of the output bits.

    Source: the two-round xorshift-multiply hash of C. Wellons' hash prospector; constants by T. Ettinger.
    """
    word = (word ^ ((word >> 16) & 0xFFFF)) * FACTORS[0]
    word = (word ^ ((word >> 15) & 0x1FFFF)) * FACTORS[1]
    return word ^ ((word >> 15) & 0x1FFFF)


def rademacher(streams: Tensor, draw: Tensor, like: Params) -> Params:
    """Return signs +-1, each with probability 1/2, in the layout of `like`.

    streams [m, 2] int32: two words a model; draw [m, 1, 1]: which draw it is, a whole number.
    """
    first, second = streams[:, 0, None, None], streams[:, 1, None, None]
    draw = draw.to(torch.int32)
    a, b = mixed(first + draw * GOLDEN), mixed(second ^ draw)
    signs, start = {}, 0
    for key, value in like.items():
        count = value[0].numel()
        place = torch.arange(start, start + count, dtype=torch.int32, device=value.device).reshape(value.shape[1:])
        bit = (mixed(mixed(place ^ a) + b) >> 31) & 1
        signs[key] = 1 - 2 * bit.to(value.dtype)
        start += count
    return signs
