"""Draw transfer between real data sets: accuracy of a refitted head on the target against the exponent p."""

from matplotlib.figure import Figure

from featurelearning.drawing import style, summaries
from featurelearning.files import joblog, records
from featurelearning.preconditioning import drawing

HEAD = {"color": "#00305e", "marker": "o"}
SPECIALISED = {"color": "#d55e00", "marker": "o", "linestyle": "none", "markerfacecolor": "none", "markersize": 8}
NAMES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10", "svhn": "SVHN"}
COLUMNS = 2


@style.styled
def figure(dataset) -> Figure:
    """Return the figure of real.nc: a panel for each pair of data sets, means over seeds with intervals.

    Source: P1, an open question of the paper (transfer between real data sets).
    """
    cells = drawing.family(dataset)
    pairs = list(cells["pair"].values)
    rows = -(-len(pairs) // COLUMNS)
    result = Figure(figsize=(style.PAGE_INCHES, 0.7 + 2.2 * rows), layout="constrained")
    grid = result.subplots(rows, COLUMNS, squeeze=False)
    for i, axes in enumerate(grid.flat):
        if i >= len(pairs):
            axes.remove()
            continue
        _panel(axes, cells.sel(pair=pairs[i]))
        style.title(axes, i, f"{_direction(cells.sel(pair=pairs[i]))}: {drawing.name(cells)}")
        if i + COLUMNS >= len(pairs):
            axes.set_xlabel("exponent $p$ in pre-training")
    for row in grid:
        row[0].set_ylabel("accuracy on the target (%)")
    entries = [
        style.handle("frozen first layer, head refitted", **HEAD),
        style.handle("untrained first layer", **style.FLOOR),
        style.handle("the $p$ that tuning found best on the source", **SPECIALISED),
    ]
    style.legend(result, entries)
    style.footer(result, *_sentences(cells))
    return result


def _panel(axes, cells):
    pair = cells["pair"].item()
    random = 100 * summaries.summary(cells["accuracy_random"].values, log=False)
    axes.axhline(random[0], gid=f"{pair} random", **style.FLOOR)
    axes.axhspan(*random[1:], color=style.FLOOR["color"], **style.SHADE)
    p, values = cells["p"].values, summaries.without(cells["accuracy_target"], cells["diverged_at"])
    y = 100 * summaries.summary(values.transpose("arm", "seed").values, log=False)
    style.points(axes, p, y, gid=f"{pair} target", **HEAD)
    best = p == cells["specialised_p"].item()
    axes.plot(p[best], y[0][best], gid=f"{pair} specialised", zorder=4, **SPECIALISED)
    axes.margins(y=0.12)
    style.fixed_ticks(axes.xaxis, p)


def _direction(cells):
    source, target = (NAMES[cells[name].item()] for name in ("source_set", "target_set"))
    return f"{source} \N{RIGHTWARDS ARROW} {target}"


def _sentences(cells):
    edge = cells["at_grid_edge"] == 1
    named = [
        f"{_direction(cells.sel(pair=pair))} $p$ = {', '.join(style.number(p) for p in cells['p'].values[at])}"
        for pair, at in zip(cells["pair"].values, edge.any("seed").transpose("pair", "arm").values, strict=True)
        if at.any()
    ]
    return (
        summaries.seeds(cells.sizes["seed"], log=False),
        f"Learning rate at an end of its grid: {'; '.join(named)}." if named else "",
        summaries.left_out(cells["diverged_at"]),
    )


if "snakemake" in globals():
    with joblog.of(snakemake):
        dataset = records.read(snakemake.input.data, snakemake.params.expected)
        style.save(figure(dataset), snakemake.output.pdf, snakemake.output.png)
