"""Linear representation learning: statistics against raw batches, steps against Kronecker products, exact rates."""

import functools

import numpy as np
import pytest
import torch
from torch import nn

from featurelearning.layerwise import batch_norm, natural_gradient, representation, steps
from featurelearning.layerwise.representation import Statistics, Task
from featurelearning.seeding import generator
from references import EXACT, assert_close

S, R, N, D, OUT, K = 2, 3, 60, 7, 5, 3  # seeds, models of each, samples, inputs, outputs, representation
NOISE = 0.1


@functools.cache
def task(cond: float = 30.0, fcond: float = 10.0) -> Task:
    rngs = [np.random.default_rng([9, seed]) for seed in range(S)]
    parts = [
        (
            representation.covariance_root(rng, D, cond),
            representation.true_head(rng, OUT, K, fcond),
            representation.orthogonal(rng, K, D),
        )
        for rng in rngs
    ]
    return Task(*(torch.from_numpy(np.stack(part)) for part in zip(*parts, strict=True)))


@functools.cache
def batch(n: int = N, noise: float = NOISE) -> tuple[Statistics, torch.Tensor, torch.Tensor]:
    drawn = representation.draw([np.random.default_rng([5, seed]) for seed in range(S)], n, D, OUT, noise)
    return representation.statistics(task(), drawn), *representation.samples(task(), drawn)


def models() -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(3)
    return torch.tensor(rng.standard_normal((S, R, K, D))), torch.tensor(rng.standard_normal((S, R, OUT, K)))


def raw_loss(g, f, x, y):
    """E|y - F G x|^2 / 2 of one model on raw samples."""
    return ((y - x @ g.T @ f.T) ** 2).sum(dim=1).mean() / 2


def test_the_spectrum_has_mean_one_and_its_condition_number():
    for cond in (1, 30, 1000):
        values = representation.spectrum(100, cond)
        assert values.mean() == pytest.approx(1) and values[0] / values[-1] == pytest.approx(cond)
        ratios = values[1:] / values[:-1]
        np.testing.assert_allclose(ratios, ratios[0])
    root = representation.covariance_root(np.random.default_rng(0), 6, 50)
    np.testing.assert_allclose(root, root.T, atol=1e-14)
    np.testing.assert_allclose(np.linalg.eigvalsh(root @ root)[::-1], representation.spectrum(6, 50))


def test_the_true_head_has_its_norm_and_condition_number():
    values = np.linalg.svd(representation.true_head(np.random.default_rng(0), 15, 8, 10))[1]
    assert (values**2).sum() == pytest.approx(8) and values[0] / values[-1] == pytest.approx(10)


def test_the_start_has_its_distance_in_every_direction():
    rng = np.random.default_rng(0)
    truth = representation.orthogonal(rng, K, D)
    g = representation.start(rng, truth, 0.8)
    np.testing.assert_allclose(g @ g.T, np.eye(K), atol=1e-14)
    np.testing.assert_allclose(np.linalg.svd(g @ truth.T)[1], 0.6)


def test_statistics_are_those_of_the_raw_batch():
    found, x, y = batch()
    assert_close(found.inputs, x.mT @ x / N)
    assert_close(found.cross, y.mT @ x / N)
    assert_close(found.input_mean, x.mean(dim=1))
    assert_close(found.label_mean, y.mean(dim=1))
    assert_close(found.label_square, y.square().sum(dim=2).mean(dim=1))
    assert set(np.unique(representation.draw([generator(1, "test", 0)], 9, 5, 2, 1.0).signs)) == {-1, 1}


def test_batches_have_the_moments_of_the_task():
    rngs = [np.random.default_rng([6, seed]) for seed in range(S)]
    n = 200_000
    found = representation.statistics(task(), representation.draw(rngs, n, D, OUT, 2.0))
    covariance, teacher = task().root @ task().root, task().head @ task().representation
    assert (found.inputs - covariance).abs().max() < 8 * covariance.abs().max() / n**0.5
    assert (found.cross - teacher @ covariance).abs().max() < 30 / n**0.5
    signal = (teacher @ covariance * teacher).sum(dim=(1, 2))
    assert_close(found.label_square, signal + 4 * OUT, 0.02)


