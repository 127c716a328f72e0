"""The checks of the theory: they hold under their conditions, and each of them breaks when its premise does."""

import functools
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from defaults import theory_methods
from featurelearning.files import records
from featurelearning.networks import two_layer_relu
from featurelearning.optimizers import momentum, signs
from featurelearning.preconditioning import effective, equivariance, theory, theory_checks, theory_spectra
from references import assert_close

SETTINGS = {
    "dimension": 4,
    "samples_train": 20,
    "samples_test": 12,
    "hidden": 16,
    "steps": 1000,
    "learning_rate": 0.02,
    "condition_number": 100,
    "methods": theory_methods(),
}
EXPONENTS = [-2, -1, 0.5, 1]
STUDY = theory.Study(42, range(3), SETTINGS, EXPONENTS)
BROKEN = 1e-3
tensor = functools.partial(torch.tensor, dtype=torch.float64)
SCRIPT = Path(theory.__file__).parents[2] / "preconditioning" / "evaluate_theory.py"


def changed(**settings) -> theory.Study:
    return STUDY._replace(settings={**SETTINGS, **settings})


@functools.cache
def found(name: str) -> np.ndarray:
    return theory_checks.CHECKS[name][0](STUDY)


# --- the checks hold, the control and the decayed ones do not ---


@pytest.mark.parametrize("name", [name for name, (_, kind, _) in theory_checks.CHECKS.items() if kind == "identity"])
def test_identities_hold_to_rounding(name):
    assert theory_checks.CHECKS[name][2] == 1e-10
    assert found(name).shape == (3,)
    assert (found(name) <= 1e-10).all()


@pytest.mark.parametrize("name", [name for name, (_, kind, _) in theory_checks.CHECKS.items() if kind == "control"])
def test_controls_fail_in_every_seed(name):
    assert theory_checks.CHECKS[name][2] == BROKEN
    assert found(name).shape == (3,)
    assert (found(name) >= BROKEN).all()


def test_controls_are_the_unrotated_preconditioner_and_methods_that_see_coordinates():
    controls = {name for name, (_, kind, _) in theory_checks.CHECKS.items() if kind == "control"}
    assert controls == {"unrotated_preconditioner", *(f"rotation_{name}" for name in theory_checks.SEEING)}
    assert "adam" in theory_checks.SEEING


@pytest.mark.parametrize("method", [theory.FIXED, theory.Method(momentum, 0.005, {"momentum": 0.9})])
def test_a_method_that_works_on_vectors_is_no_control(method):
    assert (theory_checks.coordinate_wise(method, STUDY) <= 1e-10).all()


class Hutchinson:
    """A coordinate-wise method that asks for all that the methods of P1 may: Hessian products, streams, a number."""

    def init(self, params, problem):
        return {"count": {"updates": torch.zeros(len(params["bias2"]), 1, 1)}}

    def update(self, gradients, state, params, problem):
        count = state["count"]["updates"] + 1
        z = signs.rademacher(problem.streams, count, params)
        h = problem.gradients_along(params, z)[2]
        step = {key: g / (problem.hyperparameters["damping"] + h[key].abs()) for key, g in gradients.items()}
        return step, {"count": {"updates": count}}


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own import
def test_a_method_may_ask_for_hessian_products_and_random_signs():
    method = theory.Method(Hutchinson(), 0.02, {"damping": 1.0})
    assert (theory_checks.coordinate_wise(method, STUDY) >= BROKEN).all()
    batch = theory.draw(STUDY, (0.0,))
    assert (theory.alike(STUDY, batch, batch, method=method) == 0).all()  # the two runs of a pair draw the same signs


def test_streams_are_a_seeds_in_all_of_its_models_and_in_any_block():
    words = theory.streams(STUDY, 6)
    assert words.dtype == torch.int32 and torch.equal(words[:3], words[3:])
    assert len(words.unique()) == 6
    assert torch.equal(theory.streams(STUDY._replace(seeds=[1]), 1), words[1:2])


def test_mode_flow_is_off_by_the_rate_over_e():
    assert theory_checks.CHECKS["mode_flow"][1] == "report"
    assert_close(found("mode_flow"), np.full(3, 0.02 / np.e), 0.02)


@pytest.mark.parametrize("name", ["weight_decay_invertible", "weight_decay_gram_only"])
def test_the_papers_weight_decay_visibly_breaks(name):
    assert theory_checks.CHECKS[name][1] == "report"
    assert (found(name) > 1e-8).all()
    assert (found(name) < 0.1).all()  # a small term, not another algorithm


