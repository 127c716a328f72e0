"""Checks of P1's theory: what must be equal to rounding, controls that must differ, and what is reported."""

import functools
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from featurelearning.networks.dense import Params
from featurelearning.optimizers import adahessian, adam
from featurelearning.preconditioning import theory_spectra
from featurelearning.preconditioning.theory import (
    WEIGHT_DECAY,
    Batch,
    Method,
    Observation,
    Study,
    against,
    alike,
    draw,
    empirical_power,
    observe,
    rotations,
    stretch,
    transformed,
)

RATE = "its rate in theory_checks.py"
# Methods that see the coordinates of the inputs; rates of their own, for the loss to fall tenfold.
SEEING = {
    "adam": Method(adam, 0.01, rate=RATE),
    "adahessian": Method(adahessian, 0.03, {"p": -1.0}, RATE),
}


def rotation(study: Study) -> np.ndarray:
    """Check 1: inputs, P and W0 rotated together leave training unchanged [seeds]."""
    batch = draw(study)
    return alike(study, batch, transformed(batch, rotations(study)[1]))


def unrotated_preconditioner(study: Study) -> np.ndarray:
    """Control of check 1: with P left as it was the rotation is seen, so the comparison can fail [seeds]."""
    batch = draw(study)
    return alike(study, batch, transformed(batch, rotations(study)[1])._replace(preconditioner=batch.preconditioner))


def coordinate_wise(method: Method, study: Study) -> np.ndarray:
    """Control of check 1: a method that works on coordinates sees the rotation of inputs and W0 [seeds]."""
    batch = draw(study, (0.0,))
    return alike(study, batch, transformed(batch, rotations(study)[1]), method=method)


def invertible(study: Study, weight_decay: float = 0.0) -> np.ndarray:
    """Check 1, stronger: A = R D Q, far from a rotation, does too, with P' = A P A^T given explicitly [seeds]."""
    batch = draw(study)
    return alike(study, batch, transformed(batch, stretch(study)), weight_decay=weight_decay)


def gram_only(study: Study, weight_decay: float = 0.0) -> np.ndarray:
    """Check 2: pre-activations moved by Gram matrices alone follow the weight-space run [seeds]."""
    batch = draw(study)
    x, y = torch.cat([batch.x_train, batch.x_test], dim=1), torch.cat([batch.y_train, batch.y_test], dim=1)
    z, gram = x @ batch.params["weight1"], batch.x_train @ batch.preconditioner @ x.mT
    theta = [batch.params[key].mT for key in ("bias1", "weight2", "bias2")]
    rate = study.settings["learning_rate"]
    return against(study, batch, gram_simulation(z.mT, gram, y, *theta, rate, weight_decay), weight_decay)


def gram_simulation(
    z: Tensor, gram: Tensor, y: Tensor, b: Tensor, v: Tensor, c: Tensor, rate: float, weight_decay: float = 0.0
) -> Iterator[Observation]:
    """Yield what gradient descent does to Z <- Z - rate delta [G_tt, G_ts], before any update and after each.

    In the paper's layout and without X. Points are in columns, training points first: z [m, h, N], y [m, N], gram
    [m, n, N] from training points to all; f = v relu(z + b) + c with b [m, h, 1], v [m, 1, h], c [m, 1, 1]; delta =
    dL/dZ on the training points, L = (1/n) sum (f - y)^2. weight_decay acts on v: for W1 there is no such form.
    Source: P1, Theorem 1; biases derived here.
    """
    n = gram.shape[1]
    while True:
        u = z + b
        error = (v @ u.relu() + c)[:, 0] - y
        seen = {"bias1": b.mT, "second_layer": torch.cat([v.mT, c], dim=1)}
        for split, part in (("train", slice(n)), ("test", slice(n, None))):
            seen[f"{split}_preactivation"] = u[..., part].mT
            seen[f"{split}_output"] = (error + y)[:, part]
            seen[f"{split}_loss"] = (error[:, part] ** 2).mean(dim=1)
        yield seen
        r = (2 / n) * error[:, None, :n]
        delta = v.mT * r * (u[..., :n] > 0)
        v, c = v - rate * (r @ u[..., :n].relu().mT + weight_decay * v), c - rate * r.sum(dim=-1, keepdim=True)
        z, b = z - rate * delta @ gram, b - rate * delta.sum(dim=-1, keepdim=True)


