"""How figures name arms and methods."""

import numpy as np
import pytest
import xarray as xr

from featurelearning.drawing import summaries
from featurelearning.files import records
from workflow.core.grid import Arm, sigma_arm


def cell(arm: Arm) -> xr.Dataset:
    """Return an arm as it stands in an aggregated file."""
    return xr.Dataset(coords=records.arm_coordinates([arm._asdict()])).isel(arm=0)


@pytest.mark.parametrize(
    ("arm", "text"),
    [
        (sigma_arm("population", -1.0), "$\\Sigma^{\\,p}$, $p$ = −1"),
        (sigma_arm("empirical", 0.5), "$\\Sigma^{\\,p}$, $p$ = 0.5"),
        (Arm("adam", "adam", learning_rate=0.003), "Adam"),
        (Arm("sam_rho0.05", "sam", hyperparameters={"rho": 0.05}), "SAM, $\\rho$ = 0.05"),
        (Arm("sam_rho0.1234567", "sam", hyperparameters={"rho": 0.1234567}), "SAM, $\\rho$ = 0.1234567"),
        (Arm("adahessian_p-0.50", "adahessian", p=-0.5, hyperparameters={"p": -0.5}), "AdaHessian, $p$ = −0.5"),
        (Arm("adahessian", "adahessian", p=-1.0, hyperparameters={"p": -1.0}), "AdaHessian"),
        (Arm("kfac", "kfac", hyperparameters={"damping": 0.001}), "K-FAC"),
        (Arm("kfac_damping1e-05", "kfac", hyperparameters={"damping": 1e-5}), "K-FAC, damping = 1e−05"),
        (Arm("kfac_input_damping0.01", "kfac_input", hyperparameters={"damping": 0.01}), "K-FAC input, damping = 0.01"),
        (
            Arm(
                "torch_optimizer_class-torch.optim.NAdam",
                "torch_optimizer",
                hyperparameters={"class": "torch.optim:NAdam"},
            ),
            "NAdam (torch.optim)",
        ),
        (
            Arm(
                "torch_optimizer_class-a.LBFGS_betas-0.9x0.99_eps-1e-08_line-strong-wolfe_maximize-false_rho-null",
                "torch_optimizer",
                hyperparameters={
                    "class": "a:LBFGS",
                    "betas": (0.9, 0.99),
                    "eps": 1e-8,
                    "line": "strong_wolfe",
                    "maximize": False,
                    "rho": None,
                },
            ),
            "LBFGS (a), betas = (0.9, 0.99), eps = 1e−08, line = strong_wolfe, maximize = false, $\\rho$ = null",
        ),
        (Arm("other_a-2_b3", "other", hyperparameters={"a": -2, "b": 3, "c": 4}), "other, a = −2, b = 3"),
    ],
    ids=lambda value: value.id if isinstance(value, Arm) else "",
)
def test_a_label_names_the_method_and_what_the_arms_differ_in(arm, text):
    assert summaries.label(cell(arm)) == text


def test_an_error_of_zero_counts_in_the_geometric_mean():
    mean, *interval = summaries.summary(np.array([0.0, 1.0, np.nan, np.inf]), log=True)
    assert mean == 0 and np.isnan(interval).all()
    assert summaries.summary(np.array([0.0, 1.0, np.nan, np.inf]), log=False)[0] == 0.5