def test_weight_decay_spares_the_rotation():
    batch = theory.draw(STUDY)
    rotated = theory.transformed(batch, theory.rotations(STUDY)[1])
    assert (theory.alike(STUDY, batch, rotated, weight_decay=1e-3) <= 1e-10).all()


# --- the conditions ---


def test_preconditioners_are_full_and_badly_conditioned():
    p = theory.draw(STUDY).preconditioner
    assert p.shape == (2 * 3, 4, 4)
    assert (torch.linalg.cond(p) >= 100 * (1 - 1e-9)).all()
    assert (p.diagonal(dim1=1, dim2=2).square().sum(dim=1) < 0.99 * p.square().sum(dim=(1, 2))).all()


@pytest.mark.parametrize(("key", "value", "least"), [("steps", 999, "1000"), ("condition_number", 99, "100")])
def test_weaker_conditions_are_refused(key, value, least):
    with pytest.raises(ValueError, match=f"theory.{key}: {value} is too small; allowed: {least} or more; raise it"):
        theory.draw(changed(**{key: value}))


def test_a_loss_that_does_not_fall_tenfold_is_refused():
    message = r"theory.steps: 1000 steps .* seed \d 1(\.\d+)?-fold; allowed: 10-fold or more; raise theory.steps or"
    with pytest.raises(ValueError, match=message):
        theory_checks.rotation(changed(learning_rate=1e-5))


def test_a_diverged_model_is_refused():
    losses = np.ones((3, 2))
    losses[:, 1] = [0.01, np.nan, 0.02]
    with pytest.raises(ValueError, match="seed 1 nan-fold"):
        theory.largest(STUDY, np.zeros((3, 2)), losses)


def test_every_step_is_compared_losses_fall_and_features_move():
    batch, seen = theory.draw(STUDY), []

    def remember(now):
        seen.append(now["train_preactivation"])
        return now

    deviations, losses = theory.follow(STUDY, batch, remember)
    assert len(seen) == SETTINGS["steps"] + 1 == deviations.shape[1]
    assert all((a != b).flatten(1).any(dim=1).all() for a, b in zip(seen[:-1], seen[1:], strict=True))
    assert (losses[:, 0] >= 10 * losses[:, -1]).all()
    assert ((seen[-1] - seen[0]).flatten(1).norm(dim=1) > 0.5 * seen[0].flatten(1).norm(dim=1)).all()


# --- what is compared ---


def test_deviation_is_relative_to_the_largest_entry_of_its_quantity():
    a = {"loss": tensor([2, 4]), "output": tensor([[1, -10], [3, 0]])}
    b = {"loss": tensor([2, 4.4]), "output": tensor([[1.5, -10], [3, 0.3]])}
    assert_close(theory.deviation(a, b), [0.05, 0.1])
    assert_close(theory.deviation(a, a), [0.0, 0.0])


def test_deviation_of_nothing_is_zero_of_something_infinite_and_nan_stays():
    zero, one, nan = ({"bias1": tensor([value])} for value in (0, 1, np.nan))
    assert theory.deviation(zero, zero).item() == 0
    assert theory.deviation(zero, one).item() == float("inf")
    assert theory.deviation(one, nan).isnan().all()


def test_each_split_and_parameter_is_observed():
    batch = theory.draw(STUDY)
    seen = theory.observe(batch.params, batch)
    shapes = {key: tuple(value.shape[1:]) for key, value in seen.items()}
    assert shapes == {
        **{"bias1": (1, 16), "second_layer": (17, 1)},
        **{"train_preactivation": (20, 16), "train_output": (20,), "train_loss": ()},
        **{"test_preactivation": (12, 16), "test_output": (12,), "test_loss": ()},
    }
    assert_close(seen["train_loss"], two_layer_relu.mean_squared_error(batch.params, batch.x_train, batch.y_train))


@pytest.mark.parametrize("key", ["test_preactivation", "test_loss", "second_layer"])
def test_one_slip_at_one_step_is_found(key):
    calls = iter(range(SETTINGS["steps"] + 1))

    def slip(seen):
        return {**seen, key: seen[key] * (1 + 1e-6 * (next(calls) == 700))}

    assert_close(theory.largest(STUDY, *theory.follow(STUDY, theory.draw(STUDY), slip)), np.full(3, 1e-6), 1e-5)


