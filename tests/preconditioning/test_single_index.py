"""Single-index data: laws by Monte Carlo, scaling and pairing exactly."""

import numpy as np
import pytest
from scipy import stats

from featurelearning.preconditioning import single_index
from featurelearning.seeding import generator
from references import EXACT, MONTE_CARLO, assert_close

CASES = {"High": ([10.0] + [0.1] * 9, 0), "Low": ([10.0] * 9 + [0.1], 9)}
SNRS = (0.5, 1.0, 2.0, 5.0)
N_TRAIN, N_TEST, SHARPNESS = 200, 9800, 10.0


def draw(case: str, snr: float = 1.0, seed: int = 0, n_test: int = N_TEST) -> single_index.SingleIndexData:
    streams = [generator(42, purpose, seed) for purpose in ("inputs", "coefficient", "label noise")]
    values, direction = CASES[case]
    return single_index.draw(np.array(values), direction, snr, N_TRAIN, n_test, SHARPNESS, *streams)


def inputs(data) -> np.ndarray:
    return np.concatenate([data.x_train, data.x_test])


def signal(case: str, data) -> np.ndarray:
    """The teacher before scaling, by the textbook form of a softplus."""
    z = SHARPNESS * data.coefficient * inputs(data)[:, CASES[case][1]]
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def scaled_noise(data) -> np.ndarray:
    return data.y_test - data.clean_test


@pytest.mark.parametrize("case", CASES)
def test_inputs_are_centred_gaussians_with_the_case_spectrum(case):
    z = inputs(draw(case)) / np.sqrt(CASES[case][0])
    n, d = z.shape
    low, high = stats.chi2.ppf([MONTE_CARLO / 2 / d, 1 - MONTE_CARLO / 2 / d], n)
    squares = (z**2).sum(axis=0)
    assert (low < squares).all() and (squares < high).all()
    normal = stats.norm.isf(MONTE_CARLO / 2 / d**2)
    assert np.abs(z.mean(axis=0)).max() * np.sqrt(n) < normal
    assert np.abs((z.T @ z)[np.triu_indices(d, 1)]).max() / np.sqrt(n) < normal
    assert min(stats.kstest(column, "norm").pvalue for column in z.T) > MONTE_CARLO


def test_the_link_is_log1p_exp_and_does_not_overflow():
    z = np.linspace(-60, 60, 2401)
    assert_close(single_index.link(z, SHARPNESS), np.log1p(np.exp(SHARPNESS * z)), 1e-14)
    np.testing.assert_array_equal(single_index.link(np.array([-1e6, 1e6]), SHARPNESS), [0.0, 1e7])
    np.testing.assert_allclose(single_index.link(np.array([-3.0]), SHARPNESS), np.exp(-30), rtol=1e-12)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("snr", SNRS)
def test_clean_and_noisy_labels_share_the_training_scale(case, snr):
    data = draw(case, snr)
    assert data.y_train.shape == (N_TRAIN,) and data.x_test.shape == (N_TEST, 10)
    assert abs(data.y_train.mean()) < EXACT
    assert_close(data.y_train.std(ddof=1), 1.0)
    slope, offset = np.polyfit(signal(case, data)[N_TRAIN:], data.clean_test, 1)
    assert_close(slope * signal(case, data)[N_TRAIN:] + offset, data.clean_test)
    assert_close(data.noise_floor, np.mean(scaled_noise(data) ** 2))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("snr", SNRS)
def test_the_noise_has_the_signals_standard_deviation_over_snr(case, snr):
    data = draw(case, snr)
    clean = signal(case, data)
    slope = np.polyfit(clean[N_TRAIN:], data.clean_test, 1)[0]
    standard = generator(42, "label noise", 0).standard_normal(N_TRAIN + N_TEST)
    assert_close(scaled_noise(data), slope * clean.std() / snr * standard[N_TRAIN:], 1e-9)
    low, high = stats.chi2.ppf([MONTE_CARLO / 2, 1 - MONTE_CARLO / 2], N_TEST)
    assert low < ((scaled_noise(data) * snr / (slope * clean.std())) ** 2).sum() < high


@pytest.mark.parametrize("snr", SNRS)
def test_the_noise_floor_is_one_over_one_plus_snr_squared_in_the_mean(snr):
    floors = np.array([draw("High", snr, seed, n_test=1800).noise_floor for seed in range(400)])
    wanted = 1 / (1 + snr**2)
    bias = 0.02 * wanted  # E[1 / s^2] exceeds 1 / E[s^2] by about the relative variance of s^2 from 200 samples
    error = floors.std(ddof=1) / np.sqrt(len(floors)) * stats.norm.isf(MONTE_CARLO / 2)
    assert abs(floors.mean() - wanted) < bias + error


def test_inputs_coefficient_and_noise_are_paired_across_cases_and_snrs():
    reference = draw("High")
    normals = inputs(reference) / np.sqrt(CASES["High"][0])
    for case in CASES:
        for snr in SNRS:
            data = draw(case, snr)
            assert data.coefficient == reference.coefficient
            assert_close(inputs(data) / np.sqrt(CASES[case][0]), normals, 1e-14)
            assert_close(unit(scaled_noise(data)), unit(scaled_noise(reference)))


def test_seeds_differ_in_everything():
    one, other = draw("High", seed=0), draw("High", seed=1)
    assert one.coefficient != other.coefficient and not np.any(one.x_train == other.x_train)
    assert abs(np.corrcoef(scaled_noise(one), scaled_noise(other))[0, 1]) < 4 / np.sqrt(N_TEST)
