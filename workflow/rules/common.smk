"""The grid, wildcards and parameters that the rule files share; no rules, and no import that takes time."""

import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

# The package of the workflow: plain Python, so that tests import it as well.
sys.path.insert(0, workflow.basedir)

import grid
import progress
import real_grid
from fingerprint import fingerprint
from model import ConfigError, validate
from snakemake.exceptions import WorkflowError

try:
    CONFIG = validate(config)
except ConfigError as error:
    raise WorkflowError(str(error)) from None

SYNTHETIC_ARMS = {arm.id: arm for study in grid.SYNTHETIC for arm, _ in grid.plan(CONFIG, study)}
OOD_ARMS = {arm.id: arm for arm in grid.ood_arms(CONFIG)}
# Studies that a configuration may leave out.
OPTIONAL = [name for name, on in {"teachers": CONFIG.teachers.cases, "real": CONFIG.real.pairs}.items() if on]
DIAGNOSED = grid.diagnosed(CONFIG)
# The figures, and the aggregated file that each is drawn from.
DRAWN_FROM = {"noise": "noise", "methods": "noise", "transfer": "transfer", "ood": "ood", "features": "noise"}
DRAWN_FROM |= {"spectrum": "theory", "departure": "theory", "effective": "theory", "initial": "theory"}
DRAWN_FROM |= {study: study for study in OPTIONAL}
FIGURES = list(DRAWN_FROM)
JUDGED = ["noise", "transfer", "ood", "theory", *OPTIONAL]  # by the claims
TABLES = ["claims", *(["diagnosis"] if DIAGNOSED else []), *(["firmness"] if CONFIG.firmness.variants else [])]
MNIST = {
    name: f"{CONFIG.data_cache}/mnist/{name.replace('_', '-')}-ubyte"
    for name in ("train_images_idx3", "train_labels_idx1", "t10k_images_idx3", "t10k_labels_idx1")
}

# The files are checked by sha256 when they are fetched: a new time stamp on them is no news.
READ_MNIST = {name: ancient(path) for name, path in MNIST.items()}

# Names the machine of a run that has not come to its end, for `make resume`.
RUN = "results/.run"

# Relative, so that a checkout that was moved reruns nothing.
CLAIMS = os.path.relpath(f"{workflow.basedir}/../config/claims.yaml")

# `auto` takes a GPU where the profile gives training one, as workflow/profiles/slurm does for jobs on other machines;
# where no profile says anything of it, where this machine has one.
ASSIGNED = workflow.resource_settings.overwrite_resources.get("train_ood", {}).get("gpu")
FOUND = shutil.which("nvidia-smi") is not None if ASSIGNED is None else int(getattr(ASSIGNED, "value", ASSIGNED)) > 0
GPU = CONFIG.device == "cuda" or (CONFIG.device == "auto" and FOUND)
# Resources and no parameters: a change of them reruns nothing.
TRAIN_RESOURCES = {"compile_cache": CONFIG.compile_cache, "state": "results/state"}
TRAIN_RESOURCES |= {"checkpoint_seconds": round(60 * CONFIG.checkpoint_minutes)} | ({"gpu": 1} if GPU else {})
TRAIN_ENV = "../../envs/train-cuda.yaml" if GPU else "../../envs/train-cpu.yaml"


wildcard_constraints:
    study=grid.any_of([*grid.SYNTHETIC, "transfer"]),
    arm=grid.any_of([*SYNTHETIC_ARMS, *OOD_ARMS]),
    estimator=grid.any_of([*CONFIG.noise.estimators, "population", "empirical"]),
    case=grid.any_of(case for study in grid.SYNTHETIC for case in grid.cases(CONFIG, study)),
    snr=grid.any_of(f"{snr:.2f}" for snr in [*CONFIG.noise.snrs, CONFIG.teachers.snr]),
    shard=grid.any_of([*grid.shards(CONFIG), grid.TUNING]),
    figure=grid.any_of(FIGURES),


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
    cells = grid.trained_files(CONFIG) | real_grid.trained_files(CONFIG)
    progress.start(cells, workflow.dag.jobs, workflow.dag.needrun_jobs())


onsuccess:
    Path(RUN).unlink(missing_ok=True)


onerror:
    Path(RUN).unlink(missing_ok=True)


def synthetic_arm(wildcards):
    """Return the arm of a job of the synthetic studies, as plain parameters."""
    return SYNTHETIC_ARMS[wildcards.arm]._asdict()


def ood_arm(wildcards):
    """Return the arm of a job of the MNIST study, as plain parameters."""
    return OOD_ARMS[wildcards.arm]._asdict()


def single_index_covariance(wildcards):
    """Return the covariance file of a synthetic job whose arm uses one."""
    estimator = SYNTHETIC_ARMS[wildcards.arm].estimator
    path = f"results/{wildcards.study}/covariance/{estimator}/{wildcards.case}_snr{wildcards.snr}_{wildcards.shard}.nc"
    return {"covariance": path} if estimator != "none" else {}


