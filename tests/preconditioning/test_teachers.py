"""Teachers: reductions to the single index to the last digits, shares of variance by picking and freezing inputs."""

import functools
import inspect

import numpy as np
import pytest
from scipy import stats

from featurelearning.preconditioning import kinds, single_index, teachers
from featurelearning.seeding import generator
from references import EXACT, MONTE_CARLO, assert_close

CASES = {
    "High": np.array([10.0] + [0.1] * 9),
    "Low": np.array([10.0] * 9 + [0.1]),
    "power law": 10.0 * np.arange(1, 11) ** -2.0,
}
SHARES = (0.0, 0.1, 0.5, 0.8, 1.0)
SHARPNESS = 10.0
PURPOSES = ("inputs", "coefficient", "label noise")


def teacher(name: str, values: np.ndarray, share: float = 0.5):
    options = {
        "single_index": {"direction": 9, "sharpness": SHARPNESS},
        "two_index": {"high": 0, "low": 9, "share": share, "sharpness": SHARPNESS},
        "multi_modal": {"direction": 9, "modes": 3, "eigenvalues": values},
        "hierarchical": {"coarse": 0, "fine": 9, "share": share, "sharpness": SHARPNESS, "eigenvalues": values},
    }
    return functools.partial(teachers.FUNCTIONS[name], **options[name])


def draw(signal, values, snr=1.0, seed=0, n_test=1800) -> single_index.SingleIndexData:
    streams = [generator(42, purpose, seed) for purpose in PURPOSES]
    return single_index.draw_from(signal, teachers.COEFFICIENTS, values, snr, 200, n_test, *streams)


def normals(data, values) -> np.ndarray:
    return np.concatenate([data.x_train, data.x_test]) / np.sqrt(values)


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


# --- labels from any teacher ---


@pytest.mark.parametrize("snr", [0.5, 5.0])
@pytest.mark.parametrize("direction", [0, 9])
def test_the_single_index_task_is_bit_for_bit_its_plain_formula(direction, snr):
    values, (inputs, coefficient, label_noise) = CASES["High"], [generator(42, purpose, 3) for purpose in PURPOSES]
    x = inputs.standard_normal((500, 10)) * np.sqrt(values)
    a = coefficient.standard_normal()
    signal = np.logaddexp(0.0, SHARPNESS * (a * x[:, direction]))
    noise = label_noise.standard_normal(500) * signal.std() / snr
    y = signal + noise
    mean, scale = y[:200].mean(), y[:200].std(ddof=1)
    wanted = (x[:200], (y[:200] - mean) / scale, x[200:], (y[200:] - mean) / scale, (signal[200:] - mean) / scale)

    streams = [generator(42, purpose, 3) for purpose in PURPOSES]
    old = single_index.draw(values, direction, snr, 200, 300, SHARPNESS, *streams)
    signal = functools.partial(teachers.FUNCTIONS["single_index"], direction=direction, sharpness=SHARPNESS)
    new = draw(signal, values, snr, seed=3, n_test=300)
    for found in (old, new):
        for one, other in zip(found[:5], wanted, strict=True):
            np.testing.assert_array_equal(one, other)
        assert found.noise_floor == np.mean((noise[200:] / scale) ** 2)
    assert old.coefficient == a == new.coefficient[0] and isinstance(old.coefficient, float)


@pytest.mark.parametrize("name", teachers.FUNCTIONS)
def test_inputs_coefficients_and_noise_are_paired_across_teachers_cases_and_snrs(name):
    reference = draw(teacher("single_index", CASES["High"]), CASES["High"])
    for values in CASES.values():
        for snr in (0.5, 5.0):
            data = draw(teacher(name, values), values, snr)
            np.testing.assert_array_equal(data.coefficient, reference.coefficient)
            assert_close(normals(data, values), normals(reference, CASES["High"]), 1e-14)
            noise = unit(data.y_test - data.clean_test)
            assert_close(noise, unit(reference.y_test - reference.clean_test))


@pytest.mark.parametrize("name", teachers.FUNCTIONS)
def test_the_noise_floor_is_one_over_one_plus_snr_squared_in_the_mean(name):
    snr, values = 2.0, CASES["High"]
    floors = np.array([draw(teacher(name, values), values, snr, seed).noise_floor for seed in range(200)])
    wanted = 1 / (1 + snr**2)
    bias = 0.02 * wanted  # as in test_single_index.py
    error = floors.std(ddof=1) / np.sqrt(len(floors)) * stats.norm.isf(MONTE_CARLO / 2)
    assert abs(floors.mean() - wanted) < bias + error


