"""First-layer preconditioning by a fixed matrix, W1 <- W1 - lr P dL/dW1, with P = Sigma^p (P1, update rule).

Every other parameter takes the plain gradient; no damping, averaging or normalisation. p = 0 is gradient descent.
"""

from featurelearning.networks.dense import Params
from featurelearning.optimizers.problem import Problem, State

LABEL = "$\\Sigma^{\\,p}$"


def init(params: Params, problem: Problem) -> State:
    """Return the empty state; raises ValueError where the preconditioner does not fit the first layer."""
    (m, d, _), dtype, p = params["weight1"].shape, params["weight1"].dtype, problem.preconditioner
    if p is None or p.shape not in ((m, d), (m, d, d)) or p.dtype != dtype:
        found = "none" if p is None else f"{list(p.shape)} of {p.dtype}"
        raise ValueError(f"preconditioner: found {found}; sigma_power needs [{m}, {d}] or [{m}, {d}, {d}] of {dtype}")
    return {}


def update(gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
    """Return the step: P times the first layer's gradient (P diagonal or full), the gradient elsewhere."""
    p, gradient = problem.preconditioner, gradients["weight1"]
    step = p[..., None] * gradient if p.ndim == 2 else p @ gradient
    return {**gradients, "weight1": step}, state
