"""The grid, wildcards and parameters that the rule files share; no rules, and no import that takes time."""

import os
import shutil
import sys

# The package of the workflow: plain Python, so that tests import it as well.
sys.path.insert(0, workflow.basedir)

import grid
from fingerprint import fingerprint
from model import ConfigError, validate
from snakemake.exceptions import WorkflowError

try:
    CONFIG = validate(config)
except ConfigError as error:
    raise WorkflowError(str(error)) from None

ARMS = grid.arms(CONFIG)
TUNED = [arm.id for arm in grid.ood_arms(CONFIG)]
# The figures, and the aggregated file that each is drawn from.
DRAWN_FROM = {"noise": "noise", "transfer": "transfer", "ood": "ood", "features": "noise", "spectrum": "theory"}
FIGURES = list(DRAWN_FROM)
MNIST = {
    name: f"{CONFIG.data_cache}/mnist/{name.replace('_', '-')}-ubyte"
    for name in ("train_images_idx3", "train_labels_idx1", "t10k_images_idx3", "t10k_labels_idx1")
}

# The files are checked by sha256 when they are fetched: a new time stamp on them is no news.
READ_MNIST = {name: ancient(path) for name, path in MNIST.items()}

# Relative, so that a checkout that was moved reruns nothing.
CLAIMS = os.path.relpath(f"{workflow.basedir}/../config/claims.yaml")

# A GPU is asked of the scheduler only where one is used: `auto` takes one where this machine has one.
GPU = CONFIG.device == "cuda" or (CONFIG.device == "auto" and shutil.which("nvidia-smi") is not None)
# A resource and no parameter: moving the cache reruns nothing.
TRAIN_RESOURCES = {"compile_cache": CONFIG.compile_cache} | ({"gpu": 1} if GPU else {})
TRAIN_ENV = "../../envs/train-cuda.yaml" if GPU else "../../envs/train-cpu.yaml"


wildcard_constraints:
    study="noise|transfer",
    arm=grid.any_of(ARMS),
    estimator=grid.any_of([*CONFIG.noise.estimators, "empirical"]),
    case=grid.any_of(CONFIG.single_index.cases),
    snr=grid.any_of(f"{snr:.2f}" for snr in CONFIG.noise.snrs),
    shard=grid.any_of([*grid.shards(CONFIG), grid.TUNING]),
    figure=grid.any_of(FIGURES),


onstart:
    if CONFIG.device == "auto":
        print(f"device: auto finds {'a GPU' if GPU else 'no GPU (nvidia-smi), training runs on the CPU'}")


def arm_parameters(wildcards):
    """Return the method, estimator and exponent of the job's arm."""
    return ARMS[wildcards.arm]._asdict()


def seeds(wildcards):
    """Return the seeds of the job's shard."""
    return grid.seeds(CONFIG, wildcards.shard)


def case_parameters(wildcards):
    """Return the spectrum and directions of the job's case."""
    return CONFIG.single_index.cases[wildcards.case].model_dump()


def settings(section, *keys):
    """Return the named keys of a section, so that a job depends on those and no others."""
    return {key: getattr(section, key) for key in keys}


def optimizer(wildcards):
    """Return the module of the job's method, which its script loads by name."""
    return f"featurelearning/optimizers/{ARMS[wildcards.arm].method}.py"


def ood_covariance(wildcards):
    """Return the covariance file of a job whose arm uses one; without a shard it is a tuning job."""
    shard = getattr(wildcards, "shard", grid.TUNING)
    path = f"results/ood/covariance/empirical/{shard}.nc"
    return {"covariance": path} if ARMS[wildcards.arm].estimator != "none" else {}


def rows(arms):
    """Return the arms of a study as plain rows for a job's parameters."""
    return [arm._asdict() for arm in arms]


TRAINING = settings(CONFIG, "records", "compile")
MACHINE = settings(CONFIG, "device", "threads")
OOD_SETTINGS = settings(CONFIG.ood, "hidden", "steps", "weight_decay", "momentum") | settings(CONFIG, "records")
