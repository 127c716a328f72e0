"""Muon: the step is Nesterov's momentum with its singular values set to about 1 (Jordan et al. 2024).

v <- mu v + g; u = g + mu v; step = sqrt(max(1, fan_out / fan_in)) O(u), with O(u) close to U V^T of u = U S V^T. A bias
is taken for the weights of one input that is always 1, as in K-FAC, so that its step is its direction; Jordan et al.
leave biases and the last layer to Adam, which would be a second method. As in torch.optim.Muon weight decay is
decoupled; unlike there, the iteration is in the type of the parameters, not in bfloat16.
"""

import torch
from torch import Tensor

from featurelearning.networks.dense import Params
from featurelearning.optimizers.problem import Problem, State

LABEL = "Muon"

MOMENTUM, STEPS, EPSILON = 0.95, 5, 1e-7
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
    """Return U f(S / |S|) V^T of matrices U S V^T [m, a, b] by five steps X <- a X + (b X X^T + c (X X^T)^2) X.

    The quintic's slope at 0 is 3.4, so that five steps lift singular values from 0.003 of the Frobenius norm |S| on to
    0.7 to 1.2, where they stay: not to 1, which would take smaller slopes and more steps.
    """
    a, b, c = COEFFICIENTS
    x = matrix.mT if matrix.shape[1] > matrix.shape[2] else matrix  # the smaller Gram matrix
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=EPSILON)
    for _ in range(STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if matrix.shape[1] > matrix.shape[2] else x
