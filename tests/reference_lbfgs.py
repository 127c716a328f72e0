"""Limited-memory BFGS of one function in numpy: dense inverse Hessians, a scalar line search."""

from collections.abc import Callable

import numpy as np
import torch

Function = Callable[[np.ndarray], tuple[float, np.ndarray]]


def inverse_hessian(pairs: list[tuple[np.ndarray, np.ndarray]], dimension: int) -> np.ndarray:
    """Return H after the BFGS update H <- (I - r s y^T) H (I - r y s^T) + r s s^T of every pair, r = 1 / s.y.

    It starts from s.y / y.y of the last pair times I. Source: Nocedal & Wright 2006, eq. 6.17.
    """
    eye = np.eye(dimension)
    s, y = pairs[-1]
    h = (s @ y) / (y @ y) * eye
    for s, y in pairs:
        r = 1 / (s @ y)
        h = (eye - r * np.outer(s, y)) @ h @ (eye - r * np.outer(y, s)) + r * np.outer(s, s)
    return h


def wolfe(f: Function, x: np.ndarray, d: np.ndarray) -> tuple[float, int]:
    """Return the first t of the bisection that meets both weak Wolfe conditions, and the trials it took.

    After 25 trials it is the last point with sufficient decrease, or 0.
    """
    value, gradient = f(x)
    lower, upper, t = 0.0, None, 1.0
    for trial in range(1, 26):
        new, there = f(x + t * d)
        if not new <= value + 1e-4 * t * (gradient @ d):
            upper = t
        elif there @ d < 0.9 * (gradient @ d):
            lower = t
        else:
            return t, trial
        t = 2 * lower if upper is None else (lower + upper) / 2
    return lower, 25


class Minimiser:
    """The method; what it knows is in `pairs`, oldest first."""

    def __init__(self, history: int = 10) -> None:
        self.history, self.pairs, self.last = history, [], None

    def move(self, f: Function, x: np.ndarray) -> np.ndarray:
        """Return the move t d from x, and remember x."""
        g = f(x)[1]
        if self.last is not None:
            s, y = x - self.last[0], g - self.last[1]
            if s @ y > 1e-6 * np.linalg.norm(s) * np.linalg.norm(y):
                self.pairs = [*self.pairs, (s, y)][-self.history :]
        self.last = x, g
        first = -min(1.0, 1 / np.abs(g).sum()) * g
        d = -inverse_hessian(self.pairs, len(x)) @ g if self.pairs else first
        t, _ = wolfe(f, x, d if g @ d < 0 else first)
        if t == 0:
            self.pairs = []
        return t * (d if g @ d < 0 else first)


class LBFGS(torch.optim.Optimizer):
    """The same as a torch optimiser with a learning rate, which multiplies the move."""

    def __init__(self, parameters, lr: float) -> None:
        super().__init__(parameters, {"lr": lr})
        self.minimiser = Minimiser()

    def step(self, closure) -> None:
        [group] = self.param_groups

        def put(x: np.ndarray) -> None:
            torch.nn.utils.vector_to_parameters(torch.tensor(x), group["params"])

        def f(x: np.ndarray) -> tuple[float, np.ndarray]:
            put(x)
            loss = closure().item()
            return loss, torch.cat([place.grad.reshape(-1) for place in group["params"]]).numpy()

        x = torch.nn.utils.parameters_to_vector(group["params"]).detach().numpy().copy()
        put(x + group["lr"] * self.minimiser.move(f, x))