# --- transformed problems ---


def test_transformation_keeps_gram_matrix_and_preactivations():
    _, r, q = theory.rotations(STUDY)
    batch = theory.draw(STUDY)
    other = theory.transformed(batch, r * np.geomspace(1, 10, 4) @ q)
    for x, changed_x in ((batch.x_train, other.x_train), (batch.x_test, other.x_test)):
        assert_close(changed_x @ other.params["weight1"], x @ batch.params["weight1"])
        assert_close(changed_x @ other.preconditioner @ changed_x.mT, x @ batch.preconditioner @ x.mT)
        assert (changed_x - x).abs().max() > 0.1


def test_transformation_is_that_of_the_paper_with_samples_in_columns():
    batch, a = theory.draw(STUDY), np.random.default_rng(5).standard_normal((3, 4, 4))
    other = theory.transformed(batch, a)
    for model in range(6):
        matrix = a[model % 3]
        assert_close(other.x_train[model].T, np.linalg.inv(matrix).T @ batch.x_train[model].numpy().T)
        assert_close(other.params["weight1"][model], matrix @ batch.params["weight1"][model].numpy())
        assert_close(other.preconditioner[model], matrix @ batch.preconditioner[model].numpy() @ matrix.T)


def test_rotations_are_orthogonal_and_differ():
    rotations = theory.rotations(STUDY)
    assert_close(rotations @ rotations.swapaxes(-1, -2), np.broadcast_to(np.eye(4), (3, 3, 4, 4)))
    assert len({one.tobytes() for one in rotations.reshape(9, 16)}) == 9


# --- broken premises break the checks ---


@pytest.mark.parametrize(
    "wrong",
    [
        lambda a, p: p,
        lambda a, p: a.mT @ p @ a,
        lambda a, p: a @ p @ torch.linalg.inv(a),
        lambda a, p: a @ p @ a.mT * (1 + 1e-6),
    ],
)
def test_invertible_fails_with_another_preconditioner(wrong):
    _, r, q = theory.rotations(STUDY)
    batch, a = theory.draw(STUDY), r * np.geomspace(1, 2, 4) @ q
    p = wrong(torch.as_tensor(a).repeat(2, 1, 1), batch.preconditioner)
    strayed = theory.alike(STUDY, batch, theory.transformed(batch, a)._replace(preconditioner=p))
    assert not (strayed <= 1e-8).any()  # a NaN, from divergence, is a failure too


@pytest.mark.parametrize("part", [slice(0, 20), slice(20, None)])
def test_gram_only_fails_with_another_gram_matrix_of_either_split(part):
    batch = theory.draw(STUDY)
    x, y = torch.cat([batch.x_train, batch.x_test], dim=1), torch.cat([batch.y_train, batch.y_test], dim=1)
    gram = batch.x_train @ batch.preconditioner @ x.mT
    gram[..., part] *= 1 + 1e-6
    theta = [batch.params[key].mT for key in ("bias1", "weight2", "bias2")]
    simulation = theory_checks.gram_simulation(
        (x @ batch.params["weight1"]).mT, gram, y, *theta, SETTINGS["learning_rate"]
    )
    strayed = theory.against(STUDY, batch, simulation)
    assert ((strayed > 1e-8) & (strayed < 1e-3)).all()


def test_gradient_descent_fails_at_another_exponent():
    study = STUDY._replace(seeds=[0])
    batch = theory.draw(study, (0.5,))
    assert theory.against(study, batch, theory_checks.plain_loop(batch, SETTINGS["learning_rate"])) >= BROKEN


def test_exponents_differ_unless_the_covariance_is_the_identity():
    batch, other = (theory.draw(STUDY, (p,)) for p in (0.0, 0.5))
    assert (theory.alike(STUDY, batch, other) >= BROKEN).all()


# --- the Gram spectrum ---


def test_spectra_are_those_of_the_gram_matrix():
    found, x = theory_spectra.gram(STUDY), theory.task(STUDY)["x_train"]
    s = np.sqrt(np.linalg.eigvalsh(x.swapaxes(1, 2) @ x / 20)[:, ::-1])
    assert_close(found["singular_value"], s)
    for i, p in enumerate(EXPONENTS):
        assert_close(found["gram_eigenvalue"][i], s ** (2 * (p + 1)))
        preconditioner = theory.draw(STUDY, (p,)).preconditioner.numpy()
        whole = np.linalg.eigvalsh(x @ preconditioner @ x.swapaxes(1, 2) / 20)[:, -4:]
        assert_close(found["gram_eigenvalue_population"][i], whole if p < -1 else whole[:, ::-1])