def seeds(wildcards):
    """Return the seeds of the job's shard."""
    return grid.seeds(CONFIG, wildcards.shard)


def case_parameters(wildcards):
    """Return the spectrum and directions of the job's case."""
    return grid.cases(CONFIG, wildcards.study)[wildcards.case].task


def variant(wildcards):
    """Return the settings that the job's case has of its own."""
    return grid.cases(CONFIG, wildcards.study)[wildcards.case].settings


def settings(section, *keys):
    """Return the named keys of a section, so that a job depends on those and no others."""
    return {key: getattr(section, key) for key in keys}


def optimizer(wildcards):
    """Return the module of the job's method, which its script loads by name."""
    return f"featurelearning/optimizers/{(SYNTHETIC_ARMS | OOD_ARMS)[wildcards.arm].method}.py"


def ood_covariance(wildcards):
    """Return the covariance file of a job whose arm uses one; without a shard it is a tuning job."""
    shard = getattr(wildcards, "shard", grid.TUNING)
    path = f"results/ood/covariance/empirical/{shard}.nc"
    return {"covariance": path} if OOD_ARMS[wildcards.arm].estimator != "none" else {}


def made_by(rule, wildcards, **others):
    """Return what the file of a rule's job must say of how it was made; its wildcards are these but for the others.

    The script that reads the file refuses another: one of other code or parameters that has got among the results.
    """
    labels = {**dict(wildcards.items()), **others}
    same = SimpleNamespace(**labels)
    given = {key: value(same) if callable(value) else value for key, value in recorded(rule).items()}
    given = {key: value.format(**labels) if isinstance(value, str) else value for key, value in given.items()}
    return {"code_fingerprint": given.pop("code"), "parameters": given}


def gathered(study):
    """Return what the aggregated file of a study must say: its own parameters, and those of what it was made from."""
    own = made_by(f"aggregate_{study}", {})
    return own | {
        "parameters": own["parameters"] | getattr(rules, f"aggregate_{study}").params.expected["evaluate"]["parameters"]
    }


def made_by_each(rule, arms=(), of=None):
    """Return what the files of all of a rule's jobs have in common: their fixed parameters, and a code of the arms'.

    of names the one that made the models which this one evaluates; its parameters are recorded, too.
    """
    given = recorded(rule)
    code = given.pop("code")
    codes = {code(SimpleNamespace(arm=arm.id)) for arm in arms} if callable(code) else {code}
    fixed = {key: value for key, value in given.items() if not callable(value)}
    if not of:
        return {"code_fingerprint": sorted(codes), "parameters": fixed}
    models = made_by_each(of, arms)
    return {
        "code_fingerprint": sorted(codes),
        "model_code_fingerprint": models["code_fingerprint"],
        "parameters": models["parameters"] | fixed,
    }


def gathering(study):
    """Return the parameters of the job that gathers a synthetic study."""
    plan = grid.plan(CONFIG, study)
    arms = [arm for arm, _ in plan]
    return {
        "arms": rows(arms),
        "seeds": CONFIG.seeds,
        "snrs": sorted({snr for _, snrs in plan for snr in snrs}),
        "planned": {arm.id: snrs for arm, snrs in plan},
        "cases": {name: case.task["eigenvalues"] for name, case in grid.cases(CONFIG, study).items()},
        "expected": {
            "train": made_by_each("train_single_index", arms),
            "evaluate": made_by_each("evaluate_noise", arms, of="train_single_index"),
        },
    }


def recorded(rule):
    """Return the parameters of a rule that its files record, and the code."""
    params = getattr(rules, rule).params.items()
    return {key: value for key, value in params if key not in ("expected", "machine", "threads")}


def growing(amount, each=0, models=lambda wildcards: len(seeds(wildcards))):
    """Return a resource that grows with the models of the job and with the attempt.

    A job that was killed for want of it is retried with more.
    """
    return lambda wildcards, attempt: attempt * (amount + (each * models(wildcards) if each else 0))


def tuned_models(wildcards):
    """Return the number of models of a job that chooses a learning rate."""
    return len(grid.candidates(CONFIG, OOD_ARMS[wildcards.arm])) * len(CONFIG.ood.tuning_seeds)


def rows(arms):
    """Return the arms of a study as plain rows for a job's parameters."""
    return [arm._asdict() for arm in arms]


TRAINING = settings(CONFIG, "records", "compile")
MACHINE = settings(CONFIG, "device", "threads")
LAST_ONLY = {"records": 2}  # of tuning, which reads the last accuracy
OOD_SETTINGS = settings(CONFIG.ood, "hidden", "steps", "weight_decay") | settings(CONFIG, "records")
