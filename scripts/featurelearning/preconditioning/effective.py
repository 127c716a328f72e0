"""Which power of the covariance a method acts like: the exponent p that best explains its steps of the first layer.

With P = Sigma^p a step is u_k = lambda_k^p g_k along each eigen-direction, so that p is the slope of log(|u_k| / |g_k|)
on log lambda_k (`features.effective_exponent`). It is taken of
- what was accumulated, sum_s u_s = (W1(0) - W1(t)) / eta against sum_s g_s: effective_exponent. A fixed P passes
  through both sums, and so does an average over past gradients but for its last few: it is p for Sigma^p and, after
  some steps, 0 for momentum, which moves along past gradients and prefers no direction;
- one step alone, u_t against g_t: step_exponent. It says what a method does now, but a method with memory is compared
  with a gradient that it hardly follows any more where that gradient oscillates.
Sigma is the uncentred empirical covariance, the only one that a method sees. A method that works on coordinates acts
in its own way in each frame: in the population's eigenbasis, as in P1's synthetic task, or rotated at random.
The exponent is one of the method on a task, not of the method alone: a step that does not grow with the gradient, as
Adam's, has a ratio that falls where the gradient is large, so that it depends on where the teacher lies. Here that is
direction 0, of the largest eigenvalue.
The methods are those that the configuration names: theory.methods, measured by effective.
Source: derived here, for the claims that SAM is p = +1 and Adam p = -1/2.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from featurelearning.networks import features
from featurelearning.optimizers import powers
from featurelearning.optimizers.problem import require_hyperparameters
from featurelearning.preconditioning import theory
from featurelearning.preconditioning.theory import FIXED, Batch, Method, Study
from featurelearning.training.loop import schedule
from featurelearning.training.methods import name_of

KNOWN = (-1.0, -0.5, 1.0)  # exponents of sigma_power, for reference
FRAMES = ("eigenbasis", "rotated")
RECORDS = 45  # fewer after rounding


def steps() -> np.ndarray:
    """Return the recorded steps, of which the last is the least number of steps that the checks train for."""
    return schedule(theory.LEAST["steps"], RECORDS)[1:]


def runs(study: Study) -> Iterator[tuple[str, float, Method]]:
    """Yield the name of each method, the exponent of the P that its problem holds, and the method."""
    for p in KNOWN:
        yield f"sigma_power_p{p:+.2f}", p, FIXED
    for name, method in theory.measured(study, "effective").items():
        yield name, 0.0, method


def effective(study: Study) -> dict[str, np.ndarray]:
    """Return effective_exponent and step_exponent [methods, frames, seeds, steps] of `runs` after each of `steps`.

    NaN where a method has not moved the first layer yet, as SOAP after its first update. Raises ValueError, naming the
    method, where another exponent is not finite.
    """
    found = {}
    for name, p, method in runs(study):
        values, moved = exponents(study, framed(study, p), method)
        found[name] = np.where(moved, values, np.nan).reshape(2, len(FRAMES), len(study.seeds), -1)
        if not np.isfinite(values[:, moved]).all():
            raise ValueError(
                f"{name}: its effective exponent is not finite, since a model diverged or its gradient vanished; "
                f"lower {method.rate} or change the section theory"
            )
    return dict(zip(("effective_exponent", "step_exponent"), np.stack([*found.values()], axis=1), strict=True))


def framed(study: Study, p: float) -> Batch:
    """Return the untrained models [frames * seeds] with P = Sigma^^p, in each frame the same ones."""
    rotated = theory.draw(study, (0.0,))
    rotated = rotated._replace(preconditioner=torch.as_tensor(theory.empirical_power(rotated.x_train.numpy(), p)))
    return theory.joined([theory.transformed(rotated, theory.rotations(study)[0].swapaxes(-1, -2)), rotated])


def exponents(study: Study, batch: Batch, method: Method) -> tuple[np.ndarray, np.ndarray]:
    """Return the exponents [2, m, steps] of what was accumulated and of one step, after each of `steps`.

    With them whether the first layer has been moved by then [m, steps].
    """
    x, wanted = batch.x_train, set(steps())
    values, vectors = torch.linalg.eigh(x.mT @ x / x.shape[1])
    values = powers.cleared(values.numpy())
    found, moved, sums = [], [], (0.0, 0.0)
    for count, pair in enumerate(trail(study, batch, method), 1):
        sums = tuple(total + new for total, new in zip(sums, pair, strict=True))
        if count in wanted:
            seen = torch.stack([torch.stack(sums), torch.stack(pair)], dim=1)  # gradient and step, of either kind
            found.append(features.effective_exponent(*(vectors.mT @ seen).numpy(), values))
            moved.append(sums[1].ne(0).flatten(1).any(dim=1).numpy())
    return np.stack(found, axis=-1), np.stack(moved, axis=-1)


def trail(study: Study, batch: Batch, method: Method) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the first layer's gradient and step [m, d, h] of each update, up to the last of `steps`."""
    rule = theory.prepared(study, batch, method)
    require_hyperparameters(name_of(rule.optimizer), rule.optimizer, rule.problem.hyperparameters)
    params, state = batch.params, rule.optimizer.init(batch.params, rule.problem)
    for _ in range(steps()[-1]):
        found = rule.gradients(params)[1]
        step, state = rule.optimizer.update(found, state, params, rule.problem)
        params = {key: value - rule.learning_rate * step[key] for key, value in params.items()}
        yield found["weight1"], step["weight1"]
