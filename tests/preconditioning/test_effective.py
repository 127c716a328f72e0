"""Effective exponents: known powers come out, methods that see no coordinates agree in any frame, torch agrees."""

import functools

import numpy as np
import pytest
import torch
from torch import nn

from defaults import theory_methods
from featurelearning.optimizers import kfac_input
from featurelearning.preconditioning import effective, theory, theory_checks
from references import EXACT, assert_close

SETTINGS = {"dimension": 4, "samples_train": 20, "samples_test": 12, "hidden": 16}
SETTINGS |= {"steps": 1000, "learning_rate": 0.02, "condition_number": 100, "methods": theory_methods()}
STUDY = theory.Study(42, range(2), SETTINGS, [])
NAMES = [name for name, _, _ in effective.runs(STUDY)]
KNOWN = {f"sigma_power_p{p:+.2f}": p for p in effective.KNOWN} | {"sgd": 0.0}
BLIND = ("momentum", "sam", "kfac_input", "kfac", "shampoo")  # to the coordinates of the inputs


@functools.cache
def found() -> dict[str, np.ndarray]:
    return effective.effective(STUDY)


def of(name: str, kind: str = "effective_exponent") -> np.ndarray:
    return found()[kind][NAMES.index(name)]


@pytest.mark.parametrize("kind", ["effective_exponent", "step_exponent"])
@pytest.mark.parametrize("name", KNOWN)
def test_a_power_of_the_covariance_has_its_exponent_at_every_step(name, kind):
    assert np.abs(of(name, kind) - KNOWN[name]).max() <= EXACT


def test_every_method_has_a_finite_exponent_in_each_frame_for_each_seed_and_step():
    assert list(found()) == ["effective_exponent", "step_exponent"]
    for values in found().values():
        assert values.shape == (len(NAMES), 2, 2, len(effective.steps()))
        unmoved = np.zeros(values.shape, bool)
        unmoved[NAMES.index("soap"), ..., 0] = True  # its first update finds the bases
        np.testing.assert_array_equal(np.isnan(values), unmoved)
        assert np.isfinite(values[~unmoved]).all()
    assert effective.steps()[0] == 1 and effective.steps()[-1] == 1000 and 35 <= len(effective.steps()) <= 45


@pytest.mark.parametrize("name", BLIND)
def test_methods_that_work_on_vectors_and_matrices_have_the_same_exponent_in_either_frame(name):
    for kind in found():
        assert_close(*of(name, kind))


def test_muon_has_the_same_exponent_in_either_frame_for_some_hundred_steps():
    """Its steps have one length: where others come to rest it hovers, and rounding grows."""
    assert effective.steps()[29] > 200
    for kind in found():
        assert_close(*of("muon", kind)[..., :30])


@pytest.mark.parametrize("name", ["adam", "adahessian", "diagonal_hessian", "sophia"])
def test_methods_that_work_on_coordinates_do_not(name):
    eigenbasis, rotated = of(name)
    assert (np.abs(eigenbasis - rotated)[:, -1] > 1e-2).all()


def test_momentum_prefers_no_direction_in_the_long_run():
    """A gradient of s updates ago has had the share 1 - mu^(s + 1) of its effect, so only the last few fall short."""
    assert (np.abs(of("momentum")[..., -1]) < 0.02).all()


@pytest.mark.parametrize(("name", "rule"), [("momentum", torch.optim.SGD), ("adam", torch.optim.Adam)])
@pytest.mark.parametrize("frame", range(2))
def test_exponents_are_those_of_torchs_own_optimisers(name, rule, frame):
    method, seed = theory.measured(STUDY, "effective")[name], 1
    batch = effective.framed(STUDY, 0.0)
    model = frame * 2 + seed
    x, y = batch.x_train[model], batch.y_train[model]
    net = theory_checks.network({key: value[model] for key, value in batch.params.items()})
    optimizer = rule(net.parameters(), lr=method.learning_rate, **method.hyperparameters)
    values, vectors = np.linalg.eigh(sum(np.outer(row, row) for row in x.numpy()) / len(x))

    def slope(step, gradient):
        ratio = [np.linalg.norm(u @ step) / np.linalg.norm(u @ gradient) for u in vectors.T]
        return np.polyfit(np.log(values), np.log(ratio), 1)[0]

    trail = [net[0].weight.detach().numpy().T.copy()]
    total, wanted = 0.0, []
    for _ in range(100):
        optimizer.zero_grad()
        nn.functional.mse_loss(net(x)[:, 0], y).backward()
        gradient = net[0].weight.grad.numpy().T.copy()
        optimizer.step()
        trail.append(net[0].weight.detach().numpy().T.copy())
        total = total + gradient
        wanted.append((slope(trail[0] - trail[-1], total), slope(trail[-2] - trail[-1], gradient)))
    early = effective.steps()[effective.steps() <= 100]
    for kind, exponents in zip(found(), np.array(wanted)[early - 1].T, strict=True):
        assert_close(of(name, kind)[frame, seed, : len(early)], exponents)


@pytest.mark.parametrize("damping", [0.01, 1e-6])
def test_the_input_factor_of_kfac_is_the_damped_inverse_where_the_bias_decouples(damping):
    """Inputs of mean 0 make the factor of [x, 1] block-diagonal, so that P = (Sigma^ + damping I)^-1 exactly.

    Its slope in log-log is -lambda / (lambda + damping), so that p + 1 is at most damping / (damping + least lambda).
    """
    batch = effective.framed(STUDY, 0.0)
    batch = batch._replace(x_train=batch.x_train - batch.x_train.mean(dim=1, keepdim=True))
    method = theory.Method(kfac_input, 0.003, {"damping": damping})
    values = np.linalg.eigvalsh(batch.x_train.mT.numpy() @ batch.x_train.numpy() / SETTINGS["samples_train"])
    wanted = [np.polyfit(np.log(one), -np.log(one + damping), 1)[0] for one in values]
    exponents, _ = effective.exponents(STUDY, batch, method)
    assert_close(exponents, np.broadcast_to(np.array(wanted)[:, None], exponents.shape))
    assert (exponents > -1).all() and (exponents + 1 < damping / (damping + values.min())).all()


def test_the_frames_hold_the_same_models_and_the_first_is_the_populations_eigenbasis():
    batch = effective.framed(STUDY, 0.5)
    eigenbasis, rotated = batch.x_train.reshape(2, 2, *batch.x_train.shape[1:]).numpy()
    v = theory.rotations(STUDY)[0]
    assert_close(eigenbasis, rotated @ v)
    for model in range(4):
        x = batch.x_train[model].numpy()
        p = batch.preconditioner[model].numpy()
        assert_close(p @ p, x.T @ x / len(x))
        z = x @ batch.params["weight1"][model].numpy()
        assert_close(z, (batch.x_train[model % 2] @ batch.params["weight1"][model % 2]).numpy())


def test_a_method_that_diverges_is_refused_by_name():
    hasty = {"id": "hasty", "method": "sgd", "measure": ["effective"], "learning_rate": np.nan, "hyperparameters": {}}
    message = "hasty: its effective exponent is not finite.*lower theory.methods.sgd.learning_rate or change"
    with pytest.raises(ValueError, match=message):
        effective.effective(STUDY._replace(settings=SETTINGS | {"methods": [hasty]}))
