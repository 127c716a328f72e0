"""Draw the Gram spectrum: eigenvalues of X P X^T against singular values of X, and the fitted slope against p + 1."""

import numpy as np
from matplotlib.figure import Figure

from featurelearning.drawing import style, summaries
from featurelearning.files import joblog, records

XLABEL = "singular value $s$ of $X / \\sqrt{n}$"
IDENTITY = {"color": "0.35", "linewidth": 0.8, "zorder": 1}
POPULATION = {"linestyle": (0, (3, 1.2)), "linewidth": 0.8, "markerfacecolor": "white"}
OPEN = {"color": "0.2", "marker": "s", "markerfacecolor": "white", "linestyle": "none", "markersize": 5.5}
FILLED = {"color": "0.2", "marker": "o", "linestyle": "none"}


@style.styled
def figure(dataset) -> Figure:
    """Return the figure of theory.nc: eigenvalues s^{2 (p + 1)}, and half their log-log slope against p + 1.

    Exact for P a power of the uncentred empirical covariance; for the population covariance the line is drawn for
    comparison. Means and intervals of eigenvalues over seeds are of their logs. Source: P1, Theorem 2.
    """
    cells = dataset.sortby("exponent")
    looks = style.ordered(cells["exponent"].values)
    result = Figure(figsize=(style.PAGE_INCHES, 3.5), layout="constrained")
    left, right = result.subplots(1, 2, width_ratios=(1.35, 1))
    _spectra(left, cells, looks)
    _slopes(right, cells)
    style.title(left, 0, "Gram spectrum")
    style.title(right, 1, "Fitted slope")
    style.legend(result, style.exponents(looks), _entries())
    style.footer(result, summaries.seeds(cells.sizes["seed"], log=True))
    return result


def eigenvalues(cells, name: str) -> np.ndarray:
    """Return the eigenvalues [exponent, direction, seed] in the order of the singular values that they belong to.

    Falling like these where p >= -1 and rising where p < -1, whatever their order in the file; an eigenvalue of the
    population's Gram matrix belongs to no singular value but by its rank.
    """
    values = np.sort(cells[name].transpose("exponent", "direction", "seed").values, axis=1)
    falling = cells["exponent"].values >= -1
    return np.where(falling[:, None, None], values[:, ::-1], values)


def slopes(singular_value: np.ndarray, eigenvalue: np.ndarray) -> np.ndarray:
    """Return half the least-squares slope [...] of log eigenvalue against log singular value, both [..., k, seed]."""
    x, y = np.log(singular_value), np.log(eigenvalue)
    x = x - x.mean(axis=-2, keepdims=True)
    return (x * y).sum(axis=-2) / (x**2).sum(axis=-2) / 2


def _singular(cells):
    return np.sort(cells["singular_value"].transpose("direction", "seed").values, axis=0)[::-1]


def _spectra(axes, cells, looks):
    s = summaries.summary(_singular(cells), log=True)
    drawn = []
    for name, extra in (("gram_eigenvalue_population", POPULATION), ("gram_eigenvalue", {"linestyle": "none"})):
        for p, values in zip(cells["exponent"].values, eigenvalues(cells, name), strict=True):
            drawn.append(summaries.summary(values, log=True))
            style.points(axes, s[0], drawn[-1], gid=f"p={p:g} {name}", **looks[p] | extra)
    for p, y, slope in zip(cells["exponent"].values, drawn[len(looks) :], cells["gram_slope"].values, strict=True):
        line = np.exp(np.log(y[0]).mean() + 2 * slope.mean() * (np.log(s[0]) - np.log(s[0]).mean()))
        axes.plot(s[0], line, gid=f"p={p:g} fit", color=looks[p]["color"])
    axes.set(xscale="log", yscale="log", xlabel=XLABEL, ylabel="eigenvalue of $X P X^{\\mathsf{T}} / n$")
    style.frame(axes.xaxis, [s])
    style.frame(axes.yaxis, drawn)


def _slopes(axes, cells):
    x = cells["exponent"].values + 1
    ends = np.array([x.min() - 0.2, x.max() + 0.2])
    axes.plot(ends, ends, gid="identity", **IDENTITY)
    population = slopes(_singular(cells), eigenvalues(cells, "gram_eigenvalue_population"))
    fits = {"population": (population, OPEN)}
    fits["empirical"] = (cells["gram_slope"].transpose("exponent", "seed").values, FILLED)
    for name, (values, look) in fits.items():
        style.points(axes, x, summaries.summary(values, log=False), gid=f"slope {name}", **look)
    style.fixed_ticks(axes.xaxis, x)
    style.fixed_ticks(axes.yaxis, x)
    axes.set(xlabel="$p + 1$", ylabel="half the log-log slope")


def _entries():
    return [
        style.handle("empirical, fit", color="0.2", marker="o"),
        style.handle("population", **{"color": "0.2", "marker": "s"} | POPULATION),
        style.handle("$p + 1$", **IDENTITY),
    ]


if "snakemake" in globals():
    with joblog.of(snakemake):
        dataset = records.read(snakemake.input.data, snakemake.params.expected)
        style.save(figure(dataset), snakemake.output.pdf, snakemake.output.png)