@pytest.mark.parametrize("name", teachers.FUNCTIONS)
def test_a_teacher_is_a_pure_function_of_its_own_directions(name):
    rng = np.random.default_rng(0)
    values, coefficients = CASES["power law"], rng.standard_normal(2)
    x = rng.standard_normal((100, 10)) * np.sqrt(values)
    other = np.concatenate([x[:, :1], rng.standard_normal((100, 8)), x[:, 9:]], axis=1)
    signal = teacher(name, values)
    np.testing.assert_array_equal(signal(x.copy(), coefficients), signal(other, coefficients))


# --- two indices ---


@pytest.mark.parametrize("share, direction", [(0.0, 0), (1.0, 9)])
@pytest.mark.parametrize("case", CASES)
def test_at_its_ends_the_two_index_task_is_the_single_index_task(share, direction, case):
    values, streams = CASES[case], [generator(42, purpose, 1) for purpose in PURPOSES]
    if share == 1:
        streams[1].standard_normal()  # skips a, so that the single index gets b
    wanted = single_index.draw(values, direction, 2.0, 200, 1800, SHARPNESS, *streams)
    found = draw(teacher("two_index", values, share), values, 2.0, seed=1)
    for name in ("y_train", "y_test", "clean_test", "noise_floor"):
        assert_close(getattr(found, name), getattr(wanted, name))


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("case", CASES)
def test_the_low_direction_carries_its_share_of_the_signals_variance(share, case):
    """Picked and frozen (Sobol 2001): with all but x_j drawn anew, the two signals' covariance is Var(E[f | x_j]).

    Of standardised terms only products of independent ones err, each as a mean of n products of variance 1.
    """
    n, values = 100_000, CASES[case]
    (x, other), coefficients = np.random.default_rng(1).standard_normal((2, n, 10)) * np.sqrt(values), [0.7, -1.1]
    other[:, 9] = x[:, 9]
    signal = teacher("two_index", values, share)
    first, second = signal(x, coefficients), signal(other, coefficients)
    bound = (2 * np.sqrt(share * (1 - share)) + 1 - share) * stats.norm.isf(MONTE_CARLO / 6) / np.sqrt(n)
    assert abs(first.mean()) < EXACT
    assert abs((first * second).mean() - share) < bound + EXACT
    assert (
        abs(first.var() - 1) < 2 * np.sqrt(share * (1 - share)) * stats.norm.isf(MONTE_CARLO / 2) / np.sqrt(n) + EXACT
    )


# --- several modes ---


@pytest.mark.parametrize("modes", [2, 3, 5])
@pytest.mark.parametrize("case", CASES)
def test_labels_have_as_many_modes_of_equal_mass_as_asked_for(modes, case):
    values, n = CASES[case], 20_000
    quantile = (np.arange(n) + 0.5) / n
    x = np.zeros((n, 10))
    x[:, 4] = stats.norm.ppf(quantile, scale=np.sqrt(values[4]))
    for a in (-2.0, -0.3, 0.1, 0.9):
        signal = teachers.multi_modal(x, [a, 0.0], 4, modes, values)
        inner = signal[1:-1]
        peaks = quantile[1:-1][(inner > signal[:-2]) & (inner > signal[2:])]
        assert len(peaks) == modes
        assert_close(np.diff(peaks), np.full(modes - 1, 1 / modes), 1e-3)  # a few steps of the grid
        assert abs(signal.mean()) < EXACT
        assert_close(signal.var(), 0.5)


def test_the_phase_is_the_coefficients_quantile():
    z = np.zeros((1, 1))  # Phi(0) = 1/2: two modes are one whole turn
    found = [teachers.multi_modal(z, [stats.norm.ppf(q), 0.0], 0, 2, np.ones(1))[0] for q in (0.25, 0.5, 0.75)]
    np.testing.assert_allclose(found, [0, -1, 0], atol=EXACT)


# --- a hierarchy ---


