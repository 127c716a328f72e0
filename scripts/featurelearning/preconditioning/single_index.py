"""Single-index teachers with Gaussian inputs: y = link(beta . x) + noise (P1, section on synthetic data).

Layout: inputs are [samples, direction]; the population covariance is diagonal, so input coordinates are its
eigen-directions, in descending order of eigenvalue. Other teachers (teachers.py) are drawn by the same `draw_from`.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Teacher = Callable[[np.ndarray, np.ndarray], np.ndarray]  # inputs [n, direction], coefficients [k] -> signal [n]


class SingleIndexData(NamedTuple):
    """One seed's data; labels are scaled by the training mean and standard deviation."""

    x_train: np.ndarray  # [train, direction]
    y_train: np.ndarray  # [train]
    x_test: np.ndarray  # [test, direction]
    y_test: np.ndarray  # [test]
    clean_test: np.ndarray  # [test], the noise-free teacher on the same scale
    noise_floor: float  # mean squared label noise of the test split on the same scale
    coefficient: float | np.ndarray  # of the teacher on its direction; of `draw_from` all of them, [k]


def link(z: np.ndarray, sharpness: float) -> np.ndarray:
    """Return the smoothed ramp log(1 + exp(sharpness * z)), which does not overflow.

    Source: P1, released scripts; there exp(10 z) overflows.
    """
    return np.logaddexp(0.0, sharpness * z)


def signal(x: np.ndarray, coefficients: np.ndarray, direction: int, sharpness: float) -> np.ndarray:
    """Return link(a x_k) [n] of inputs [n, direction], a the first coefficient and k the direction."""
    return link(coefficients[0] * x[:, direction], sharpness)


def draw(
    eigenvalues: np.ndarray,
    teacher_direction: int,
    snr: float,
    n_train: int,
    n_test: int,
    sharpness: float,
    inputs: np.random.Generator,
    coefficient: np.random.Generator,
    label_noise: np.random.Generator,
) -> SingleIndexData:
    """Draw the single-index task y = link(a x_k) + noise, k the teacher's direction and a ~ N(0, 1), by `draw_from`.

    Source: P1, released scripts.
    """
    teacher = functools.partial(signal, direction=teacher_direction, sharpness=sharpness)
    data = draw_from(teacher, 1, eigenvalues, snr, n_train, n_test, inputs, coefficient, label_noise)
    return data._replace(coefficient=float(data.coefficient[0]))


def draw_from(
    teacher: Teacher,
    coefficients: int,
    eigenvalues: np.ndarray,
    snr: float,
    n_train: int,
    n_test: int,
    inputs: np.random.Generator,
    coefficient: np.random.Generator,
    label_noise: np.random.Generator,
) -> SingleIndexData:
    """Draw x ~ N(0, diag(eigenvalues)), y = teacher(x, a) + N(0, (std(signal) / snr)^2), then scale the labels.

    The teacher sees all n_train + n_test samples at once, and as many coefficients a ~ N(0, 1) as it is said to need.
    The standard deviation of the signal is over all n_train + n_test samples; the scale of the labels is the
    training split's mean and (n - 1) standard deviation, applied to both splits. Every generator is asked for the
    same numbers whatever the case and the SNR, so these are paired within a seed. Source: P1, released scripts.
    """
    n = n_train + n_test
    x = inputs.standard_normal((n, len(eigenvalues))) * np.sqrt(eigenvalues)
    a = coefficient.standard_normal(coefficients)
    clean = teacher(x, a)
    noise = label_noise.standard_normal(n) * clean.std() / snr
    y = clean + noise
    mean, scale = y[:n_train].mean(), y[:n_train].std(ddof=1)
    scaled, clean = (y - mean) / scale, (clean - mean) / scale
    return SingleIndexData(
        x_train=x[:n_train],
        y_train=scaled[:n_train],
        x_test=x[n_train:],
        y_test=scaled[n_train:],
        clean_test=clean[n_train:],
        noise_floor=float(np.mean((noise[n_train:] / scale) ** 2)),
        coefficient=a,
    )