def gradient_descent(study: Study) -> np.ndarray:
    """Check 5: p = 0 is gradient descent, as a plain torch loop does it, one model at a time [seeds]."""
    batch = draw(study, (0.0,))
    return against(study, batch, plain_loop(batch, study.settings["learning_rate"]))


def plain_loop(batch: Batch, rate: float) -> Iterator[Observation]:
    """Yield what torch.nn, autograd and torch.optim.SGD make of the models, before any update and after each."""
    networks = [network({key: value[i] for key, value in batch.params.items()}) for i in range(len(batch.y_train))]
    optimizers = [torch.optim.SGD(net.parameters(), lr=rate) for net in networks]
    while True:
        first, second = ([net[layer] for net in networks] for layer in (0, 2))
        params = {"weight1": torch.stack([layer.weight.T for layer in first])}
        params["bias1"] = torch.stack([layer.bias[None] for layer in first])
        params["weight2"] = torch.stack([layer.weight.T for layer in second])
        params["bias2"] = torch.stack([layer.bias[None] for layer in second])
        yield observe(params, batch)
        for net, optimizer, x, y in zip(networks, optimizers, batch.x_train, batch.y_train, strict=True):
            optimizer.zero_grad()
            with torch.enable_grad():
                nn.functional.mse_loss(net(x)[:, 0], y).backward()
            optimizer.step()


def network(params: Params) -> nn.Sequential:
    """Return one model in torch's own layers, whose weights are [h, d] and [1, h]."""
    d, h = params["weight1"].shape
    net = nn.Sequential(nn.Linear(d, h), nn.ReLU(), nn.Linear(h, 1)).double()
    state = {"0.weight": params["weight1"].T, "0.bias": params["bias1"][0]}
    net.load_state_dict({**state, "2.weight": params["weight2"].T, "2.bias": params["bias2"][0]})
    return net


def identity_covariance(study: Study) -> np.ndarray:
    """Check 5: inputs whitened to empirical covariance I make every p of the grid gradient descent [seeds]."""
    batch = draw(study, (0.0,))
    whiten = torch.as_tensor(empirical_power(batch.x_train.numpy(), -0.5))
    white = batch._replace(x_train=batch.x_train @ whiten, x_test=batch.x_test @ whiten)
    of_white = (torch.as_tensor(empirical_power(white.x_train.numpy(), p)) for p in study.exponents)
    identity = torch.eye(whiten.shape[-1], dtype=torch.float64).expand_as(whiten)
    return alike(study, *(white._replace(preconditioner=p) for p in (identity, *of_white)))


def with_decay(check: Callable[[Study, float], np.ndarray], study: Study) -> np.ndarray:
    """Return a check's deviation with the paper's L2 term switched on [seeds]."""
    return check(study, WEIGHT_DECAY / study.settings["samples_train"])


CHECKS = {  # name: function of a study, kind, bound
    "rotation": (rotation, "identity", 1e-10),
    "invertible": (invertible, "identity", 1e-10),
    "gram_only": (gram_only, "identity", 1e-10),
    "spectrum": (theory_spectra.spectrum, "identity", 1e-10),
    "gradient_descent": (gradient_descent, "identity", 1e-10),
    "identity_covariance": (identity_covariance, "identity", 1e-10),
    "mode_decay": (theory_spectra.mode_decay, "identity", 1e-10),
    "unrotated_preconditioner": (unrotated_preconditioner, "control", 1e-3),
    **{f"rotation_{name}": (functools.partial(coordinate_wise, m), "control", 1e-3) for name, m in SEEING.items()},
    "mode_flow": (theory_spectra.mode_flow, "report", np.nan),
    "weight_decay_invertible": (functools.partial(with_decay, invertible), "report", np.nan),
    "weight_decay_gram_only": (functools.partial(with_decay, gram_only), "report", np.nan),
}
