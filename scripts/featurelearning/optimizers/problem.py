"""The contract of an optimiser: what it is given, and the two functions that it is."""

from typing import NamedTuple, Protocol

from torch import Tensor

from featurelearning.models import Params

State = dict[str, Params]


class Problem(NamedTuple):
    """The fixed part of a training problem.

    preconditioner: P of the first layer, [m, d] where it is diagonal (the run is in its eigenbasis) or [m, d, d].
    momentum: decay of the velocity of heavy-ball momentum.
    """

    preconditioner: Tensor | None = None
    momentum: float = 0.0


class Optimizer(Protocol):
    """A module of this package: the loop does params - learning_rate * step, so step size and method are apart."""

    def init(self, params: Params, problem: Problem) -> State:
        """Return the state before the first update."""

    def update(self, gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
        """Return the step and the new state."""
