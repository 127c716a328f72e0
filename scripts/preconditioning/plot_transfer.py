"""Draw forward transfer: the test error of a head refitted on frozen first layers, against the exponent p."""

import numpy as np
from matplotlib.figure import Figure

from featurelearning.drawing import style, summaries
from featurelearning.files import joblog, records
from featurelearning.preconditioning import drawing

APART = 0.007  # of the grid of p, to either side, so that no interval hides another
SERIES = {  # variable: label, look, and the flag of its diverged models
    "test_mse": ("frozen first layer, head refitted", {"color": "#00305e", "marker": "o"}, "diverged_at"),
    "unfrozen_test_mse": (
        "trained on the target from scratch",
        {"color": "#d55e00", "marker": "s", "linestyle": (0, (4, 1.5)), "markerfacecolor": "white"},
        "unfrozen_diverged_at",
    ),
}


@style.styled
def figure(dataset) -> Figure:
    """Return the figure of transfer.nc: a panel for each direction of transfer.

    Means and intervals over seeds are of log MSE. Source: P1, forward knowledge transfer.
    """
    cells = drawing.family(dataset)
    sources = list(cells["source_case"].values)
    result = Figure(figsize=(style.PAGE_INCHES, 2.9), layout="constrained")
    axes = result.subplots(1, len(sources), sharey=True, squeeze=False)[0]
    drawn = []
    for i, (panel, source) in enumerate(zip(axes, sources, strict=True)):
        drawn += _panel(panel, cells.sel(source_case=source))
        style.title(panel, i, f"{_direction(source, sources)}: {drawing.name(cells)}")
    axes[0].set(yscale="log", ylabel="test MSE on the target")
    style.frame(axes[0].yaxis, drawn)
    entries = [style.handle(label, **look) for label, look, _ in SERIES.values()]
    style.legend(result, [*entries, style.handle("noise floor", **style.FLOOR)])
    counts = [summaries.left_out(cells[flag], label) for label, _, flag in SERIES.values()]
    about = "The target keeps the spectrum of the source and moves the teacher to its other end."
    style.footer(result, about, summaries.seeds(cells.sizes["seed"], log=True), *counts)
    return result


def _panel(axes, cells):
    floor = drawing.floor(cells)
    axes.axhline(floor[0], gid=f"{cells.source_case.item()} floor", **style.FLOOR)
    axes.axhspan(*floor[1:], color=style.FLOOR["color"], **style.SHADE)
    drawn = [floor[:, None]]
    aside = np.ptp(cells["p"].values) * np.linspace(-APART, APART, len(SERIES))
    for shift, (name, (_, look, flag)) in zip(aside, SERIES.items(), strict=True):
        values = summaries.without(cells[name], cells[flag]).transpose("arm", "seed").values
        y = summaries.summary(values, log=True)
        style.points(axes, cells["p"].values + shift, y, gid=f"{cells.source_case.item()} {name}", **look)
        drawn.append(y)
    style.fixed_ticks(axes.xaxis, cells["p"].values)
    axes.set_xlabel("exponent $p$ in pre-training")
    return drawn


def _direction(source, sources):
    others = [case for case in sources if case != source]
    return f"{source} \N{RIGHTWARDS ARROW} {others[0]}" if len(others) == 1 else f"from {source}"


if "snakemake" in globals():
    with joblog.of(snakemake):
        dataset = records.read(snakemake.input.data, snakemake.params.expected)
        style.save(figure(dataset), snakemake.output.pdf, snakemake.output.png)