@pytest.mark.parametrize("a", [-0.4, 1.3])
@pytest.mark.parametrize("coarse, fine", [(0, 9), (9, 0)])
def test_the_fine_direction_matters_inside_the_open_branch_only(coarse, fine, a):
    values, z = CASES["power law"], np.zeros((400, 10))
    z[:, coarse] = np.repeat([-3.0, 3.0], 200) * np.sign(a)
    z[:, fine] = np.tile(np.linspace(-2, 2, 200), 2)
    settings = {"share": 0.5, "sharpness": SHARPNESS, "eigenvalues": values}
    signal = teachers.hierarchical(z * np.sqrt(values), [a, 0.8], coarse, fine, **settings)
    closed, opened = signal[:200], signal[200:]
    assert np.ptp(closed) < 4 * np.exp(-30) * np.ptp(opened)  # the branch is exp(-30) open at 3 standard deviations
    assert (np.diff(opened) > 0).all()
    falling = teachers.hierarchical(z * np.sqrt(values), [a, -0.8], coarse, fine, **settings)
    assert (np.diff(falling[200:]) < 0).all()


@pytest.mark.parametrize("coarse, fine", [(0, 9), (9, 0)])
def test_the_coarse_label_alone_is_a_smooth_step(coarse, fine):
    values, z = CASES["High"], np.zeros((101, 10))
    z[:, coarse], z[:, fine] = np.linspace(-1, 1, 101), np.random.default_rng(2).standard_normal(101)
    found = teachers.hierarchical(z * np.sqrt(values), [-0.2, 1.0], coarse, fine, 0.0, SHARPNESS, values)
    wanted = (1 - np.tanh(SHARPNESS / 2 * z[:, coarse])) / 2
    assert_close(found, (wanted - wanted.mean()) / wanted.std())


@pytest.mark.parametrize("share", SHARES)
def test_the_coarse_direction_carries_the_rest_of_the_signals_variance(share):
    n, values, coefficients = 100_000, CASES["power law"], [0.7, -1.1]
    x, other = np.random.default_rng(3).standard_normal((2, n, 10)) * np.sqrt(values)
    other[:, 0] = x[:, 0]
    signal = teacher("hierarchical", values, share)
    products = signal(x, coefficients) * signal(other, coefficients)
    error = products.std() / np.sqrt(n) * stats.norm.isf(MONTE_CARLO / 2)
    assert abs(products.mean() - (1 - share)) < error


@pytest.mark.parametrize("name", ["multi_modal", "hierarchical"])
def test_teachers_of_standardised_coordinates_are_the_same_task_in_every_spectrum(name):
    z, coefficients = np.random.default_rng(4).standard_normal((50, 10)), [0.3, -0.6]
    signals = [teacher(name, values)(z * np.sqrt(values), coefficients) for values in CASES.values()]
    for signal in signals[1:]:
        assert_close(signal, signals[0])


# --- by name, and what is refused ---


@pytest.mark.parametrize("name", teachers.FUNCTIONS)
def test_a_teacher_by_name_takes_what_its_formula_asks_for(name):
    x, values = np.random.default_rng(5).standard_normal((50, 10)), CASES["High"]
    plain = teacher(name, values)
    wanted = inspect.signature(teachers.FUNCTIONS[name]).parameters
    given = {key: value for key, value in plain.keywords.items() if key in wanted}
    own = {key: value for key, value in given.items() if key not in ("sharpness", "eigenvalues")}
    found = teachers.teacher({"kind": name, **own}, sharpness=SHARPNESS, eigenvalues=values)
    np.testing.assert_array_equal(found(x, [0.3, -0.6]), plain(x, [0.3, -0.6]))
    assert set(kinds.TEACHERS[name]) == set(own), "the configuration asks for the same"


@pytest.mark.parametrize("name", ["two_index", "hierarchical"])
def test_shares_and_directions_that_make_no_sense_are_refused(name):
    x, values = np.ones((3, 10)), CASES["High"]
    for share in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match=f"share: {share:g} is not allowed; a share of the variance lies in"):
            teacher(name, values, share)(x, [1.0, 1.0])
    same = {"high": 9} if name == "two_index" else {"coarse": 9}
    with pytest.raises(ValueError, match="directions: 9 given twice; the two terms need two directions"):
        teacher(name, values)(x, [1.0, 1.0], **same)


def test_one_mode_is_not_several():
    with pytest.raises(ValueError, match="modes: 1 is not allowed; several are 2 or more"):
        teachers.multi_modal(np.ones((3, 1)), [0.0, 0.0], 0, 1, np.ones(1))
