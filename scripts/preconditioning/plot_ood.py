"""Draw out-of-distribution MNIST: accuracy on flipped noise against flipped digits, a marker for each method and p."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from featurelearning.drawing import labels, style, summaries
from featurelearning.files import joblog, records

READERS = {"pattern reader": (0, 100), "digit reader": (100, 10)}  # percent: flipped noise, flipped digits
READER = {"linestyle": "none", "marker": "*", "markersize": 9, "color": "0.45"}
MIXTURE = {"color": "0.6", "linestyle": (0, (1, 1.2)), "linewidth": 0.9, "zorder": 1}
PLAIN = {"linestyle": "none", "color": "0.1", "markerfacecolor": "none", "markersize": 6, "zorder": 4}
POWER = {"linestyle": "none", "markersize": 4.5, "zorder": 3}
PATH = {"color": "0.75", "linewidth": 0.8, "zorder": 1}
LABEL = {"fontsize": 7, "ha": "center", "va": "center", "zorder": 5}
LEADER = {"arrowstyle": "-", "linewidth": 0.5, "color": "0.4", "shrinkA": 0, "shrinkB": 3}
MARKER_POINTS = 6.0


class Mark(NamedTuple):
    """A marker to be labelled: its text, and mean and interval [3] of both accuracies in percent."""

    text: str
    x: np.ndarray
    y: np.ndarray


@style.styled
def figure(dataset) -> Figure:
    """Return the figure of ood.nc, labelled at the markers: means over seeds with interval bars both ways.

    Source: P1, out-of-distribution experiments; the readers are what pattern or digit alone would score.
    """
    result = Figure(figsize=(5.0, 4.7), layout="constrained")
    axes = result.subplots()
    axes.set(xlim=(-7, 107), xlabel="accuracy on flipped noise (%)")
    axes.set(ylim=(-7, 107), ylabel="accuracy on flipped digits (%)")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MultipleLocator(20))
    marks = _readers(axes)
    by_power = dataset["method"].values == "sigma_power"
    marks += _powers(axes, dataset.isel(arm=np.flatnonzero(by_power)).sortby("p"))
    marks += _methods(axes, dataset.isel(arm=np.flatnonzero(~by_power)))
    style.footer(result, *_sentences(dataset))
    result.draw_without_rendering()  # settles the layout, on which the room for labels depends
    _label(axes, [mark for mark in marks if np.isfinite(mark.x[0])])
    return result


def _readers(axes):
    places = np.transpose(list(READERS.values()))
    axes.plot(*places, gid="mixture", **MIXTURE)
    axes.plot(*places, gid="readers", **READER)
    return [Mark(name, np.full(3, float(x)), np.full(3, float(y))) for name, (x, y) in READERS.items()]


def _powers(axes, cells):
    looks = style.ordered(cells["p"].values)
    marks = [_draw(axes, cells.sel(arm=arm), f"$p$ = {style.number(p)}", POWER | looks[p]) for arm, p in _rows(cells)]
    axes.plot([mark.x[0] for mark in marks], [mark.y[0] for mark in marks], gid="path", **PATH)
    return marks


def _methods(axes, cells):
    names = cells["arm"].values
    looks = [PLAIN | {"marker": style.MARKERS[i % len(style.MARKERS)]} for i in range(len(names))]
    rows = [cells.sel(arm=name) for name in names]
    return [_draw(axes, cell, summaries.label(cell), look) for cell, look in zip(rows, looks, strict=True)]


def _rows(cells):
    return zip(cells["arm"].values, cells["p"].values.tolist(), strict=True)


def _draw(axes, cell, text, look):
    x, y = (
        summaries.summary(100 * summaries.without(cell[f"accuracy_{name}"], cell["diverged_at"]).values, log=False)
        for name in ("flipped_noise", "flipped_digits")
    )
    bars = {"color": look["color"], "linewidth": 0.9, "zorder": 2}
    axes.hlines(y[0], x[1], x[2], **bars)
    axes.vlines(x[0], y[1], y[2], **bars)
    axes.plot(x[0], y[0], gid=cell["arm"].item(), **look)
    return Mark(text + " \N{DAGGER}" * bool(cell["at_grid_edge"].any()), x, y)


def _sentences(dataset):
    edge = "\N{DAGGER}: learning rate or damping at an end of its grid." if dataset["at_grid_edge"].any() else ""
    return (
        summaries.seeds(dataset.sizes["seed"], log=False, drawn="Markers"),
        "Filled: powers $p$ of the ridged covariance in the first layer.",
        "Stars: readers of the pattern or of the digit alone; dotted: mixtures of the two.",
        edge,
        summaries.left_out(dataset["diverged_at"]),
    )


# --- labels -----------------------------------------------------------------------------------------------------------
def _label(axes: Axes, marks: list[Mark]) -> None:
    texts = [axes.annotate(mark.text, (mark.x[0], mark.y[0]), in_layout=False, **LABEL) for mark in marks]
    to_points = 72 / axes.figure.dpi
    sizes = np.array([text.get_window_extent().size for text in texts]) * to_points
    anchors = _points(axes, [(mark.x[0], mark.y[0]) for mark in marks])
    obstacles = np.concatenate([_obstacles(axes, mark) for mark in marks])
    frame = np.ravel(_points(axes, np.transpose([axes.get_xlim(), axes.get_ylim()])))
    centres = labels.place(anchors, sizes, obstacles, _samples(axes), frame)
    for mark, text, shift, size in zip(marks, texts, centres - anchors, sizes, strict=True):
        text.remove()
        far = np.linalg.norm(np.maximum(np.abs(shift) - size / 2, 0)) > 1.5 * MARKER_POINTS
        axes.annotate(
            mark.text,
            (mark.x[0], mark.y[0]),
            xytext=shift,
            textcoords="offset points",
            arrowprops=LEADER if far else None,
            in_layout=False,
            **LABEL,
        )


def _points(axes, places):
    return axes.transData.transform(places) * 72 / axes.figure.dpi


def _obstacles(axes, mark):
    x, y = np.nan_to_num(mark.x, nan=mark.x[0]), np.nan_to_num(mark.y, nan=mark.y[0])
    centre, low, high = _points(axes, np.transpose([x, y]))
    half = MARKER_POINTS / 2
    marker = [*(centre - half), *(centre + half)]
    return np.array([marker, [low[0], centre[1], high[0], centre[1]], [centre[0], low[1], centre[0], high[1]]])


def _samples(axes):
    lines = [_points(axes, line.get_xydata()) for line in axes.lines if line.get_gid() in ("path", "mixture")]
    along = np.linspace(0, 1, 40)[:, None, None]
    parts = [(line[:-1] + along * (line[1:] - line[:-1])).reshape(-1, 2) for line in lines]
    return np.concatenate(parts)


if "snakemake" in globals():
    with joblog.of(snakemake):
        dataset = records.read(snakemake.input.data, snakemake.params.expected)
        style.save(figure(dataset), snakemake.output.pdf, snakemake.output.png)
