"""What the rules of every paper share: configuration, studies, resources; no rules, and no import that takes time."""

import functools
import gc
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

# The graph is made of small objects that live as long as the program: collecting garbage among them is time lost.
gc.set_threshold(100_000, 50, 50)

from workflow.core import devices, grid, progress, rooms, surroundings
from workflow.core.configuration import ConfigError, validate
from workflow.core.fingerprint import fingerprint
from workflow.core.methods import LABELS
from workflow.core.provenance import must_carry

surroundings.settle(os.environ)

try:
    sys.executable = surroundings.python()
    CONFIG = validate(config)
    STUDIES = rooms.studies(CONFIG)
    CLAIMS = rooms.claims(CONFIG)
except (ConfigError, OSError) as error:
    raise WorkflowError(str(error)) from None

# The study of each figure, by paper and name: two papers may draw figures of one name.
DRAWN = {(study.paper, figure): study for study in STUDIES.values() for figure in study.figures}

# Whether this is no run, but the making of a report of what there is.
REPORTING = any(word.split("=")[0] == "--report" for word in sys.argv)

# Names the machine of a run that has not come to its end, for `make resume`.
RUN = "results/.run"

GPU = devices.gpu(CONFIG, workflow.resource_settings.overwrite_resources, rooms.training(STUDIES))
# Resources and no parameters: a change of them reruns nothing.
TRAIN_RESOURCES = {"compile_cache": CONFIG.compile_cache, "state": "results/state"}
TRAIN_RESOURCES |= {"checkpoint_seconds": round(60 * CONFIG.checkpoint_minutes)} | ({"gpu": 1} if GPU else {})
TRAIN_ENV = "../../envs/train-cuda.yaml" if GPU else "../../envs/train-cpu.yaml"
# For each set of images the key that may name a folder with its files, and the folder.
FOLDERS = CONFIG.image_folders()
MACHINE = {"device": CONFIG.device, "threads": CONFIG.threads}


onstart:
    try:
        os.makedirs("results", exist_ok=True)
        tempfile.TemporaryFile(dir="results").close()
    except OSError as error:
        raise WorkflowError(
            f"results: cannot be written ({error}); allowed: a folder that can be written, with room; make room, give "
            "the right to write, or run elsewhere: snakemake --directory FOLDER"
        ) from None
    if CONFIG.device == "auto":
        print(f"device: auto finds {'a GPU' if GPU else 'no GPU, training runs on the CPU'}")
    Path(RUN).write_text(socket.gethostname(), encoding="utf-8")
    unlimited()
    progress.start(rooms.trained_files(CONFIG), workflow.dag.jobs, workflow.dag.needrun_jobs())


onsuccess:
    end()


onerror:
    end()


def unlimited():
    """Take away the scheduler's default limit of jobs a second, which nobody has asked for.

    With any, Snakemake (9.27) has every job that ends while others wait look for jobs once more each second from then
    on: after some hundred jobs that takes half a core. A Snakemake that has no limiter by this name is left alone.
    """
    limit = getattr(workflow.scheduler, "job_rate_limiter", None)
    if limit and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


def end():
    """Leave no run behind, and gather each paper's verdicts, whatever has been run."""
    Path(RUN).unlink(missing_ok=True)
    subprocess.run([sys.executable, ROOT / "scripts" / "core" / "gather.py", *CONFIG.papers])


def settings(section, *keys):
    """Return the named keys of a section, so that a job depends on those and no others."""
    return {key: getattr(section, key) for key in keys}


def made(rule, wildcards, **others):
    """Return what the file of a rule's job must carry; its wildcards are these but for the others."""
    labels = {**dict(wildcards.items()), **others}
    names = sorted(getattr(rules, rule).rule.wildcard_names)
    return made_with(rule, tuple((name, labels[name]) for name in names))


