"""Spectra of P1's theory: of Gram matrices under powers of a covariance, and the modes of a linear student."""

import numpy as np

from featurelearning import seeding
from featurelearning.networks import features
from featurelearning.preconditioning import modes
from featurelearning.preconditioning.theory import Study, empirical_power, matrix_power, population, rotations, task


def gram(study: Study) -> dict[str, np.ndarray]:
    """Return the spectra of x P x^T / n on the training inputs, P a power of the empirical and of the population Sigma.

    gram_eigenvalue, gram_eigenvalue_population [exponents, seeds, d]; singular_value [seeds, d] of x / sqrt(n);
    gram_slope [exponents, seeds]: half the log-log slope of the first against the last. Directions are in the order of
    descending singular values, where s^(2 (p + 1)) ascends for p < -1; at p = -1, where it is flat, the order of the
    population's eigenvalues is a convention (descending). Source: P1, Theorem 2 and the spectrum of G_P.
    """
    x, vectors = task(study)["x_train"], rotations(study)[0]
    scaled = x / np.sqrt(x.shape[1])
    s = np.linalg.svd(scaled, compute_uv=False)
    found = [spectra(scaled, empirical_power(x, p), p) for p in study.exponents]
    known = [spectra(scaled, matrix_power(population(study), vectors, p), p) for p in study.exponents]
    slope = [[features.log_log_slope(*pair) / 2 for pair in zip(s, values, strict=True)] for values in found]
    return {
        "gram_eigenvalue": np.array(found),
        "gram_eigenvalue_population": np.array(known),
        "gram_slope": np.array(slope),
        "singular_value": s,
    }


def spectra(x: np.ndarray, preconditioner: np.ndarray, p: float) -> np.ndarray:
    """Return the eigenvalues [seeds, d] of x P x^T for x [seeds, n, d], ascending where p < -1, else descending."""
    descending = np.array([*map(features.gram_spectrum, x, preconditioner)])
    return descending[:, ::-1] if p < -1 else descending


def spectrum(study: Study) -> np.ndarray:
    """Check 3: with the empirical covariance G_P has eigenvalues s^(2 (p + 1)); largest error of p + 1 [seeds]."""
    return np.abs(gram(study)["gram_slope"] - np.array(study.exponents)[:, None] - 1).max(axis=0)


def linear(study: Study) -> modes.Course:
    """Return the descent of linear students on linear teachers, on the study's inputs and exponents; see `modes`."""
    x = task(study)["x_train"]
    rngs = [seeding.generator(study.master_seed, "target", seed) for seed in study.seeds]
    teachers = np.array([rng.standard_normal(x.shape[-1]) for rng in rngs])
    return modes.descend(x, teachers, study.exponents, study.settings["learning_rate"], study.settings["steps"])


def mode_decay(study: Study) -> np.ndarray:
    """Check 4: a linear student's error in mode k falls by the factor 1 - 2 eta lambda_k^(1 + p) a step [seeds]."""
    course = linear(study)
    return course.apart(course.discrete()).max(axis=0)


def mode_flow(study: Study) -> np.ndarray:
    """Return how far check 4's descent is from gradient flow, exp(-2 t lambda_k^(1 + p)) at t = eta s [seeds].

    It is learning_rate / e to first order, reached where the fastest mode has fallen to 1 / e.
    """
    course = linear(study)
    return course.apart(course.flow()).max(axis=0)
