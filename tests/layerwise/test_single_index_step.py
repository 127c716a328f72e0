"""Closed forms of one step's alignment against slow references, limits and draws; directions against plain inverses."""

import numpy as np
import pytest
from scipy import integrate, stats

from featurelearning.layerwise import single_index_step as step

D, NOISE = 60, 0.1
RNG = np.random.default_rng(0)
BETA = RNG.standard_normal(D)
BETA /= np.linalg.norm(BETA)


def bisected(eigenvalues, phi, damping) -> float:
    low, high = damping, damping + phi * eigenvalues.sum()
    for _ in range(300):
        middle = (low + high) / 2
        above = middle - damping - middle * phi * np.mean(eigenvalues / (eigenvalues + middle)) > 0
        low, high = (low, middle) if above else (middle, high)
    return low


@pytest.mark.parametrize("name", step.SPECTRA)
@pytest.mark.parametrize("phi", [0.25, 1.0, 2.0])
@pytest.mark.parametrize("damping", [1e-4, 1e-2, 1.0])
def test_the_effective_damping_is_that_of_bisection(name, phi, damping):
    eigenvalues = step.SPECTRA[name](D)
    found = step.effective_damping(eigenvalues, phi, damping)
    assert found == pytest.approx(bisected(eigenvalues, phi, damping), rel=1e-10) and found >= damping


@pytest.mark.parametrize("name", step.LINKS)
@pytest.mark.parametrize("m", [0.1, 1.0, 3.0])
def test_moments_of_the_links_are_those_of_quadrature(name, m):
    link, density = step.LINKS[name], stats.norm(scale=np.sqrt(m)).pdf
    reach = 12 * np.sqrt(m)

    def mean(function):
        halves = [integrate.quad(lambda z: function(z) * density(z), *ends)[0] for ends in ((-reach, 0), (0, reach))]
        return sum(halves)

    assert link.slope(m) == pytest.approx(mean(lambda z: link.function(z) * z) / m, rel=1e-8)
    assert link.square(m) == pytest.approx(mean(lambda z: link.function(z) ** 2), rel=1e-8)


@pytest.mark.parametrize("name", step.LINKS)
def test_without_inputs_for_each_sample_sgd_is_biased_and_kfac_is_not(name):
    eigenvalues, link = step.SPECTRA["power"](D), step.LINKS[name]
    weights = BETA**2
    biased = (weights @ eigenvalues) / np.sqrt(weights @ eigenvalues**2)
    assert step.sgd_alignment(eigenvalues, BETA, 1e-12, link, NOISE) == pytest.approx(biased, rel=1e-9) and biased < 0.9
    assert step.kfac_alignment(eigenvalues, BETA, 1e-12, link, NOISE, 1e-12) == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize("name", step.SPECTRA)
@pytest.mark.parametrize("phi", [0.5, 2.0])
def test_much_damping_is_sgd(name, phi):
    eigenvalues, link = step.SPECTRA[name](D), step.LINKS["tanh"]
    sgd = step.sgd_alignment(eigenvalues, BETA, phi, link, NOISE)
    assert step.kfac_alignment(eigenvalues, BETA, phi, link, NOISE, 1e9) == pytest.approx(sgd, rel=1e-7)


def test_on_isotropic_inputs_the_direction_does_not_depend_on_the_scale():
    link = step.LINKS["relu"]
    for phi in (0.25, 2.0):
        one, other = (step.sgd_alignment(s * np.ones(D), BETA, phi, link, 0.0) for s in (1.0, 7.0))
        assert one == pytest.approx(other, rel=1e-12)
        assert one == pytest.approx(1 / np.sqrt(1 + phi * link.square(1) / link.slope(1) ** 2), rel=1e-12)


@pytest.mark.parametrize("n", [20, 200])  # fewer samples than inputs, and more
def test_directions_are_those_by_the_plain_inverse(n):
    sample = step.draw(1, 0, step.SPECTRA["power"](D), n, NOISE)
    y = step.labels(sample, step.LINKS["relu"])
    np.testing.assert_allclose(y - sample.errors, np.maximum(sample.x @ sample.beta, 0), atol=1e-14)
    dampings = np.array([1e-3, 1.0])
    found = step.directions(sample.x, y, dampings)
    covariance, plain = sample.x.T @ sample.x / n, sample.x.T @ y / n
    np.testing.assert_allclose(found[0], plain)
    for row, damping in zip(found[1:], dampings, strict=True):
        np.testing.assert_allclose(row, np.linalg.inv(covariance + damping * np.eye(D)) @ plain, rtol=1e-9)
    cosines = step.alignment(found, sample.beta)
    assert cosines[0] == pytest.approx(plain @ sample.beta / np.linalg.norm(plain))


@pytest.mark.parametrize("name", step.SPECTRA)
@pytest.mark.parametrize("phi", [0.25, 2.0])
def test_draws_lie_on_the_closed_forms_within_their_noise(name, phi):
    """Means over 60 draws at d = 200: three standard errors, or what is left of the limit at this size."""
    d, dampings, link = 200, np.array([1e-2, 1.0]), step.LINKS["tanh"]
    eigenvalues, found, wanted = step.SPECTRA[name](d), [], []
    for seed in range(60):
        sample = step.draw(2, seed, eigenvalues, round(d / phi), NOISE)
        found.append(step.alignment(step.directions(sample.x, step.labels(sample, link), dampings), sample.beta))
        about = eigenvalues, sample.beta, phi, link, NOISE
        wanted.append([step.sgd_alignment(*about), *(step.kfac_alignment(*about, damping) for damping in dampings)])
    difference = np.array(found) - np.array(wanted)
    error = difference.std(axis=0, ddof=1) / np.sqrt(len(difference))
    assert (np.abs(difference.mean(axis=0)) < np.maximum(4 * error, 0.02)).all()