def slope(singular_values: np.ndarray, eigenvalues: np.ndarray) -> float:
    return np.polyfit(np.log(singular_values), np.log(eigenvalues), 1)[0] / 2


def test_slope_is_exact_for_the_uncentred_empirical_covariance_only():
    found, x, p = theory_spectra.gram(STUDY), theory.task(STUDY)["x_train"], 1
    assert_close(found["gram_slope"], np.repeat(np.array(EXPONENTS)[:, None] + 1, 3, axis=1))
    centred = theory_spectra.spectra(x, np.array([np.cov(one.T) for one in x]), p)
    for others in (found["gram_eigenvalue_population"][EXPONENTS.index(p)], centred):
        for s, eigenvalues in zip(found["singular_value"], others, strict=True):
            assert abs(slope(s, eigenvalues) - (p + 1)) >= BROKEN


def test_population_spectrum_is_a_power_law():
    values = theory.population(changed(dimension=10))
    assert_close(values, np.arange(1.0, 11) ** -2)


def test_seeds_do_not_depend_on_their_block():
    alone = STUDY._replace(seeds=[1])
    assert_close(theory_spectra.gram(alone)["gram_slope"][:, 0], theory_spectra.gram(STUDY)["gram_slope"][:, 1])
    one, block = theory.draw(alone), theory.draw(STUDY)
    for a, b in zip((*one.params.values(), *one[1:]), (*block.params.values(), *block[1:]), strict=True):
        assert torch.equal(a, b[[1, 4]])


# --- the job ---


class Parameters(dict):
    """What Snakemake gives a script: values by attribute and by key."""

    __getattr__ = dict.__getitem__


def test_script_writes_the_contract(tmp_path, monkeypatch):
    monkeypatch.setattr(
        theory_checks, "CHECKS", {"spectrum": theory_checks.CHECKS["spectrum"], "slow": (found_late, "report", np.nan)}
    )
    parameters = Parameters(
        master_seed=42, seeds=[0, 1, 2], exponents=EXPONENTS, theory=SETTINGS, threads=1, code="c0de"
    )
    paths = {"log": [str(tmp_path / "log")], "output": SimpleNamespace(evaluation=str(tmp_path / "theory.nc"))}
    paths["scriptdir"] = str(SCRIPT.parent)
    runpy.run_path(str(SCRIPT), {"snakemake": SimpleNamespace(params=parameters, **paths)})
    result = records.read(tmp_path / "theory.nc")
    assert result["deviation"].dims == ("check", "seed")
    assert (
        result["gram_eigenvalue"].dims == result["gram_eigenvalue_population"].dims == ("exponent", "seed", "direction")
    )
    assert result["gram_slope"].dims == ("exponent", "seed")
    assert result["singular_value"].dims == ("seed", "direction")
    assert result["departure"].dims == ("preconditioner", "transformation", "seed", "step")
    assert result["step"].values.tolist() == equivariance.steps(STUDY).tolist()
    assert result["isotropy_error"].dims == ("initialisation", "transformation", "exponent", "seed")
    assert result["isotropy_noise"].dims == ("exponent", "seed")
    assert result["effective_exponent"].dims == ("optimizer", "frame", "seed", "effective_step")
    assert result["step_exponent"].dims == result["effective_exponent"].dims
    assert result["effective_step"].values.tolist() == effective.steps().tolist()
    np.testing.assert_allclose(result["effective_exponent"].sel(optimizer="sigma_power_p-0.50"), -0.5, atol=1e-8)
    worst = result["departure"].max(("seed", "step"))
    assert worst.sel(preconditioner="fixed_p-1.00", transformation="invertible") <= 1e-10
    assert worst.sel(preconditioner="reestimated_p+1.00", transformation="invertible") >= BROKEN
    assert result["kind"].values.tolist() == ["identity", "report"]
    assert result["bound"].values[0] == 1e-10 and np.isnan(result["bound"].values[1])
    assert result["exponent"].values.tolist() == EXPONENTS
    assert result["deviation"].sel(check="slow", seed=2) == 2
    assert records.parameters(result)["theory"] == SETTINGS
    assert "seeds" not in records.parameters(result)


def found_late(study: theory.Study) -> np.ndarray:
    return np.array(study.seeds, dtype=float)
