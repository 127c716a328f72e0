"""How every figure looks: sizes, rcParams, colours and markers, axes, legends, and byte-stable saving.

Ordered keys (exponents, eigenvalues) go from dark to light and have a marker each, so that a figure reads in grey and
by colour-blind eyes. A summary is an array [3, ...]: mean, lower and upper end of the interval (summaries.py).
"""

import textwrap

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogFormatterSciNotation, LogLocator, NullFormatter, NullLocator

from featurelearning.files import atomic

PAGE_INCHES = 6.75  # both columns of a two-column paper
SEQUENCE = "plasma"  # its lightness rises evenly
LIGHTEST = 0.8  # the part of the sequence that stands out from white paper
MARKERS = "osD^vPX*<>"
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))
FLOOR = {"color": "0.35", "linestyle": (0, (1, 1.2)), "linewidth": 1.2, "zorder": 1}
LEGEND_COLUMNS = 7
CHARACTERS_PER_INCH = 23  # of the small print
OF_THE_MACHINE = ("backend", "backend_fallback", "datapath", "interactive", "timezone", "toolbar")  # no look
SHADE = {"alpha": 0.15, "linewidth": 0}


def rc() -> dict:
    """Return the rcParams of every figure, all of them: what a user's matplotlibrc says of any is overruled.

    Fonts come with matplotlib, so that all machines draw the same bytes.
    """
    defaults = {key: value for key, value in matplotlib.rcParamsDefault.items() if key not in OF_THE_MACHINE}
    return defaults | {
        "figure.dpi": 200,
        "savefig.dpi": 200,
        "pdf.fonttype": 42,
        "font.family": "DejaVu Sans",
        "mathtext.fontset": "dejavusans",
        "text.hinting": "none",
        "font.size": 7.5,
        "axes.titlesize": 8,
        "axes.titlelocation": "left",
        "axes.labelsize": 7.5,
        "xtick.labelsize": 7,
        "ytick.labelsize": 7,
        "legend.fontsize": 7,
        "legend.frameon": False,
        "legend.handlelength": 2.2,
        "legend.columnspacing": 1.2,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.6,
        "axes.unicode_minus": True,
        "grid.color": "0.9",
        "grid.linewidth": 0.5,
        "axes.grid": True,
        "axes.axisbelow": True,
        "lines.linewidth": 1.1,
        "lines.markersize": 3.6,
        "errorbar.capsize": 0,
    }


styled = matplotlib.rc_context(rc=rc())  # decorates every function that builds a figure


def ordered(keys) -> dict:
    """Return {key: look}, keys ascending: colours from dark to light at even steps, and a marker of its own for each.

    A look is a dict of keywords of Axes.plot.
    """
    keys = sorted(set(map(float, keys)))
    colours = matplotlib.colormaps[SEQUENCE](np.linspace(0, LIGHTEST, len(keys)))
    return {
        key: {"color": tuple(map(float, colour)), "marker": MARKERS[i % len(MARKERS)]}
        for i, (key, colour) in enumerate(zip(keys, colours, strict=True))
    }


def number(value: float) -> str:
    """Return a number as text with a true minus sign."""
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def points(axes: Axes, x: np.ndarray, y: np.ndarray, **look) -> Line2D:
    """Draw means with vertical interval bars of a summary y [3, k] at x [k]; the look goes to the line."""
    axes.vlines(x, y[1], y[2], color=look["color"], linewidth=0.9, zorder=2)
    return axes.plot(x, y[0], **look)[0]


def shade(axes: Axes, x: np.ndarray, y: np.ndarray, color) -> None:
    """Shade the interval of a summary y [3, k] along x [k]."""
    axes.fill_between(x, y[1], y[2], color=color, **SHADE)


