"""SOAP against a plain loop over one matrix, in a situation in which its bases are unique; its limits and invariances.

Where a factor has an eigenvalue twice, zero for example, any basis of its space will do, and rounding chooses one.
"""

import numpy as np
import pytest
import torch
from torch import Tensor

from featurelearning.optimizers import adam, soap
from featurelearning.optimizers.problem import Problem
from references import assert_close

M, K, STEPS = 3, 4, 35


def draws(steps: int = STEPS, rows: int = K, columns: int = K) -> list[dict[str, Tensor]]:
    """Return gradients that have a mean, so that the averages have something to find."""
    rng = np.random.default_rng(44)
    mean = {"weight1": rng.normal(size=(M, rows, columns)), "bias1": rng.normal(size=(M, 1, columns))}
    return [{key: torch.tensor(g + rng.normal(size=g.shape)) for key, g in mean.items()} for _ in range(steps)]


def run(gradients: list[dict[str, Tensor]]) -> tuple[list[dict[str, Tensor]], dict]:
    """Return every step and the last state."""
    params = {key: torch.zeros_like(value) for key, value in gradients[0].items()}
    state, steps = soap.init(params, Problem()), []
    for g in gradients:
        step, state = soap.update(g, state, params, Problem())
        steps.append(step)
    return steps, state


def average(past: list[np.ndarray]) -> np.ndarray:
    """Return the moving average from zero of rate 0.05, by its sum."""
    return sum(0.05 * 0.95**age * value for age, value in enumerate(reversed(past)))


def reference(gradients: list[np.ndarray], ql: np.ndarray, qr: np.ndarray) -> list[np.ndarray]:
    """Return the steps for one matrix from the bases after the first; all squares in V's average are permuted."""
    pasts = [gradients[: t + 1] for t in range(len(gradients))]
    left = [average([g @ g.T for g in past]) for past in pasts]
    right = [average([g.T @ g for g in past]) for past in pasts]
    squares, steps = [], [np.zeros_like(gradients[0])]
    for t in range(1, len(gradients)):
        squares.append((ql.T @ gradients[t] @ qr) ** 2)
        mean, square = average(gradients[1 : t + 1]), average(squares)
        inside = (ql.T @ mean @ qr) / (1 - 0.95**t) / ((np.sqrt(square) + 1e-8) / np.sqrt(1 - 0.95**t))
        steps.append(ql @ inside @ qr.T)
        if t % 10 == 0:
            rows, columns = (np.argsort(-np.diag(q.T @ f @ q)) for q, f in ((ql, left[t]), (qr, right[t])))
            ql, qr = np.linalg.qr(left[t] @ ql[:, rows])[0], np.linalg.qr(right[t] @ qr[:, columns])[0]
            squares = [old[rows][:, columns] for old in squares]
    return steps


@pytest.mark.parametrize("shape", [(4, 4), (4, 7), (7, 3), (1, 5)])
def test_steps_are_those_of_a_plain_loop(shape):
    gradients = draws(STEPS, *shape)
    found, _ = run(gradients)
    _, state = run(gradients[:1])
    for model in range(M):
        bases = [state[basis]["weight1"][model].numpy() for basis in soap.BASES.values()]
        for side, q in zip(soap.BASES, bases, strict=True):
            assert_close(q.T @ q, np.eye(len(q)))
            values = q.T @ state[side]["weight1"][model].numpy() @ q
            assert_close(values, np.diag(np.diag(values)))
        wanted = reference([g["weight1"][model].numpy() for g in gradients], *bases)
        for one, other in zip(found, wanted, strict=True):
            assert_close(one["weight1"][model], other)


def test_the_first_update_stays_and_biases_take_adams_steps(monkeypatch):
    for name in ("BETA1", "BETA2"):
        monkeypatch.setattr(adam, name, 0.95)
    gradients = draws()
    found, _ = run(gradients)
    assert not any(value.any() for value in found[0].values())
    state = adam.init(gradients[0], Problem())
    for g, one in zip(gradients[1:], found[1:], strict=True):
        step, state = adam.update(g, state, g, Problem())
        assert_close(one["bias1"], step["bias1"], 1e-6)  # eps stands before the correction here, and after it there


def test_bases_are_orthogonal_and_become_the_eigenvectors_of_constant_factors():
    """One iteration every ten updates: after many the factors are diagonal in the bases."""
    [gradient] = draws(1)
    _, state = run([gradient] * 400)
    for side, basis in soap.BASES.items():
        q, factor = state[basis]["weight1"], state[side]["weight1"]
        assert_close(q.mT @ q, torch.eye(K, dtype=q.dtype).expand(M, K, K))
        values = q.mT @ factor @ q
        assert_close(values, torch.diag_embed(torch.linalg.eigvalsh(factor).flip(-1)), 1e-8)


def test_rotations_of_inputs_and_outputs_go_through():
    """R G S^T for every gradient gives R step S^T: the method knows no axes, where Adam does."""
    gradients = draws()
    rng = np.random.default_rng(45)
    r, s = (torch.linalg.qr(torch.tensor(rng.normal(size=(M, K, K))))[0] for _ in range(2))
    wanted, _ = run(gradients)
    found, _ = run([{**g, "weight1": r @ g["weight1"] @ s.mT} for g in gradients])
    for one, other in zip(found, wanted, strict=True):
        assert_close(one["weight1"], r @ other["weight1"] @ s.mT)


def test_bases_change_in_every_tenth_update():
    params, state, changed = {"weight1": torch.zeros(M, K, K, dtype=torch.float64)}, None, []
    for made, g in enumerate(draws(32)):
        g = {"weight1": g["weight1"]}
        state = state or soap.init(params, Problem())
        _, new = soap.update(g, state, params, Problem())
        if not torch.equal(new["left_basis"]["weight1"], state["left_basis"]["weight1"]):
            changed.append(made)
        state = new
    assert changed == [0, 10, 20, 30]


@pytest.mark.parametrize("first", [0, 3, 10])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e200])
def test_a_diverged_model_raises_nothing_and_harms_no_other(bad, first):
    gradients = draws(14)
    wanted, _ = run(gradients)
    spoilt = [
        g if t < first else {key: value.index_fill(0, torch.tensor([1]), bad) for key, value in g.items()}
        for t, g in enumerate(gradients)
    ]
    found, _ = run(spoilt)
    for one, other in zip(found, wanted, strict=True):
        for key in one:
            assert_close(one[key][[0, 2]], other[key][[0, 2]])
    assert not found[-1]["weight1"][1].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_steps_and_state_keep_shape_and_type(dtype):
    gradients = [{key: value.to(dtype) for key, value in g.items()} for g in draws(12, 5, 6)]
    before = soap.init(gradients[0], Problem())
    kept = [{key: value.clone() for key, value in g.items()} for g in gradients]
    steps, after = run(gradients)
    assert all(torch.equal(g[key], value) for g, old in zip(gradients, kept, strict=True) for key, value in old.items())
    assert layout(steps[-1]) == layout(gradients[0])
    assert {key: layout(group) for key, group in after.items()} == {key: layout(group) for key, group in before.items()}


def layout(tree: dict[str, Tensor]) -> dict[str, tuple]:
    return {key: (value.shape, value.dtype) for key, value in tree.items()}
