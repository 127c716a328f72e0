"""Departures from the bottleneck: none where theory says so, visible elsewhere; and the law of the first layer."""

import functools

import numpy as np
import pytest
import torch
from scipy import linalg, stats

from defaults import theory_methods
from featurelearning.networks import two_layer_relu
from featurelearning.optimizers import powers
from featurelearning.optimizers.problem import Problem
from featurelearning.preconditioning import equivariance, modes, theory, theory_checks
from references import EXACT, MONTE_CARLO, assert_close

SEEDS, D, N = 3, 4, 20
SETTINGS = {"dimension": D, "samples_train": N, "samples_test": 12, "hidden": 16}
SETTINGS |= {"steps": 1000, "learning_rate": 0.02, "condition_number": 100, "methods": theory_methods()}
STUDY = theory.Study(42, range(SEEDS), SETTINGS, [-2, -1, 0.5, 1])
BROKEN = 1e-3
INNER = ("fixed_p-1.00", "fixed_p+1.00", "reestimated_p-1.00")


@functools.cache
def departures() -> dict[str, np.ndarray]:
    return equivariance.departure(STUDY)


@functools.cache
def isotropy() -> dict[str, np.ndarray]:
    return equivariance.isotropy(STUDY)


# --- departures ---


@pytest.mark.parametrize("name", INNER)
def test_fixed_and_covariant_preconditioners_depart_by_rounding(name):
    found = departures()[name]
    assert found.shape == (2, SEEDS, len(equivariance.steps(STUDY)))
    assert (found <= EXACT).all()
    assert (found[..., -1] > 0).all()  # two runs, not one


def test_another_power_of_a_reestimated_covariance_departs_unless_the_change_is_a_rotation():
    rotation, invertible = departures()["reestimated_p+1.00"]
    assert (rotation <= EXACT).all()
    assert (invertible[:, 1:] >= BROKEN).all()
    assert (invertible[:, 0] <= EXACT).all()  # before any update


@pytest.mark.parametrize("name", theory_checks.SEEING)
def test_coordinate_wise_methods_depart_with_either_change(name):
    assert (departures()[name][..., 1:] >= BROKEN).all()
    assert (departures()[name][..., 0] <= EXACT).all()


def test_every_method_is_there_and_steps_are_the_recording_schedule():
    assert list(departures()) == [*INNER[:2], INNER[2], "reestimated_p+1.00", *theory.measured(STUDY, "departure")]
    steps = equivariance.steps(STUDY)
    assert steps[0] == 0 and steps[-1] == 1000 and 40 < len(steps) <= 60


def test_a_loss_that_does_not_fall_tenfold_is_refused():
    with pytest.raises(ValueError, match=r"theory.steps: 1000 steps .* allowed: 10-fold or more"):
        equivariance.departure(STUDY._replace(settings=SETTINGS | {"learning_rate": 1e-5}))


# --- the re-estimated preconditioner ---


@pytest.mark.parametrize("p", [-1.0, 0.5, 1.0])
def test_a_step_is_the_power_of_the_mini_batchs_covariance_times_the_gradient(p):
    batch, samples = theory.draw(STUDY, (p,)), equivariance.minibatches(STUDY, 1)
    method, problem = equivariance.Reestimated(p, samples), Problem(inputs=batch.x_train)
    gradients = two_layer_relu.mse_gradients(batch.params, batch.x_train, batch.y_train)[1]
    state = method.init(batch.params, problem)
    for turn in range(3):
        step, state = method.update(gradients, state, batch.params, problem)
        for model in range(SEEDS):
            x = batch.x_train[model].numpy()[samples[turn, model]]
            power = linalg.fractional_matrix_power(sum(np.outer(row, row) for row in x) / len(x), p)
            assert_close(step["weight1"][model], power @ gradients["weight1"][model].numpy())
        assert all(torch.equal(step[key], gradients[key]) for key in ("bias1", "weight2", "bias2"))


def test_a_mini_batch_of_all_samples_is_the_fixed_power_of_the_empirical_covariance():
    batch, p = theory.draw(STUDY, (-1.0,)), -1.0
    x = batch.x_train.numpy()
    fixed = batch._replace(preconditioner=torch.as_tensor(theory.empirical_power(x, p)))
    trail = []

    def remember(seen):
        trail.append(seen)
        return seen

    theory.follow(STUDY, fixed, remember)
    everything = torch.arange(N).expand(STUDY.settings["steps"], SEEDS, N)
    method = theory.Method(equivariance.Reestimated(p, everything))
    again = iter(trail)
    deviations, _ = theory.follow(STUDY, fixed, lambda _: next(again), method=method)
    assert (deviations <= EXACT).all()


