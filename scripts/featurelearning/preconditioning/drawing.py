"""What P1's figures have in common: families of arms, the noise floor, the SNR that is drawn, names of its checks."""

import re

import numpy as np

from featurelearning.drawing import summaries

FAMILIES = {  # (method, estimator): how a title names it
    ("sigma_power", "population"): "$P = \\Sigma^{\\,p}$ (population)",
    ("sigma_power", "empirical"): "$P = \\hat\\Sigma^{\\,p}$ (empirical)",
    ("sigma_power", "ledoit_wolf"): "$P = \\hat\\Sigma^{\\,p}$ (Ledoit\N{EN DASH}Wolf)",
    ("sigma_power", "oas"): "$P = \\hat\\Sigma^{\\,p}$ (OAS)",
    ("row_sum_hessian", "none"): "AdaHessian, row sums",
    ("adahessian", "none"): "AdaHessian, signs",
    ("diagonal_hessian", "none"): "exact diagonal, power $p$",
}
POWERS = {"sigma_power": "$\\Sigma", "fixed": "fixed $\\Sigma", "reestimated": "re-estimated $\\Sigma"}
CHANGES = {"rotation": "Rotated inputs", "invertible": "Inputs under an invertible change"}  # of the theory study


def floor(cells) -> np.ndarray:
    """Return the summary [3, ...] of log noise_floor; seeds have one floor each, whatever the arm."""
    return summaries.summary(cells["noise_floor"].max("arm").transpose(..., "seed").values, log=True)


def family(dataset, method: str = "sigma_power"):
    """Return the arms of one method, p ascending, with its first estimator in the order of FAMILIES that was run.

    Raises ValueError if no such arm is in the data set.
    """
    for name, estimator in FAMILIES:
        chosen = (dataset["method"].values == name) & (dataset["estimator"].values == estimator)
        if name == method and chosen.any():
            return dataset.isel(arm=np.flatnonzero(chosen)).sortby("p")
    found = ", ".join(dataset["arm"].values)
    raise ValueError(f"no arm of method {method!r} to draw; arms: {found}; add an estimator to noise.estimators")


def name(cells) -> str:
    """Return how a title names the family that the cells belong to."""
    return FAMILIES[(str(cells["method"].values[0]), str(cells["estimator"].values[0]))]


def nearest_snr(cells, wanted: float = 1.0) -> float:
    """Return the SNR of the grid, of those that the cells were planned at, that is nearest to the wanted one in log."""
    everywhere = cells["planned"].all([dim for dim in cells["planned"].dims if dim != "snr"]).values
    planned = cells["snr"].values[everywhere]
    return float(min(planned, key=lambda snr: abs(np.log(snr / wanted))))


def theory_label(key: str) -> str:
    """Return how a figure names an optimiser or a preconditioner of the theory study."""
    if match := re.fullmatch(rf"({'|'.join(POWERS)})_p([-+.\d]+)", key):
        return f"{POWERS[match[1]]}^{{{float(match[2]):+g}}}$"
    if match := re.fullmatch(r"\w+_class-([^_]+)\.([^_]+)(.*)", key):  # of a method that runs a class
        told = re.findall(r"_([A-Za-z]\w*?)-([^_]+)", match[3])
        return ", ".join([f"{match[2]} ({match[1]})", *(f"{name} = {value}" for name, value in told)])
    return summaries.method_label(key)
