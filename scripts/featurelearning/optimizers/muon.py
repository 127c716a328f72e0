"""Muon: the step is Nesterov's momentum with its singular values set to about 1 (Jordan et al. 2024).

v <- mu v + g; u = g + mu v; step = sqrt(max(1, fan_out / fan_in)) O(u), with O(u) close to U V^T of u = U S V^T. Made
for the hidden weights of deep networks, it takes every weight here, and a bias as the weights of one input that is
always 1, which gives its step the direction of u; Jordan et al. leave the first and the last layer and all biases to
Adam, which would be a second method. As in torch.optim.Muon weight decay is decoupled; unlike there, the iteration is
in the type of the parameters, not in bfloat16, and no epsilon makes steps shrink where gradients are tiny.
"""

import torch
from torch import Tensor

from featurelearning.networks.dense import Params
from featurelearning.optimizers.problem import Problem, State

LABEL = "Muon"

MOMENTUM, STEPS = 0.95, 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
DECOUPLED = True


def init(params: Params, problem: Problem) -> State:
    """Return zero velocities."""
    return {"velocity": {key: torch.zeros_like(value) for key, value in params.items()}}


def update(gradients: Params, state: State, params: Params, problem: Problem) -> tuple[Params, State]:
    """Return the orthogonalised momentum as the step."""
    velocity = {key: MOMENTUM * state["velocity"][key] + g for key, g in gradients.items()}
    step = {key: scaled(orthogonalised(g + MOMENTUM * velocity[key])) for key, g in gradients.items()}
    return step, {"velocity": velocity}


def scaled(direction: Tensor) -> Tensor:
    """Return sqrt(max(1, fan_out / fan_in)) times a direction [m, fan_in, fan_out]."""
    fan_in, fan_out = direction.shape[1:]
    return max(1, fan_out / fan_in) ** 0.5 * direction


def orthogonalised(matrix: Tensor) -> Tensor:
    """Return U f(S / |S|) V^T of matrices U S V^T [m, k, l], f five times s <- a s + b s^3 + c s^5; zero stays zero.

    |S| is the Frobenius norm. f maps 0.0016 to 1 into 0.68 to 1.21 and comes no nearer to 1: the slope at 0 that lifts
    small singular values so fast leaves no fixed point there. A single row or column has S / |S| = 1, f(1) = 0.696, and
    needs no product: torch.compile would write the steps of one entry out as a single expression, of exponential size.
    """
    a, b, c = COEFFICIENTS
    x = matrix.mT if matrix.shape[1] > matrix.shape[2] else matrix  # the smaller Gram matrix
    largest = x.abs().amax(dim=(1, 2), keepdim=True)
    x = x / torch.where(largest > 0, largest, 1.0)  # no square overflows or vanishes; NaN stays
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=1)
    if x.shape[1] == 1:
        return lifted(1.0) * x.reshape(matrix.shape)
    for _ in range(STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if matrix.shape[1] > matrix.shape[2] else x


def lifted(s: float) -> float:
    """Return f of a singular value s; see `orthogonalised`."""
    a, b, c = COEFFICIENTS
    for _ in range(STEPS):
        s = a * s + b * s**3 + c * s**5
    return s
