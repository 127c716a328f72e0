"""Count what the run cost, stage by stage, and draw when its jobs ran; what this writes differs from run to run."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from featurelearning.drawing import costs, style
from featurelearning.files import atomic, joblog

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7")  # Okabe-Ito, for the dearest stages
OTHERS = {"all others": "0.75"}
SWATCH = {"linewidth": 6, "solid_capstyle": "butt"}
CUT = {"color": "0.2", "linewidth": 0.8, "linestyle": style.DASHES[1]}
SEEN = 1 / 200  # of the timeline: a longer bar gets an edge, a shorter one would be nothing but edge


@style.styled
def figure(jobs: list[costs.Job]) -> Figure:
    """Return the timeline: a bar for each job, one above the other where jobs ran at the same time."""
    moved, cuts = costs.without_gaps(jobs)
    height = 1.6 + min(0.25 * costs.at_once(moved), 5)
    result = Figure(figsize=(style.PAGE_INCHES, height), layout="constrained")
    axes, looks = result.subplots(), colours(jobs)
    bars(axes, moved, looks)
    for cut in cuts:
        axes.axvline(cut / 60, gid="cut", **CUT)
    axes.set(xlabel="minutes since the first start", ylabel="jobs at once", xmargin=0.01)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.grid(visible=False, axis="y")
    entries = [style.handle(name, color=colour, **SWATCH) for name, colour in (looks | OTHERS).items()]
    style.legend(result, entries[:4], entries[4:])
    style.footer(result, costs.summary(jobs), "Dashed: hours without any job, cut out." if cuts else "")
    return result


def colours(jobs: list[costs.Job]) -> dict[str, str]:
    """Return a colour for each of the dearest stages."""
    stages = [row["stage"] for row in costs.rows(jobs)[:-1]]
    return dict(zip(stages, COLOURS, strict=False))


def bars(axes: Axes, jobs: list[costs.Job], looks: dict[str, str]) -> None:
    """Draw a bar for each job, in minutes, in the row that it is packed into; rows count from 1."""
    minutes = [(job.end - job.start) / 60 for job in jobs]
    length = max((job.end for job in jobs), default=0) / 60
    edges = [0.5 if width > SEEN * length else 0 for width in minutes]
    colour = [looks.get(job.stage, *OTHERS.values()) for job in jobs]
    rows, left = [row + 1 for row in costs.packed(jobs)], [job.start / 60 for job in jobs]
    axes.barh(rows, minutes, 0.9, left, color=colour, edgecolor="white", linewidth=edges)


def read(folder: Path, threads: int) -> list[costs.Job]:
    """Return the jobs of all benchmark files below a folder; a file that tells nothing is named and left out.

    So is that of this very job, which is from the run before.
    """
    paths = sorted(set(folder.rglob("*.tsv")) - {folder / "costs.tsv"})
    found = {path: read_one(path, folder, threads) for path in paths}
    skipped = [str(path) for path, job in found.items() if job is None]
    print(f"{len(found)} benchmark files, {len(skipped)} of them skipped as unreadable or empty", *skipped, sep="\n")
    return [job for job in found.values() if job is not None]


def read_one(path: Path, folder: Path, threads: int) -> costs.Job | None:
    """Return the job of a benchmark file, which ended when the file was written."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return costs.job(path.relative_to(folder).as_posix(), text, path.stat().st_mtime, threads)


if "snakemake" in globals():
    with joblog.of(snakemake):
        jobs = read(Path(snakemake.params.benchmarks), snakemake.params.threads)
        table, timeline = costs.table(jobs), figure(jobs)
        for name, text in {"csv": table.csv(), "html": table.html()}.items():
            with atomic.whole(snakemake.output[name]) as temporary:
                temporary.write_text(text, encoding="utf-8", newline="\n")
        with atomic.whole(snakemake.output.png) as temporary:
            timeline.savefig(temporary)
        print(table.summary)
