"""Draw how far the law of the first layer's initial pre-activations is from one that depends on G_P alone (L1)."""

from matplotlib.figure import Figure

from featurelearning.drawing import style, summaries
from featurelearning.files import joblog, records
from featurelearning.preconditioning import drawing

SERIES = {  # law: label and look
    "P-isotropic": ("$P$-isotropic, $w \\sim N(0, P)$", {"color": "#00305e", "marker": "o"}),
    "released": (
        "released, uniform in the coordinates of the inputs",
        {"color": "#d55e00", "marker": "s", "linestyle": (0, (4, 1.5)), "markerfacecolor": "white"},
    ),
}


@style.styled
def figure(dataset) -> Figure:
    """Return the figure of theory.nc: isotropy error against p, a panel for each change of the inputs.

    Means and intervals over seeds are of log error. Source: P1, L1.
    """
    cells = dataset.sortby("exponent")
    result = Figure(figsize=(style.PAGE_INCHES, 2.9), layout="constrained")
    axes = result.subplots(1, cells.sizes["transformation"], sharey=True, squeeze=False)[0]
    drawn = []
    for i, (panel, change) in enumerate(zip(axes, cells["transformation"].values, strict=True)):
        drawn += _panel(panel, cells.sel(transformation=change))
        style.title(panel, i, drawing.CHANGES[change])
    axes[0].set(yscale="log", ylabel="distance from $\\sigma^2 X P X^{\\mathsf{T}}$")
    style.frame(axes[0].yaxis, drawn)
    entries = [style.handle(label, **look) for label, look in SERIES.values()]
    style.legend(result, [*entries, style.handle("Monte Carlo noise", **style.FLOOR)])
    style.footer(result, summaries.seeds(cells.sizes["seed"], log=True))
    return result


def _panel(axes, cells):
    p, change = cells["exponent"].values, cells["transformation"].item()
    noise = summaries.summary(cells["isotropy_noise"].transpose("exponent", "seed").values, log=True)
    axes.plot(p, noise[0], gid=f"{change} noise", **style.FLOOR)
    drawn = [noise]
    for law, (_, look) in SERIES.items():
        values = cells["isotropy_error"].sel(initialisation=law).transpose("exponent", "seed").values
        drawn.append(summaries.summary(values, log=True))
        style.points(axes, p, drawn[-1], gid=f"{change} {law}", **look)
    style.fixed_ticks(axes.xaxis, p)
    axes.set_xlabel("exponent $p$")
    return drawn


if "snakemake" in globals():
    with joblog.of(snakemake):
        dataset = records.read(snakemake.input.data, snakemake.params.expected)
        style.save(figure(dataset), snakemake.output.pdf, snakemake.output.png)