def test_loss_gradient_and_head_are_those_of_the_raw_batch():
    stats, x, y = batch()
    g, f = models()
    leaf = g.clone().requires_grad_()
    losses = torch.stack([torch.stack([raw_loss(leaf[s, r], f[s, r], x[s], y[s]) for r in range(R)]) for s in range(S)])
    assert_close(representation.loss(g, f, stats), losses.detach())
    assert_close(representation.gradient(g, f, stats), torch.autograd.grad(losses.sum(), leaf)[0])
    for s in range(S):
        for r in range(R):
            wanted = torch.linalg.lstsq(x[s] @ g[s, r].T, y[s]).solution.T
            assert_close(representation.fitted_head(g, stats)[s, r], wanted)


def kronecker(name: str, gradient, f, s):
    """One model's step by explicit Kronecker products of its factors, rows of G one after the other."""
    inner = f.T @ f if name in ("left", "kfac") else torch.eye(K, dtype=f.dtype)
    outer = s if name in ("right", "kfac") else torch.eye(D, dtype=f.dtype)
    return torch.linalg.solve(torch.kron(inner, outer), gradient.flatten()).reshape(K, D)


@pytest.mark.parametrize("name", steps.DIRECTIONS)
def test_a_step_is_that_by_explicit_kronecker_products(name):
    stats, *_ = batch()
    g, f = models()
    gradient = representation.gradient(g, f, stats)
    found = steps.DIRECTIONS[name](gradient, f, stats)
    for s in range(S):
        for r in range(R):
            assert_close(found[s, r], kronecker(name, gradient[s, r], f[s, r], stats.inputs[s]))


@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_kfac_without_noise_and_retraction_has_its_exact_rate(rate):
    """G_t (I - G*^T G*) = (1 - rate)^t G_0 (I - G*^T G*), whatever the batches are."""
    rngs = [np.random.default_rng([8, seed]) for seed in range(S)]
    truth = task().representation[:, None]
    starts = [representation.start(rng, one[0].numpy(), 0.8) for rng, one in zip(rngs, truth, strict=True)]
    g = torch.tensor(np.stack(starts))[:, None]
    across = g - g @ truth.mT @ truth
    f = representation.fitted_head(g, representation.statistics(task(), representation.draw(rngs, N, D, OUT, 0.0)))
    for t in range(1, 40):
        stats = representation.statistics(task(), representation.draw(rngs, N, D, OUT, 0.0))
        g = g - rate * steps.kfac(representation.gradient(g, f, stats), f, stats)
        f = representation.fitted_head(g, stats)
        assert_close(g - g @ truth.mT @ truth, (1 - rate) ** t * across)


def test_on_isotropic_inputs_the_distance_obeys_its_recursion():
    """tan' = (1 - rate) tan / (1 + rate tan^2) of every method with P_G = I, on the population."""
    rng, rate = np.random.default_rng(4), 0.3
    truth = torch.tensor(representation.orthogonal(rng, K, D))[None]
    head = torch.tensor(representation.true_head(rng, OUT, K, 1.0))[None]
    teacher, identity = head @ truth, torch.eye(D, dtype=torch.float64)[None]
    zeros = torch.zeros(1, D, dtype=torch.float64), torch.zeros(1, OUT, dtype=torch.float64)
    population = Statistics(identity, teacher, *zeros, teacher.square().sum(dim=(1, 2)))
    g = torch.tensor(representation.start(rng, truth[0].numpy(), 0.8))[None, None]
    f, angle = representation.fitted_head(g, population), np.arcsin(0.8)
    for _ in range(6):
        step = steps.kfac(representation.gradient(g, f, population), f, population)
        g = representation.orthonormal(g - rate * step)
        f = representation.fitted_head(g, population)
        angle = np.arctan((1 - rate) * np.tan(angle) / (1 + rate * np.tan(angle) ** 2))
        found = representation.distance(g, Task(identity, head, truth))
        assert found.item() == pytest.approx(np.sin(angle), abs=1e-9)


