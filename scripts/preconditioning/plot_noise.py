"""Draw robustness to label noise in the layout of P1's Figure 1: a column for each case and kind of preconditioner."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from featurelearning.drawing import style, summaries
from featurelearning.files import joblog, records
from featurelearning.preconditioning import drawing

METHODS = ("sigma_power", "row_sum_hessian", "adahessian")  # a column for each case and method that was run
SHOWN = 0.02  # a training error below this share of the noise floor has interpolated, and leaves the panel
DECADES = 3  # of steps are drawn; before them nothing has moved
APART = 1.025  # neighbouring exponents are drawn this factor apart in SNR, so that no interval hides another
TRAIN = (0, (3, 1.2))


@style.styled
def figure(dataset) -> Figure:
    """Return the figure of noise.nc: final test error against SNR above, curves at SNR 1 below.

    Means and intervals over seeds are of log MSE. Source: P1, Figure 1.
    """
    families = [drawing.family(dataset, name) for name in METHODS if name in dataset["method"].values]
    columns = [(family, case) for family in families for case in dataset["case"].values]
    looks = style.ordered(np.concatenate([family["p"].values for family in families]))
    result = Figure(figsize=(max(style.PAGE_INCHES, 2.4 * len(columns)), 5.2), layout="constrained")
    axes = result.subplots(2, len(columns), sharex="row", sharey="row", squeeze=False, height_ratios=(1, 1.2))
    tops, bottoms = [], []
    for i, (family, case) in enumerate(columns):
        snr = drawing.nearest_snr(family)  # the paper's curves are at SNR 1
        tops += _final(axes[0, i], family.sel(case=case), looks)
        bottoms += _curves(axes[1, i], family.sel(case=case, snr=snr), looks)
        style.title(axes[0, i], i, f"Case {case}: {drawing.name(family)}")
        style.title(axes[1, i], len(columns) + i, f"Case {case}: training at SNR {snr:g}")
    _label(axes, dataset, tops, bottoms)
    style.legend(result, style.exponents(looks), _lines())
    style.footer(result, *_sentences(families, bottoms))
    return result


def _final(axes, cells, looks):
    floor = drawing.floor(cells)
    axes.plot(cells["snr"], floor[0], gid=f"{_which(cells)} floor", **style.FLOOR)
    drawn = [floor]
    test = summaries.without(cells["test_mse"].isel(step=-1), cells["diverged_at"])
    for i, arm in enumerate(test["arm"].values):
        p = float(test["p"].sel(arm=arm))
        y = summaries.summary(test.sel(arm=arm).transpose("snr", "seed").values, log=True)
        x = test["snr"].values * APART ** (i - (test.sizes["arm"] - 1) / 2)
        style.points(axes, x, y, gid=f"{_which(cells)} p={p:g} final", **looks[p])
        drawn.append(y)
    return drawn


def _curves(axes, cells, looks):
    cells = cells.sel(step=slice(max(1, cells["step"].values[-1] // 10**DECADES), None))
    floor = drawing.floor(cells)
    axes.axhline(floor[0], gid=f"{_which(cells)} floor at SNR", **style.FLOOR)
    drawn = [floor[:, None]]
    for i, arm in enumerate(cells["arm"].values):
        cell = cells.sel(arm=arm)
        look = looks[float(cell["p"])] | {"markevery": _staggered(i, cells.sizes["arm"], cells.sizes["step"])}
        for split, dash in (("test", "-"), ("train", TRAIN)):
            values = summaries.without(cell[f"{split}_mse"], cell["diverged_at"]).transpose("step", "seed").values
            y = summaries.summary(values, log=True)
            style.shade(axes, cells["step"].values, y, look["color"])
            gid = f"{_which(cells)} p={float(cell['p']):g} {split}"
            axes.plot(cells["step"].values, y[0], gid=gid, linestyle=dash, **look)
            drawn.append(y)
    return drawn


def _which(cells):
    method = cells["method"].values[0]
    return f"{'' if method == METHODS[0] else method + ' '}{cells.case.item()}"


def _staggered(i, curves, steps):
    # Four markers a curve, none above those of another curve.
    every = max(steps // 4, 1)
    return (int((i + 0.5) / curves * every), every)


def _label(axes, dataset, tops, bottoms):
    for row in axes:
        row[0].set(xscale="log", yscale="log")
    style.frame(axes[0, 0].yaxis, tops)
    style.frame(axes[1, 0].yaxis, bottoms, lowest=_lowest(bottoms))
    axes[0, 0].set_ylabel("final test MSE")
    axes[1, 0].set_ylabel("MSE, train and test")
    style.fixed_ticks(axes[0, 0].xaxis, dataset["snr"].values)
    axes[1, 0].xaxis.set_major_locator(LogLocator(numticks=7))
    for top, bottom in axes.T:
        top.set_xlabel("signal-to-noise ratio")
        bottom.set_xlabel("step")


def _lowest(bottoms):
    return SHOWN * float(bottoms[0][0].min())  # the floor is drawn first


def _sentences(families, bottoms):
    cut = min(np.nanmin(y[0], initial=np.inf) for y in bottoms) < _lowest(bottoms)
    below = f"Below the lower panels: under {100 * SHOWN:g}\N{NO-BREAK SPACE}% of the noise floor." if cut else ""
    counts = [summaries.left_out(family["diverged_at"]) for family in families]
    ratio = "Signal to noise: a ratio of standard deviations."
    drawn = {str(family["method"].values[0]) for family in families}
    released = "AdaHessian with row sums of the Hessian: as released; with random signs: as described."
    told = released if drawn == set(METHODS) else ""
    return (summaries.seeds(families[0].sizes["seed"], log=True), ratio, told, below, *counts)


def _lines():
    kinds = [style.handle(name, color="0.2", linestyle=dash) for name, dash in (("test", "-"), ("train", TRAIN))]
    return [*kinds, style.handle("noise floor", **style.FLOOR)]


if "snakemake" in globals():
    with joblog.of(snakemake):
        dataset = records.read(snakemake.input.data, snakemake.params.expected)
        style.save(figure(dataset), snakemake.output.pdf, snakemake.output.png)
