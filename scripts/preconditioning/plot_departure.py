"""Draw how far training on changed inputs departs from training on the given ones, for fixed and adaptive methods."""

from matplotlib.figure import Figure

from featurelearning.drawing import style, summaries
from featurelearning.files import joblog, records
from featurelearning.preconditioning import drawing

FIXED = ({"marker": "<"}, {"marker": ">", "linestyle": style.DASHES[1]})  # in grey: what the others depart from
MARKED = 7  # markers along a line


@style.styled
def figure(dataset) -> Figure:
    """Return the figure of theory.nc: departure over steps, a panel for each change, a line for each method.

    Means and intervals over seeds are of log departure. Source: P1, N2 and L3.
    """
    names = list(dataset["preconditioner"].values)
    looks = _looks(names)
    result = Figure(figsize=(style.PAGE_INCHES, 3.7), layout="constrained")
    axes = result.subplots(1, dataset.sizes["transformation"], sharey=True, squeeze=False)[0]
    drawn = []
    for i, (panel, change) in enumerate(zip(axes, dataset["transformation"].values, strict=True)):
        drawn += _panel(panel, dataset["departure"].sel(transformation=change), looks)
        style.title(panel, i, drawing.CHANGES[change])
    axes[0].set(yscale="log", ylabel="departure, relative")
    style.frame(axes[0].yaxis, drawn)
    entries = [style.handle(drawing.theory_label(name), **look) for name, look in looks.items()]
    half = -(-len(entries) // 2)
    style.legend(result, entries[:half], entries[half:])
    about = "Departure: the largest relative difference over pre-activations, outputs, losses and the other parameters."
    style.footer(result, about, summaries.seeds(dataset.sizes["seed"], log=True))
    return result


def _panel(axes, departure, looks):
    departure = departure.isel(step=departure["step"].values > 0)
    step, drawn = departure["step"].values, []
    every = max(len(step) // MARKED, 1)
    for i, (name, look) in enumerate(looks.items()):
        y = summaries.summary(departure.sel(preconditioner=name).transpose("step", "seed").values, log=True)
        gid = f"{departure['transformation'].item()} {name}"
        axes.plot(step, y[0], gid=gid, markevery=(i * every // len(looks), every), **look)
        style.shade(axes, step, y, look["color"])
        drawn.append(y)
    axes.set(xscale="log", xlabel="step")
    style.log_ticks(axes.xaxis, (1, step[-1]))
    return drawn


def _looks(names):
    fixed = [name for name in names if name.startswith("fixed")]
    looks = dict(zip(fixed, ({"color": "0.45"} | look for look in FIXED), strict=False))
    adaptive = [name for name in names if name not in looks]
    return looks | dict(zip(adaptive, style.ordered(range(len(adaptive))).values(), strict=True))


if "snakemake" in globals():
    with joblog.of(snakemake):
        dataset = records.read(snakemake.input.data, snakemake.params.expected)
        style.save(figure(dataset), snakemake.output.pdf, snakemake.output.png)