def test_the_distance_is_the_sine_of_the_largest_principal_angle():
    g, _ = models()
    found = representation.distance(g, task())
    for s in range(S):
        for r in range(R):
            rows = np.linalg.qr(g[s, r].numpy().T)[0]
            cosines = np.linalg.svd(rows.T @ task().representation[s].numpy().T)[1]
            assert found[s, r].item() == pytest.approx(np.sqrt(1 - cosines.min() ** 2), rel=1e-10)
    mixed = torch.tensor(np.random.default_rng(1).standard_normal((S, R, K, K))) @ g
    assert_close(representation.distance(mixed, task()), found)
    assert (representation.distance(task().representation[:, None], task()) < 1e-7).all()


def test_the_transfer_risk_is_that_of_the_best_head():
    g, _ = models()
    found = representation.transfer_risk(g, task())
    for s in range(S):
        root, teacher = task().root[s], task().head[s] @ task().representation[s]
        for r in range(R):
            # Least squares on the root's rows is least squares over the population.
            head = torch.linalg.lstsq(root @ g[s, r].T, root @ teacher.T).solution
            rest = root @ (teacher.T - g[s, r].T @ head)
            assert found[s, r].item() == pytest.approx((rest.square().sum() / (root @ teacher.T).square().sum()).item())
    assert representation.transfer_risk(task().representation[:, None], task()).abs().max() < EXACT


def test_batch_normalisation_is_torchs():
    stats, x, y = batch()
    g, f = models()
    for s in range(S):
        for r in range(R):
            layer = nn.Linear(D, K, bias=False, dtype=torch.float64)
            norm = nn.BatchNorm1d(K, affine=False, dtype=torch.float64)
            with torch.no_grad():
                layer.weight.copy_(g[s, r])
            h = norm(layer(x[s]))
            value = ((y[s] - h @ f[s, r].T) ** 2).sum(dim=1).mean() / 2
            value.backward()
            one = Statistics(*(part[s : s + 1] for part in stats))
            at = g[s : s + 1, r : r + 1], f[s : s + 1, r : r + 1]
            assert_close(batch_norm.loss(*at, one)[0, 0], value.detach())
            assert_close(batch_norm.gradient(*at, one)[0, 0], layer.weight.grad)
            wanted = torch.linalg.lstsq(h.detach(), y[s]).solution.T
            assert_close(batch_norm.fitted_head(at[0], one)[0, 0], wanted)


def test_gauss_newton_is_the_jacobians_square_and_the_fisher_that_of_single_gradients():
    stats, x, y = batch()
    g, f = models()
    exact = natural_gradient.gauss_newton(g, f, stats)
    fisher = natural_gradient.empirical_fisher(g, f, x, y)
    gradient = natural_gradient.gradients(g, f, stats)

    def outputs(joint, s):
        one, head = natural_gradient.parted(joint[None, None], g, f)
        return x[s] @ one[0, 0].T @ head[0, 0].T

    for s in range(S):
        for r in range(R):
            joint = natural_gradient.joined(g[s, r], f[s, r])
            jacobian = torch.autograd.functional.jacobian(functools.partial(outputs, s=s), joint)  # [n, o, parameters]
            assert_close(exact[s, r], torch.einsum("noi,noj->ij", jacobian, jacobian) / N)
            residual = outputs(joint, s) - y[s]
            each = torch.einsum("no,noi->ni", residual, jacobian)
            assert_close(fisher[s, r], each.T @ each / N)
            assert_close(gradient[s, r], each.mean(dim=0))
            step = natural_gradient.step(exact, gradient, 0.1)[s, r]
            identity = torch.eye(len(joint), dtype=torch.float64)
            assert_close(step, torch.linalg.solve(exact[s, r] + 0.1 * identity, gradient[s, r]))


def test_the_block_of_g_in_gauss_newton_is_kfacs():
    stats, *_ = batch()
    g, f = models()
    block = natural_gradient.gauss_newton(g, f, stats)[..., : K * D, : K * D]
    gradient = representation.gradient(g, f, stats)
    found = torch.linalg.solve(block, gradient.flatten(-2)).reshape(gradient.shape)
    assert_close(found, steps.kfac(gradient, f, stats))


def test_a_matrix_without_cholesky_factor_makes_that_step_nan():
    matrix = torch.stack([torch.eye(2), -torch.eye(2)]).double()
    found = natural_gradient.step(matrix, torch.ones(2, 2, dtype=torch.float64), 0.0)
    assert found[0].tolist() == [1, 1] and found[1].isnan().all()
