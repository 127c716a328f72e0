"""Draw every method of the noise study beside powers of the covariance: final error against the noise-free teacher."""

import numpy as np
from matplotlib.figure import Figure

from featurelearning.drawing import style, summaries
from featurelearning.files import joblog, records
from featurelearning.preconditioning import drawing

ROW_INCHES = 0.17
MARK = {"linestyle": "none", "markersize": 4.2, "color": "0.1"}
POWERS = "sigma_power"


@style.styled
def figure(dataset) -> Figure:
    """Return the figure of noise.nc at SNR 1: a row for each arm, a panel for each case.

    Filled markers are powers of the covariance of one estimator, open ones all other methods. Means and intervals over
    seeds are of log MSE.
    """
    powers = drawing.family(dataset)
    snr = drawing.nearest_snr(powers)
    cells = dataset.sel(snr=snr)
    trained = (cells["planned"] == 1).all("case").values
    others = cells.isel(arm=np.flatnonzero((cells["method"] != POWERS).values & trained))
    rows = [each.sel(arm=arm) for each in (powers.sel(snr=snr), others) for arm in each["arm"].values]
    looks = style.ordered(powers["p"].values)
    result = Figure(figsize=(style.PAGE_INCHES, 1.3 + ROW_INCHES * len(rows)), layout="constrained")
    axes = result.subplots(1, cells.sizes["case"], sharex=True, sharey=True, squeeze=False)[0]
    drawn = []
    for i, (panel, case) in enumerate(zip(axes, cells["case"].values, strict=True)):
        drawn += _panel(panel, [row.sel(case=case) for row in rows], looks)
        style.title(panel, i, f"Case {case}, SNR {snr:g}")
        panel.set_xlabel("final MSE against the noise-free teacher")
    axes[0].set(xscale="log", ylabel="method", ylim=(len(rows) - 0.4, -0.6))
    axes[0].set_yticks(range(len(rows)), [summaries.label(row) for row in rows])
    style.frame(axes[0].xaxis, drawn)
    about = f"Filled: powers of the covariance, {drawing.name(powers)}. Open: the other methods."
    lost = summaries.left_out(dataset["diverged_at"].sel(snr=snr))
    style.footer(result, about, summaries.seeds(cells.sizes["seed"], log=True, drawn="Markers"), lost)
    return result


def _panel(axes, rows, looks):
    drawn = []
    for y, row in enumerate(rows):
        values = summaries.without(row["clean_mse"].isel(step=-1), row["diverged_at"]).values
        x = summaries.summary(values, log=True)
        by_power = row["method"].item() == POWERS
        look = MARK | (looks[row["p"].item()] if by_power else {"marker": "o", "markerfacecolor": "white"})
        axes.hlines(y, x[1], x[2], color=look["color"], linewidth=0.9, zorder=2)
        axes.plot(x[0], y, gid=f"{row['case'].item()} {row['arm'].item()}", **look)
        drawn.append(x)
    return drawn


if "snakemake" in globals():
    with joblog.of(snakemake):
        dataset = records.read(snakemake.input.data, snakemake.params.expected)
        style.save(figure(dataset), snakemake.output.pdf, snakemake.output.png)
