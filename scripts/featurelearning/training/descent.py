"""The fast path on CPUs: many steps of preconditioned gradient descent in one call of a network's compiled code.

Steps of sigma_power have the same values as those of the general path, `loop.stepper`; all other methods go through it,
with the network's compiled gradients and Hessian products.
"""

import ctypes
from types import ModuleType

import torch
from torch import Tensor

from featurelearning.networks import dense
from featurelearning.networks.dense import Params
from featurelearning.optimizers.problem import State
from featurelearning.training.loop import Advance, finite


def stepper(
    kernels: ModuleType,
    code: ctypes.CDLL,
    x: Tensor,
    y: Tensor,
    preconditioner: Tensor,
    rate: Tensor,
    weight_decay: float,
) -> Advance:
    """Return the function that makes `count` updates of all models, like `loop.stepper` for sigma_power.

    kernels: a network's, code: what they build. x [m, n, d], y [m, n], preconditioner [m, d] or [m, d, d], rate one
    number or [m]; CPU tensors of one type.
    """
    m = len(x)
    fixed = [x, y, preconditioner, rate.reshape(-1).expand(m), torch.full((m,), weight_decay, dtype=x.dtype)]
    fixed = [value.contiguous() for value in fixed]

    def advance(params: Params, state: State, updates: Tensor, count: int) -> tuple[Params, State, Tensor]:
        new, done = kernels.descend(code, params, *fixed, count)
        # A model stops where its loss is not finite; if its parameters are not, its last update was not either.
        sound = finite(new)
        alive = sound & (done == count)
        new = {key: torch.where(dense.each(alive, value), value, torch.nan) for key, value in new.items()}
        return new, state, updates + done - (~sound & (done > 0)).to(torch.int32)

    return advance
