"""Draw the best exponent for other teachers: against the share of the signal in the low band, and for each teacher."""

import re

import numpy as np
from matplotlib.figure import Figure

from featurelearning.drawing import style, summaries
from featurelearning.files import joblog, records
from featurelearning.preconditioning import drawing

READINGS = {  # name: label, look
    "final": ("at the final step", {"color": "#00305e", "marker": "o"}),
    "best": ("at the best step", {"color": "#d55e00", "marker": "s", "markerfacecolor": "white"}),
}
MIXED = r"TwoIndex(\d+)"  # a case of the two-index teacher: percent of the signal's variance in the low band
APART = {"final": -1.0, "best": 1.0}


@style.styled
def figure(dataset) -> Figure:
    """Return the figure of teachers.nc: mean over seeds of the p with the smallest error, with its interval.

    Errors are against the noise-free teacher; a seed in which a model diverged is left out.
    """
    cells = drawing.family(dataset)
    shares = {case: int(match[1]) for case in cells["case"].values if (match := re.fullmatch(MIXED, case))}
    others = [case for case in cells["case"].values if case not in shares]
    result = Figure(figsize=(style.PAGE_INCHES, 2.9), layout="constrained")
    axes = result.subplots(1, 2, sharey=True, squeeze=False)[0]
    for name, (_, look) in READINGS.items():
        best = {case: _best(cells.sel(case=case), name) for case in cells["case"].values}
        _points(axes[0], [shares[case] + APART[name] for case in shares], [best[case] for case in shares], name, look)
        places = [i + APART[name] / 12 for i in range(len(others))]
        _points(axes[1], places, [best[case] for case in others], name, look | {"linestyle": "none"})
    style.title(axes[0], 0, "Two-index teacher")
    style.title(axes[1], 1, "Other teachers")
    axes[0].set(xlabel="share of the signal in the low band (%)", ylabel="best $p$")
    axes[1].set_xticks(range(len(others)), [_spaced(case) for case in others], rotation=30, ha="right")
    axes[1].set_xlabel("case")
    axes[0].set_yticks(cells["p"].values)
    style.legend(result, [style.handle(label, **look) for label, look in READINGS.values()])
    lost = summaries.left_out(cells["diverged_at"])
    about = f"Best of the grid of $p$ in the error against the noise-free teacher, {drawing.name(cells)}."
    style.footer(result, about, summaries.seeds(cells.sizes["seed"], log=False, drawn="Markers"), lost)
    return result


def _best(cells, reading):
    curves = summaries.without(cells["clean_mse"], cells["diverged_at"]).isel(snr=0).transpose("arm", "seed", "step")
    values = curves.values[..., -1] if reading == "final" else curves.values.min(axis=-1)
    complete = np.isfinite(values).all(axis=0)
    return summaries.summary(cells["p"].values[values[:, complete].argmin(axis=0)], log=False)


def _points(axes, x, y, gid, look):
    if len(y):
        style.points(axes, np.array(x), np.stack(y, axis=1), gid=gid, **look)


def _spaced(case):
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", case).capitalize()


if "snakemake" in globals():
    with joblog.of(snakemake):
        dataset = records.read(snakemake.input.data, snakemake.params.expected)
        style.save(figure(dataset), snakemake.output.pdf, snakemake.output.png)
