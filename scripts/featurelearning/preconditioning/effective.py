"""Which power of the covariance a method acts like: the exponent p that best explains its steps of the first layer.

With P = Sigma^p a step is u_k = lambda_k^p g_k along each eigen-direction, so that p is the slope of log(|u_k| / |g_k|)
on log lambda_k (`features.effective_exponent`). It is taken of
- what was accumulated, sum_s u_s = (W1(0) - W1(t)) / eta against sum_s g_s: effective_exponent. A fixed P passes
  through both sums, and so does an average over past gradients but for its last few: it is p for Sigma^p and, after
  some steps, 0 for momentum, which moves along past gradients and prefers no direction;
- one step alone, u_t against g_t: step_exponent. It says what a method does now, but a method with memory is compared
  with a gradient that it hardly follows any more where that gradient oscillates.
Sigma is the uncentred empirical covariance, the only one that a method sees. A method that works on coordinates acts
in its own way in each frame: in the population's eigenbasis, as in P1's synthetic task, or turned at random.
The exponent is one of the method on a task, not of the method alone: a step that does not grow with the gradient, as
Adam's, has a ratio that falls where the gradient is large, so that it depends on where the teacher lies. Here that is
direction 0, of the largest eigenvalue.
Source: derived here, for the claims that SAM is p = +1 and Adam p = -1/2.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from featurelearning.networks import features
from featurelearning.optimizers import diagonal_hessian, momentum, sam, sgd, shampoo, sophia
from featurelearning.preconditioning import equivariance, theory
from featurelearning.preconditioning.theory import FIXED, SEEING, Batch, Method, Study
from featurelearning.training.loop import schedule

KNOWN = (-1.0, -0.5, 1.0)  # exponents of sigma_power, for reference
METHODS = {  # rates of their own, for the loss to fall tenfold
    "sgd": Method(sgd),
    "momentum": Method(momentum, 0.005, {"momentum": 0.9}),
    **SEEING,
    "sam": Method(sam, hyperparameters={"rho": 0.05}),
    "diagonal_hessian": Method(diagonal_hessian, 0.03, {"p": -1.0}),
    **{name: equivariance.ADAPTIVE[name] for name in ("kfac_input", "kfac")},
    "shampoo": Method(shampoo, 0.1),
    "sophia": Method(sophia, 0.003),
}
FRAMES = ("eigenbasis", "turned")
RECORDS = 45  # fewer after rounding


def steps() -> np.ndarray:
    """Return the recorded steps, of which the last is the least number of steps that the checks train for."""
    return schedule(theory.LEAST["steps"], RECORDS)[1:]


def runs() -> Iterator[tuple[str, float, Method]]:
    """Yield the name of each method, the exponent of the P that its problem holds, and the method."""
    for p in KNOWN:
        yield f"sigma_power_p{p:+.2f}", p, FIXED
    for name, method in METHODS.items():
        yield name, 0.0, method


def effective(study: Study) -> dict[str, np.ndarray]:
    """Return effective_exponent and step_exponent [methods, frames, seeds, steps] of `runs` after each of `steps`.

    Raises ValueError, naming the method, where an exponent is not finite.
    """
    found = {}
    for name, p, method in runs():
        found[name] = exponents(study, framed(study, p), method).reshape(2, len(FRAMES), len(study.seeds), -1)
        if not np.isfinite(found[name]).all():
            raise ValueError(
                f"{name}: its effective exponent is not finite, since a model diverged or its gradient vanished; "
                "lower its learning rate in featurelearning/effective.py or change the section theory"
            )
    return dict(zip(("effective_exponent", "step_exponent"), np.stack([*found.values()], axis=1), strict=True))


def framed(study: Study, p: float) -> Batch:
    """Return the untrained models [frames * seeds] with P = Sigma^^p, in each frame the same ones."""
    turned = theory.draw(study, (0.0,))
    turned = turned._replace(preconditioner=torch.as_tensor(theory.empirical_power(turned.x_train.numpy(), p)))
    return theory.joined([theory.transformed(turned, theory.turns(study)[0].swapaxes(-1, -2)), turned])


def exponents(study: Study, batch: Batch, method: Method) -> np.ndarray:
    """Return the exponents [2, m, steps] of what was accumulated and of one step, after each of `steps`."""
    x, wanted = batch.x_train, set(steps())
    values, vectors = torch.linalg.eigh(x.mT @ x / x.shape[1])
    found, sums = [], (0.0, 0.0)
    for count, pair in enumerate(trail(study, batch, method), 1):
        sums = tuple(total + new for total, new in zip(sums, pair, strict=True))
        if count in wanted:
            seen = torch.stack([torch.stack(sums), torch.stack(pair)], dim=1)  # gradient and step, of either kind
            found.append(features.effective_exponent(*(vectors.mT @ seen).numpy(), values.numpy()))
    return np.stack(found, axis=-1)


def trail(study: Study, batch: Batch, method: Method) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the first layer's gradient and step [m, d, h] of each update, up to the last of `steps`."""
    gradients, problem, rate = theory.prepared(study, batch, method)
    params, state = batch.params, method.optimizer.init(batch.params, problem)
    for _ in range(steps()[-1]):
        found = gradients(params)[1]
        step, state = method.optimizer.update(found, state, params, problem)
        params = {key: value - rate * step[key] for key, value in params.items()}
        yield found["weight1"], step["weight1"]
