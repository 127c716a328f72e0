"""L-BFGS beside torch's, beside dense inverse Hessians in numpy, and beside the conditions that define its search."""

import functools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from featurelearning.networks import dense, two_layer_relu
from featurelearning.optimizers import lbfgs
from featurelearning.optimizers.problem import Gradients, Problem
from reference_lbfgs import Minimiser, wolfe
from references import EXACT, assert_close, network, random_params

M, D, H, N = 3, 4, 6, 15


class Counted:
    """An objective that counts its evaluations."""

    def __init__(self, objective: Gradients) -> None:
        self.objective, self.calls = objective, 0

    def __call__(self, params: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        self.calls += 1
        return self.objective(params)


@pytest.fixture
def task() -> tuple[dict[str, Tensor], Tensor, Tensor]:
    rng = np.random.default_rng(50)
    return (
        random_params(rng, M, D, H),
        torch.tensor(rng.standard_normal((M, N, D))),
        torch.tensor(rng.normal(size=(M, N))),
    )


def mse(x: Tensor, y: Tensor) -> Gradients:
    return functools.partial(dense.autograd_gradients, x=x, y=y, loss=two_layer_relu.mean_squared_error)


def quadratic(p: int = 12, condition: float = 10.0) -> tuple[Gradients, Tensor, Tensor]:
    """Return w -> (w - c)^T A (w - c) / 2 of each model, with A [m, p, p] and c [m, p, 1]."""
    rng = np.random.default_rng(51)
    q = np.linalg.qr(rng.standard_normal((M, p, p)))[0]
    a = torch.tensor(q * np.geomspace(1, condition, p) @ q.swapaxes(1, 2))
    c = torch.tensor(rng.standard_normal((M, p, 1)))

    def objective(at: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        off = at["w"] - c
        return (off * (a @ off)).sum(dim=(1, 2)) / 2, {"w": a @ off}

    return objective, a, c


def energy(a: Tensor, off: Tensor) -> Tensor:
    return (off.T @ a @ off).sum() / 2


def of_torch(a: Tensor, c: Tensor, **options) -> tuple[Tensor, Callable[[], Tensor]]:
    """Return w = 0 of one model and the function that makes torch's step of it."""
    w = torch.zeros_like(c, requires_grad=True)
    limits = {"tolerance_grad": 0, "tolerance_change": 0, "history_size": lbfgs.HISTORY}
    optimizer = torch.optim.LBFGS([w], **limits, **options)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = energy(a, w - c)
        loss.backward()
        return loss

    return w, functools.partial(optimizer.step, closure)


def follow(objective: Gradients, params: dict[str, Tensor], steps: int, rate: float = 1.0):
    """Yield the parameters, the step from there and the state after it, for every update of the contract's loop."""
    problem = Problem(objective=objective)
    state = lbfgs.init(params, problem)
    for _ in range(steps):
        step, state = lbfgs.update(objective(params)[1], state, params, problem)
        yield params, step, state
        params = {key: value - rate * step[key] for key, value in params.items()}


def row(tree: dict[str, Tensor], model: int) -> np.ndarray:
    return np.concatenate([value[model].numpy().ravel() for value in tree.values()])


def function(params: dict[str, Tensor], x: Tensor, y: Tensor, model: int):
    """Return the mean squared error of one network and its gradient as a function of a vector, by torch's modules."""
    net, order = network(params, model), ("0.weight", "0.bias", "2.weight", "2.bias")

    def f(vector: np.ndarray) -> tuple[float, np.ndarray]:
        start, leaves = 0, dict(net.named_parameters())
        for key, name in zip(params, order, strict=True):
            shape, leaf = params[key].shape[1:], leaves[name]
            part = torch.tensor(vector[start : start + leaf.numel()]).reshape(shape)
            leaf.data, start = (part.mT if "weight" in name else part[0]).contiguous(), start + leaf.numel()
        net.zero_grad()
        loss = ((net(x[model])[:, 0] - y[model]) ** 2).mean()
        loss.backward()
        return loss.item(), np.concatenate([leaves[name].grad.t().numpy().ravel() for name in order])

    return f


@pytest.mark.parametrize("rate", [1.0, 0.5, 0.02])
def test_every_step_is_that_of_the_dense_matrices(task, rate):
    """Asked at the same place each time: at a rate of 1, fifty free steps multiply rounding by 1e6."""
    params, x, y = task
    minimisers = [Minimiser() for _ in range(M)]
    functions = [function(params, x, y, model) for model in range(M)]
    for at, step, _ in follow(mse(x, y), params, 50, rate):
        for model in range(M):
            assert_close(-row(step, model), minimisers[model].move(functions[model], row(at, model)))
    assert all(len(minimiser.pairs) == lbfgs.HISTORY for minimiser in minimisers)


def test_directions_are_those_of_torch():
    """torch goes its way without a line search; we are told of its places, and our direction is its move.

    Far from the minimum: torch drops a pair where s.y <= 1e-10, whatever the sizes of s and y.
    """
    objective, a, c = quadratic(condition=100.0)
    problem = Problem(objective=objective)
    trails = []
    for model in range(M):
        w, step = of_torch(a[model], c[model], lr=1, max_iter=1)
        trail = [w.detach().clone()]
        for _ in range(20):
            step()
            trail.append(w.detach().clone())
        trails.append(torch.stack(trail))
    places = torch.stack(trails, dim=1)  # [step, model, p, 1]
    state = lbfgs.init({"w": places[0]}, problem)
    for place, after in zip(places, places[1:], strict=False):
        gradients = objective({"w": place})[1]
        _, state = lbfgs.update(gradients, state, {"w": place}, problem)
        found = lbfgs.direction(gradients["w"][..., 0], *state["history"].values())
        for model in range(M):
            assert_close(found[model], (after - place)[model, :, 0])
    assert (state["history"]["s"][:, 0] != 0).any(dim=1).all()  # more pairs than places for them


def test_a_quadratic_is_solved_like_torch_does():
    """To the same value in as many steps; torch's own search then ends 1e-10 beside the minimum, ours goes on."""
    objective, a, c = quadratic()
    start, steps = torch.zeros_like(c), 40
    *_, (at, _, _) = follow(objective, {"w": start}, steps + 1)
    for model in range(M):
        w, step = of_torch(a[model], c[model], max_iter=steps, max_eval=1000, line_search_fn="strong_wolfe")
        step()
        first = energy(a[model], start[model] - c[model])
        assert energy(a[model], w.detach() - c[model]) < EXACT * first
        assert energy(a[model], at["w"][model] - c[model]) < EXACT * first
        assert_close(at["w"][model], c[model])


def test_a_head_on_frozen_features_is_solved(task):
    """Least squares in the second layer with an L2 term: the normal equations give the minimum."""
    params, x, y = task
    features = torch.cat([two_layer_relu.hidden(params, x), torch.ones(M, N, 1, dtype=x.dtype)], dim=-1)
    gram = features.mT @ features * (2 / N) + 0.1 * torch.eye(H + 1, dtype=x.dtype)
    target = features.mT @ y[..., None] * (2 / N)

    def objective(at: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        losses, found = mse(x, y)({**params, **at})
        penalty = 0.05 * sum(at[key].square().sum(dim=(1, 2)) for key in at)
        return losses + penalty, {key: found[key] + 0.1 * at[key] for key in at}

    *_, (at, _, _) = follow(objective, {key: params[key] for key in ("weight2", "bias2")}, 31)
    wanted = torch.linalg.solve(gram, target)
    found = torch.cat([at["weight2"], at["bias2"]], dim=1)

    def value(w: Tensor) -> Tensor:
        return ((features @ w)[..., 0] - y).square().mean(dim=1) + 0.05 * w.square().sum(dim=(1, 2))

    assert_close(value(found), value(wanted))
    assert_close(found, wanted, EXACT**0.5)  # flat at the minimum: the place to the root of that


def test_an_accepted_step_meets_both_wolfe_conditions(task):
    params, x, y = task
    functions, counted = [function(params, x, y, model) for model in range(M)], Counted(mse(x, y))
    for at, step, state in follow(counted, params, 60):
        assert not state["count"]["failures"].any()
        for model in range(M):
            place, move = row(at, model), -row(step, model)
            (before, g), (after, there) = functions[model](place), functions[model](place + move)
            assert after <= before + 1e-4 * g @ move and g @ move < 0
            assert there @ move >= 0.9 * g @ move
    assert counted.calls > 3 * 60  # the gradient, the value, a first trial: some searches went on


def test_the_decrease_asked_for_is_c1_of_the_slope():
    """f = w + b w^2 / 2 from 0 along -1: at t = 1 it is b / 2 - 1, to be at most -1e-4."""
    b = torch.tensor([1.9999, 1.9997], dtype=torch.float64).reshape(2, 1, 1)
    params = {"w": torch.zeros_like(b)}
    [(_, step, _)] = follow(lambda at: ((at["w"] + b * at["w"] ** 2 / 2)[:, 0, 0], {"w": 1 + b * at["w"]}), params, 1)
    np.testing.assert_array_equal(step["w"].flatten(), [1 / 2, 1])


def test_trial_points_without_a_value_are_beyond_the_end_and_the_search_is_the_one_by_hand():
    """f = 3 w - log w, infinite at 0 and undefined below; the first direction is -1.

    From 1: t = 1 infinite, 1/2 has f = 2.19 < 3 and slope 1. From 1/2: t = 1 undefined, 1/2 infinite, 1/4 has
    f = 2.136 < 2.193 and slope -1.
    """

    def objective(at: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        return (3 * at["w"] - at["w"].log())[:, 0, 0], {"w": 3 - 1 / at["w"]}

    objective = Counted(objective)
    params = {"w": torch.tensor([[[1.0]], [[0.5]]], dtype=torch.float64)}
    [(_, step, _)] = follow(objective, params, 1)
    np.testing.assert_array_equal(step["w"].flatten(), [1 / 2, 1 / 4])
    assert objective.calls == 1 + 1 + 3


def test_where_no_point_meets_both_conditions_it_is_the_farthest_that_meets_armijos():
    """f = w has Armijo's decrease everywhere and its slope nowhere less steep: t doubles to the last trial."""
    params = {"w": torch.zeros(M, 1, 1, dtype=torch.float64)}
    [(_, step, state)] = follow(lambda at: (at["w"][:, 0, 0], {"w": torch.ones_like(at["w"])}), params, 1)
    assert (step["w"] == 2.0 ** (lbfgs.TRIALS - 1)).all() and not state["count"]["failures"].any()


def test_where_no_point_is_lower_the_model_stays_forgets_and_is_searched_no_more(task):
    """The gradient of model 1 points the wrong way from some step on; the others do not notice."""
    params, x, y = task
    wrong = torch.ones(M, 1, 1, dtype=x.dtype)

    def objective(at: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        values, found = mse(x, y)(at)
        return values, {key: wrong * value for key, value in found.items()}

    counted = Counted(objective)
    calls, trail = [], []
    for i, (at, step, state) in enumerate(follow(counted, params, 12)):
        trail.append((at, step, state))
        wrong[1] = 1 if i < 4 else -1
        calls.append(counted.calls)
    for at, step, state in trail[5:]:
        assert not row(step, 1).any() and not any(pairs[1].any() for pairs in state["history"].values())
        assert np.array_equal(row(at, 1), row(trail[5][0], 1))
    used = np.diff(calls)
    assert (used[4:6] == 2 + lbfgs.TRIALS).all() and used[6:].max() < 2 + lbfgs.TRIALS
    wrong[1] = 1
    for (_, step, _), (_, wanted, _) in zip(trail, follow(objective, params, 12), strict=True):
        for model in (0, 2):
            assert np.array_equal(row(step, model), row(wanted, model))


def test_after_a_failed_search_it_starts_again_from_the_gradient(task):
    params, x, y = task
    *_, (at, _, state) = follow(mse(x, y), params, 6)
    flipped = Problem(objective=lambda at: (mse(x, y)(at)[0], {k: -v for k, v in mse(x, y)(at)[1].items()}))
    step, state = lbfgs.update(flipped.objective(at)[1], state, at, flipped)
    assert all(not value.any() for value in step.values()) and (state["count"]["failures"] == 1).all()
    step, state = lbfgs.update(mse(x, y)(at)[1], state, at, Problem(objective=mse(x, y)))
    assert not state["count"]["failures"].any()
    for model in range(M):
        f, place = function(params, x, y, model), row(at, model)
        g = f(place)[1]
        first = -min(1, 1 / np.abs(g).sum()) * g
        assert_close(-row(step, model), wolfe(f, place, first)[0] * first)


def test_a_model_that_is_not_a_number_harms_no_other_and_costs_no_trial(task):
    params, x, y = task
    broken = y.clone()
    broken[1, 0] = torch.nan
    sound, ill = Counted(mse(x, y)), Counted(mse(x, broken))
    keep = [0, 2]
    pair = Counted(mse(x[keep], y[keep]))
    for (_, wanted, _), (_, found, state), (_, _, _) in zip(
        follow(sound, params, 20),
        follow(ill, params, 20),
        follow(pair, {key: value[keep] for key, value in params.items()}, 20),
        strict=True,
    ):
        assert np.isnan(row(found, 1)).any()
        for model in keep:
            assert np.array_equal(row(found, model), row(wanted, model))
            assert all(pairs[model].isfinite().all() for pairs in state["history"].values())
    assert ill.calls == pair.calls


def test_a_gradient_of_zero_gives_a_step_of_zero():
    params = {"w": torch.ones(M, 4, 1, dtype=torch.float64)}
    for _, step, state in follow(lambda at: (torch.zeros(M), {"w": torch.zeros_like(at["w"])}), params, 3):
        assert torch.equal(step["w"], torch.zeros_like(step["w"])) and not state["count"]["failures"].any()


def test_a_direction_that_is_no_descent_gives_way_to_the_gradient(task):
    """Pairs so large that their products overflow: no number comes out of the recursion."""
    params, x, y = task
    problem = Problem(objective=mse(x, y))
    state, gradients = lbfgs.init(params, problem), problem.objective(params)[1]
    large = {key: torch.full_like(pairs, 1e200) for key, pairs in state["history"].items()}
    assert lbfgs.direction(lbfgs.flat(gradients), **large).isnan().any()
    found, _ = lbfgs.update(gradients, state | {"history": large}, params, problem)
    wanted, _ = lbfgs.update(gradients, state, params, problem)
    for key in params:
        assert torch.equal(found[key], wanted[key])


def test_nor_is_one_whose_slope_overflows():
    """H = 1e250 and g = 1e30: the direction is a number, its slope is none."""
    params, g = {"w": torch.zeros(1, 1, 1, dtype=torch.float64)}, torch.full((1, 1, 1), 1e30, dtype=torch.float64)
    problem = Problem(objective=lambda at: (1e30 * at["w"][:, 0, 0], {"w": g}))
    state = lbfgs.init(params, problem)
    history = {"s": state["history"]["s"] + 1e250, "y": state["history"]["y"] + 1}
    assert_close(lbfgs.direction(g[..., 0], **history), [[-1e280]])
    found, wanted = (lbfgs.update({"w": g}, s, params, problem)[0] for s in (state | {"history": history}, state))
    assert torch.equal(found["w"], wanted["w"])


@pytest.mark.parametrize(
    "y, kept",
    [([1.0, 0.0], True), ([1e-5, 1.0], True), ([1e-7, 1.0], False), ([0.0, 1.0], False), ([-1.0, 0.0], False)],
)
@pytest.mark.parametrize("size", [1e-20, 1.0, 1e20])
def test_a_pair_is_kept_where_its_curvature_is_positive_whatever_its_size(y, kept, size):
    old = {key: torch.arange(2.0 * lbfgs.HISTORY, dtype=torch.float64).reshape(1, -1, 2) for key in ("s", "y")}
    new = torch.tensor([[size, 0.0]], dtype=torch.float64), size * torch.tensor([y], dtype=torch.float64)
    for found, before, last in zip(lbfgs.remember(old, *new), old.values(), new, strict=True):
        assert torch.equal(found, torch.cat([before[:, 1:], last[:, None]], dim=1) if kept else before)
