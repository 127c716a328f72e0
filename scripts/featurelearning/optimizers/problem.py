"""The contract of an optimiser: what it is given, and the two functions that it is."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

from torch import Tensor

from featurelearning.networks.models import Params

State = dict[str, Params]
Gradients = Callable[[Params], tuple[Tensor, Params]]


class Problem(NamedTuple):
    """The fixed part of a training problem, of which each method takes what it needs.

    preconditioner: P of the first layer, [m, d] where it is diagonal (the run is in its eigenbasis) or [m, d, d].
    hyperparameters: by name, what a method lists in HYPERPARAMETERS; one number, or one per model [m, 1, 1].
    objective: params -> (values [m], gradients) of what is minimised, for methods that look beside the present place.
    hessian_product: (params, v) -> H v, with H the Hessian of each model's data term.
    inputs: the training inputs x [m, n, d]. output_root: outputs [m, n, o] -> S [m, n, o, r] with S S^T the Hessian of
    a sample's loss in its outputs; both for curvature in closed form, see `curvature`.
    streams: two words [m, 2] (int32) per model, which its random numbers come from.
    """

    preconditioner: Tensor | None = None
    hyperparameters: Mapping[str, float | Tensor] = MappingProxyType({})
    objective: Gradients | None = None
    hessian_product: Callable[[Params, Params], Params] | None = None
    inputs: Tensor | None = None
    output_root: Callable[[Tensor], Tensor] | None = None
    streams: Tensor | None = None


class Optimizer(Protocol):
    """A module of this package: the loop does params - learning_rate * step, so step size and method are apart.

    It may hold HYPERPARAMETERS, the names that it reads from the problem; EAGER = True where its update branches on
    its state, which torch.compile cannot follow; DECOUPLED = True where weight decay is no part of the objective, but
    is added to the step (Loshchilov & Hutter 2019).
    """

    def init(self, params: Params, problem: Problem) -> State:
        """Return the state before the first update."""

    def update(self, gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
        """Return the step and the new state, from the gradients of the objective at params; nothing is changed."""