@functools.cache
def made_with(rule, labels):
    """Return what the file of a rule's job with these wildcards, as pairs, must carry: many jobs read one file."""
    return must_carry(getattr(rules, rule).params, dict(labels))


def made_by_each(rule, arms=(), models=None):
    """Return what the files of all of a rule's jobs must carry."""
    return must_carry(getattr(rules, rule).params, arms=arms, models=models and getattr(rules, models).params)


def aggregated(study):
    """Return what the aggregated file of a study must carry."""
    return must_carry(getattr(rules, f"aggregate_{study}").params, {})


def growing(amount, each=0, models=lambda wildcards: 0):
    """Return a resource that grows with the models of the job and with the attempt.

    A job that was killed for want of it is retried with more.
    """
    return lambda wildcards, attempt: attempt * (amount + (each * models(wildcards) if each else 0))


def rows(arms):
    """Return the arms of a study as plain rows for a job's parameters."""
    return [arm._asdict() for arm in arms]


def image_files(name):
    """Return the paths of the original files of a set."""
    return grid.image_files(CONFIG, name)


def read_images(name):
    """Return them as inputs; they are checked when they are fetched, so a new time stamp on them is no news."""
    return [ancient(path) for path in image_files(name)]


def fetching(name):
    """Return the parameters of the job that fetches a set."""
    key, folder = FOLDERS.get(name, (None, None))
    return {"dataset": name, "key": key, "folder": folder}


def made_already(name):
    """Return whether all files that a study ends in are there."""
    return all(os.path.exists(file) for file in of_study(name))


def of_run():
    """Return the files that the run ends in: those of every study, and what it cost.

    The report of a run that was not of everything holds what there is, and says what there is not.
    """
    names = [name for name in STUDIES if made_already(name)] if REPORTING else list(STUDIES)
    files = [file for name in names for file in of_study(name)]
    costs = [f"results/{name}" for name in ("costs.csv", "costs.html", "timeline.png")]
    complete = len(names) == len(STUDIES) and (not REPORTING or all(map(os.path.exists, costs)))
    return files + (costs if complete else [])


def of_study(name):
    """Return the files that a study ends in: its figures, its tables, and its verdicts where there are claims."""
    if name not in STUDIES:
        raise WorkflowError(
            f"{name}: this configuration plans nothing of it; config/README.md tells how to switch it on"
        )
    study = STUDIES[name]
    place = f"results/{study.paper}"
    files = collect(f"{place}/figures/{{figure}}.{{form}}", figure=study.figures, form=["pdf", "png"])
    files += collect(f"{place}/{{table}}.{{form}}", table=study.tables, form=["csv", "md", "html"])
    return files + (collect(f"{place}/{name}/claims.{{form}}", form=["csv", "md", "html"]) if CLAIMS[name] else [])


def of_paper(paper):
    """Return the files that all studies of a paper end in."""
    return [file for name, study in STUDIES.items() if study.paper == paper for file in of_study(name)]


def category(kind, paper=None):
    """Return the category of a paper's figures, claims or tables in the report; the paper may be a wildcard."""
    signs = rooms.signs(CONFIG)
    return f"{signs[paper]} {kind}" if paper else lambda wildcards: f"{signs[wildcards.paper]} {kind}"


def figure_labels(wildcards):
    """Return how the report names a figure: its place, and what it shows."""
    paper, figure = wildcards.paper, wildcards.figure
    number = list(DRAWN).index((paper, figure)) + 1
    return {"figure": f"{number:02d} {figure}", "shows": DRAWN[paper, figure].figures[figure]}


def figures_of(paper):
    """Return the names of a paper's figures."""
    return [figure for room, figure in DRAWN if room == paper]


def judged_with(study):
    """Return the studies that the claims of a study compare, as far as they are planned."""
    return [name for name in rooms.compared(CLAIMS, study) if name in STUDIES]


# For the first page of the report.
config["papers_of_report"] = rooms.overview(CONFIG, STUDIES, made_already if REPORTING else lambda name: True)
