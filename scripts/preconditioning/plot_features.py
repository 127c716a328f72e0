"""Draw what the first layer has learned: feature energy and sensitivity per eigen-direction, against p."""

import numpy as np
from matplotlib.figure import Figure

from featurelearning.drawing import style, summaries
from featurelearning.files import joblog, records
from featurelearning.preconditioning import drawing

ROWS = {  # variable: name, label of the axis
    "feature_energy": ("feature energy", "share of $\\|W_1\\|^2$ per direction"),
    "sensitivity": ("sensitivity", "share of squared input\ngradient per direction"),
}
MEMBER = {"linewidth": 0.4, "alpha": 0.6, "marker": None}
EVEN = {"color": "0.35", "linestyle": (0, (5, 2)), "linewidth": 0.7, "zorder": 1}


@style.styled
def figure(dataset) -> Figure:
    """Return the figure of noise.nc at SNR 1: a row for each measure, a column for each case.

    Directions of equal eigenvalue are defined up to a rotation only: a bold line is the mean of such a block, its thin
    lines are its members. Means and intervals over seeds are of the logs of the shares.
    """
    family = drawing.family(dataset)
    snr = drawing.nearest_snr(family)
    cells = family.sel(snr=snr)
    cases = list(cells["case"].values)
    looks = style.ordered(np.unique(cells["eigenvalue"].values))
    result = Figure(figsize=(style.PAGE_INCHES, 4.6), layout="constrained")
    axes = result.subplots(len(ROWS), len(cases), sharex=True, sharey="row", squeeze=False)
    for i, (name, (what, label)) in enumerate(ROWS.items()):
        drawn = [_panel(axes[i, j], cells.sel(case=case), name, looks) for j, case in enumerate(cases)]
        axes[i, 0].set(yscale="log", ylabel=label)
        style.frame(axes[i, 0].yaxis, [y for panel in drawn for y in panel])
        for j, case in enumerate(cases):
            style.title(axes[i, j], i * len(cases) + j, f"Case {case}, {_spectrum(cells.sel(case=case))}: {what}")
    for panel in axes[-1]:
        panel.set_xlabel(f"exponent $p$ of {drawing.name(cells)}")
    style.legend(result, _entries(looks))
    about = f"SNR {snr:g}. Bold: single directions and means of blocks of equal eigenvalue; thin: members of a block."
    style.footer(
        result, about, summaries.seeds(cells.sizes["seed"], log=True), summaries.left_out(cells["diverged_at"])
    )
    return result


def _panel(axes, cells, name, looks):
    values = summaries.without(cells[name], cells["diverged_at"]).transpose("arm", "direction", "seed").values
    share = values / values.sum(axis=1, keepdims=True)
    p, eigenvalue = cells["p"].values, cells["eigenvalue"].values
    axes.axhline(1 / len(eigenvalue), gid="even", **EVEN)
    drawn = []
    for value, look in looks.items():
        block = share[:, eigenvalue == value]
        for member in block.swapaxes(0, 1) if block.shape[1] > 1 else ():
            mean = summaries.summary(member, log=True)[0]
            axes.plot(p, mean, gid=f"{cells.case.item()} {name} member", **look | MEMBER)
            drawn.append(np.stack([mean] * 3))  # without an interval
        if block.shape[1]:
            drawn.append(summaries.summary(block.mean(axis=1), log=True))
            gid = f"{cells.case.item()} {name} {value:g}"
            style.points(axes, p, drawn[-1], gid=gid, **look | {"linewidth": 1.6})
    style.fixed_ticks(axes.xaxis, p)
    return drawn


def _spectrum(cells):
    values, counts = np.unique(cells["eigenvalue"].values, return_counts=True)
    parts = [
        f"{value:g}" + (f" \\times {count}" if count > 1 else "") for value, count in zip(values, counts, strict=True)
    ]
    return "$\\lambda = " + ",\\ ".join(reversed(parts)) + "$"


def _entries(looks):
    entries = [style.handle(f"$\\lambda$ = {value:g}", **look) for value, look in reversed(looks.items())]
    return [*entries, style.handle("all directions alike", **EVEN)]


if "snakemake" in globals():
    with joblog.of(snakemake):
        dataset = records.read(snakemake.input.data, snakemake.params.expected)
        style.save(figure(dataset), snakemake.output.pdf, snakemake.output.png)