def frame(axis: Axis, summaries: list[np.ndarray], lowest: float = 0.0) -> None:
    """Set the limits of a log axis to the means and intervals of the summaries [3, ...], and its ticks.

    Intervals widen the view at most by the range of the means to either side, so that one of two seeds cannot squeeze
    everything else. Nothing below `lowest` is shown.
    """
    mean, low, high = (np.log(np.concatenate([np.ravel(s[i]) for s in summaries])) for i in range(3))
    bottom, top = np.nanmin(mean), np.nanmax(mean)
    room = max(top - bottom, 0.2)
    bottom = max(np.nanmin([bottom, *low]), bottom - room)
    top = min(np.nanmax([top, *high]), top + room)
    bottom = max(bottom, np.log(lowest)) if lowest else bottom
    pad = 0.04 * max(top - bottom, 0.2)
    limits = np.exp([bottom - pad, top + pad])
    setter = axis.axes.set_ylim if axis.axis_name == "y" else axis.axes.set_xlim
    setter(*limits)
    log_ticks(axis, limits)


def log_ticks(axis: Axis, limits) -> None:
    """Tick a log axis at 1, 2, 5 where it spans fewer than two decades, else at whole decades."""
    decades = np.log10(limits[1] / limits[0])
    if decades >= 2:
        axis.set_major_locator(LogLocator(numticks=7))
        axis.set_major_formatter(LogFormatterSciNotation())
        axis.set_minor_locator(LogLocator(subs="all", numticks=99) if decades < 8 else NullLocator())
    else:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades > 0.8 else (1, 1.5, 2, 3, 4, 5, 6, 8), numticks=99))
        axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        axis.set_minor_locator(LogLocator(subs=np.arange(1, 10), numticks=99))
    axis.set_minor_formatter(NullFormatter())


def fixed_ticks(axis: Axis, values) -> None:
    """Tick an axis at the given values and nowhere else, leaving out those too near to the one before."""
    values = np.sort(np.asarray(values, dtype=float))
    place = np.log(values) if axis.get_scale() == "log" else values
    kept = [0]
    for i in range(1, len(values)):
        if place[i] - place[kept[-1]] >= (place[-1] - place[0]) / 8:
            kept.append(i)
    axis.set_ticks(values[kept], [number(value) for value in values[kept]])
    axis.set_minor_locator(NullLocator())


def exponents(looks: dict) -> list[Line2D]:
    """Return the entries of a legend for the looks of exponents."""
    return [handle(f"$p$ = {number(p)}", **look) for p, look in looks.items()]


def title(axes: Axes, index: int, text: str) -> None:
    """Head a panel with its letter, counted from 0, and its subject."""
    axes.set_title(f"({chr(ord('a') + index)}) {text}")


def handle(label: str, **look) -> Line2D:
    """Return an entry of a legend."""
    return Line2D([], [], label=label, **look)


def legend(figure: Figure, *rows: list[Line2D]) -> None:
    """Put a legend above the panels, a line for each row of entries, or several where a row is long."""
    rows = [row[i : i + LEGEND_COLUMNS] for row in rows for i in range(0, len(row), LEGEND_COLUMNS)]
    blank = [handle(" ", linestyle="none")]
    columns = max(map(len, rows))
    padded = [row + blank * (columns - len(row)) for row in rows]
    entries = [entry for column in zip(*padded, strict=True) for entry in column]  # legends fill columns first
    figure.legend(handles=entries, loc="outside upper center", ncols=columns)


def footer(figure: Figure, *sentences: str) -> None:
    """Write small print under the panels, wrapped to the width of the figure."""
    text = " ".join(sentence for sentence in sentences if sentence)
    wrapped = textwrap.fill(text, int(figure.get_figwidth() * CHARACTERS_PER_INCH))
    figure.supxlabel(wrapped, x=0.012, ha="left", fontsize=6, color="0.25", linespacing=1.3)


@styled
def save(figure: Figure, pdf: str, png: str) -> None:
    """Write a figure as PDF (TrueType fonts) and PNG (200 dpi), with the same bytes each time: no dates, no versions.

    The layout is settled once, so that both files show the same.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    with atomic.whole(pdf) as temporary:
        figure.savefig(temporary, metadata={"CreationDate": None, "Creator": None, "Producer": None})
    with atomic.whole(png) as temporary:
        figure.savefig(temporary, metadata={"Software": None})
