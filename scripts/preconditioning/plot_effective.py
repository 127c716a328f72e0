"""Draw which power of the covariance every method acts like: its effective exponent at the end and over steps."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from featurelearning.drawing import style, summaries
from featurelearning.files import joblog, records
from featurelearning.preconditioning import drawing

CLAIMED = {1.0: "SAM as $p$ = +1", -0.5: "Adam as $p$ = \N{MINUS SIGN}1/2"}  # by the public reviews of P1
LINE = {"color": "0.35", "linestyle": (0, (1, 1.2)), "linewidth": 1.0, "zorder": 1}
FRAMES = {  # label, and what it adds to the look of a method
    "eigenbasis": ("in the eigenbasis", {}),
    "rotated": ("in rotated coordinates", {"markerfacecolor": "white"}),
}
KNOWN = "sigma_power"
APART = 0.17  # of a row, to either side
MARKED = 6  # markers along a line


@style.styled
def figure(dataset) -> Figure:
    """Return the figure of theory.nc: the effective exponent of every method at the end, and its curves.

    It explains the change of the first layer from the gradients that it met; see `preconditioning.effective`.
    """
    names = list(dataset["optimizer"].values)
    methods = [name for name in names if not name.startswith(KNOWN)]
    looks = dict.fromkeys(names, {"color": "0.45", "marker": "o"})
    looks |= dict(zip(methods, style.ordered(range(len(methods))).values(), strict=True))
    result = Figure(figsize=(style.PAGE_INCHES, 1.5 + 0.2 * len(names)), layout="constrained")
    axes = result.subplots(1, 3, width_ratios=(1.25, 1, 1))
    axes[2].sharey(axes[1])
    axes[2].tick_params(labelleft=False)
    _rows(axes[0], dataset["effective_exponent"].isel(effective_step=-1), looks)
    style.title(axes[0], 0, "At the end")
    drawn = []
    for i, (panel, frame) in enumerate(zip(axes[1:], FRAMES, strict=True), 1):
        drawn += _curves(panel, dataset["effective_exponent"].sel(frame=frame), {name: looks[name] for name in methods})
        style.title(panel, i, FRAMES[frame][0].capitalize())
    axes[1].set(ylabel="effective exponent", ylim=_limits(drawn))
    entries = [style.handle(text, color="0.2", marker="o", linestyle="none", **look) for text, look in FRAMES.values()]
    style.legend(result, [*entries, style.handle(f"claimed: {', '.join(CLAIMED.values())}", **LINE)])
    style.footer(
        result, "Curves have the colours and markers of the rows.", summaries.seeds(dataset.sizes["seed"], False)
    )
    return result


def _rows(axes, last, looks):
    for p in CLAIMED:
        axes.axvline(p, gid=f"claimed {p:g} row", **LINE)
    aside = np.linspace(-APART, APART, len(FRAMES))
    for row, (name, look) in enumerate(looks.items()):
        for shift, (frame, (_, extra)) in zip(aside, FRAMES.items(), strict=True):
            x = summaries.summary(last.sel(optimizer=name, frame=frame).values, log=False)
            axes.hlines(row + shift, x[1], x[2], color=look["color"], linewidth=0.9, zorder=2)
            axes.plot(x[0], row + shift, gid=f"{frame} {name} last", linestyle="none", **look | extra)
    axes.set_yticks(range(len(looks)), [drawing.theory_label(name) for name in looks])
    axes.xaxis.set_major_locator(MultipleLocator(0.5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: style.number(value)))
    axes.set(xlabel="effective exponent", ylabel="method", ylim=(len(looks) - 0.4, -0.6))


def _curves(axes, exponent, looks):
    for p in CLAIMED:
        axes.axhline(p, gid=f"claimed {p:g} {exponent['frame'].item()}", **LINE)
    drawn, step = [], exponent["effective_step"].values
    every = max(len(step) // MARKED, 1)
    for i, (name, look) in enumerate(looks.items()):
        y = summaries.summary(exponent.sel(optimizer=name).transpose("effective_step", "seed").values, log=False)
        axes.plot(step, y[0], gid=f"{exponent['frame'].item()} {name}", markevery=(i % every, every), **look)
        style.shade(axes, step, y, look["color"])
        drawn.append(y[0])
    axes.set(xscale="log", xlabel="step")
    style.log_ticks(axes.xaxis, (step[0], step[-1]))
    return drawn


def _limits(drawn):
    values = np.concatenate([list(CLAIMED), *map(np.ravel, drawn)])
    low, high = np.nanmin(values), np.nanmax(values)
    return low - 0.1 * (high - low), high + 0.1 * (high - low)


if "snakemake" in globals():
    with joblog.of(snakemake):
        dataset = records.read(snakemake.input.data, snakemake.params.expected)
        style.save(figure(dataset), snakemake.output.pdf, snakemake.output.png)