def test_mini_batches_are_half_of_the_points_anew_each_step_and_a_seeds_in_all_of_its_models():
    samples = equivariance.minibatches(STUDY, 2)
    assert samples.shape == (1000, 2 * SEEDS, N // 2)
    assert torch.equal(samples[:, :SEEDS], samples[:, SEEDS:])
    assert all(len(one.unique()) == N // 2 for one in samples[:5].flatten(0, 1))
    as_sets = {tuple(sorted(one.tolist())) for one in samples[:, 0]}
    assert len(as_sets) > 950  # of 184 756 subsets
    counts = torch.bincount(samples[:, 0].flatten(), minlength=N).numpy()
    assert stats.chisquare(counts).pvalue > MONTE_CARLO
    assert torch.equal(equivariance.minibatches(STUDY._replace(seeds=[1]), 1), samples[:, 1:2])
    for n, size in ((9, 2 * D), (5, 5)):  # few points: enough for the rank, at most all
        assert equivariance.minibatches(STUDY._replace(settings=SETTINGS | {"samples_train": n}), 1).shape[2] == size


# --- the law of the first layer (L1) ---


def gram(seed: int, p: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a seed's training inputs and x Sigma^p x^T, one entry at a time."""
    x, v = theory.task(STUDY)["x_train"][seed], theory.rotations(STUDY)[0][seed]
    power = sum(value * np.outer(u, u) for value, u in zip(powers.power(theory.population(STUDY), p), v.T, strict=True))
    return x, np.array([[a @ power @ b for b in x] for a in x])


def sure(count: int) -> float:
    """Return the z that |N(0, 1)| exceeds anywhere among `count` with the chance MONTE_CARLO."""
    return stats.norm.isf(MONTE_CARLO / count / 2)


def test_the_noise_is_that_of_a_gaussian_sample():
    for i, p in enumerate(STUDY.exponents):
        for seed in range(SEEDS):
            g = gram(seed, p)[1]
            variance = sum(g[a, a] * g[b, b] + g[a, b] ** 2 for a in range(N) for b in range(N)) / equivariance.UNITS
            assert_close(isotropy()["isotropy_noise"][i, seed], np.sqrt(variance / (g**2).sum()))


def test_the_p_isotropic_law_depends_on_the_gram_matrix_alone():
    error, noise = isotropy()["isotropy_error"][0], isotropy()["isotropy_noise"]
    assert error.shape == (2, len(STUDY.exponents), SEEDS)
    assert (error <= sure(error.size) * noise).all()  # a weighted mean of chi-squares has no heavier a tail than one
    assert (error > 0.01 * noise).all()


@pytest.mark.parametrize("change", [0, 1])
def test_the_released_law_departs_by_the_angle_between_its_own_and_the_metrics_gram_matrix(change):
    error = isotropy()["isotropy_error"][1, change]
    a = equivariance.changes(STUDY)[change]
    for i, p in enumerate(STUDY.exponents):
        for seed in range(SEEDS):
            x, g = gram(seed, p)
            own = x @ np.linalg.inv(a[seed])
            own = own @ own.T
            cosine = (own * g).sum() / np.linalg.norm(own) / np.linalg.norm(g)
            noise = np.sqrt((1 + np.trace(own) ** 2 / (own**2).sum()) / equivariance.UNITS)
            assert abs(np.arctan(error[i, seed]) - np.arccos(cosine)) <= np.arcsin(sure(error.size) * noise)


def test_the_released_law_is_isotropic_for_p_0_without_a_stretch_only():
    found = equivariance.isotropy(STUDY._replace(exponents=(0.0,)))
    rotation, stretched = found["isotropy_error"][1, :, 0]
    assert (rotation <= sure(SEEDS) * found["isotropy_noise"][0]).all()
    assert (stretched > 0.1).all()
    assert (isotropy()["isotropy_error"][1] > 0.03).all()


# --- singular matrices ---


def test_minibatches_with_fewer_samples_than_inputs_are_refused():
    study = STUDY._replace(settings=SETTINGS | {"samples_train": D - 1})
    message = rf"theory.samples_train: {D - 1} samples leave the covariance of {D} inputs singular, .* {D} or more"
    with pytest.raises(ValueError, match=message):
        equivariance.minibatches(study, 1)


def test_a_preconditioner_that_is_singular_up_to_rounding_is_refused():
    study = STUDY._replace(settings=SETTINGS | {"condition_number": 1e12}, exponents=[-2])
    with pytest.raises(
        ValueError, match=r"theory.condition_number: 1e\+12 makes P singular up to rounding .* lower it"
    ):
        equivariance.isotropy(study)


@pytest.mark.parametrize("singular", ["repeated", "few"])
def test_an_inverse_of_a_singular_covariance_is_refused_and_a_root_is_taken(singular):
    x = np.random.default_rng(0).standard_normal((6, 12, D))
    x = x[:, : D - 1] if singular == "few" else np.concatenate([x, x[..., :1]], axis=-1)
    with pytest.raises(ValueError, match="eigenvalue 0 has no power p = -1: the covariance is singular, 6 of"):
        theory.empirical_power(x, -1.0)
    root = theory.empirical_power(x, 0.5)
    assert_close(root @ root, x.swapaxes(1, 2) @ x / x.shape[1])
    teacher = np.random.default_rng(1).standard_normal((6, x.shape[-1]))
    with pytest.raises(ValueError, match="eigenvalue 0 has no power p = -1: the covariance is singular, 6 of"):
        modes.descend(x, teacher, (-1.0,), 0.1, 3)
    assert np.isfinite(modes.descend(x, teacher, (0.0, 0.5), 0.1, 3).remaining).all()
