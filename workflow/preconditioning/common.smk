"""P1's grid, wildcards and parameters, which its rule files share; no rules."""

from featurelearning.files.sets import SETS
from workflow.core.grid import TUNING
from workflow.preconditioning import grid as p1
from workflow.preconditioning import image_grid

SYNTHETIC_ARMS = grid.by_id(arm for study in p1.SYNTHETIC for arm, _ in p1.plan(CONFIG, study))
CASES = {study: p1.cases(CONFIG, study) for study in [*p1.SYNTHETIC, "transfer"]}
IMAGE_ARMS = {study: image_grid.arms(CONFIG, study) for study in image_grid.STUDIES}
# By study; one id may be other arms in studies of other kinds.
ARMS = dict.fromkeys([*p1.SYNTHETIC, "transfer"], SYNTHETIC_ARMS) | IMAGE_ARMS
ROWS = {study: dict(zip(arms, rows(arms.values()), strict=True)) for study, arms in ARMS.items()}
METHODS = {id: arm.method for arms in ARMS.values() for id, arm in arms.items()}
DIAGNOSED = p1.diagnosed(CONFIG)

# Wildcards of the synthetic studies, and of those of images.
SYNTHETIC = {
    "study": grid.any_of([*p1.SYNTHETIC, "transfer"]),
    "case": grid.any_of(case for study in p1.SYNTHETIC for case in CASES[study]),
    "snr": grid.any_of(f"{snr:.2f}" for snr in [*CONFIG.noise.snrs, CONFIG.teachers.snr]),
    "shard": grid.any_of(grid.shards(CONFIG)),
}
SYNTHETIC_ARM = SYNTHETIC | {"arm": grid.any_of(SYNTHETIC_ARMS)}
IMAGE_SHARD = {
    "study": grid.any_of(image_grid.STUDIES),
    "source": grid.any_of(SETS),
    "shard": grid.any_of([*grid.shards(CONFIG), TUNING]),
}
IMAGE_ARM = IMAGE_SHARD | {"arm": grid.any_of(id for arms in IMAGE_ARMS.values() for id in arms)}
# Megabytes of a set of images in memory, and of a model with its data and eigenvectors, which grow with the pixels.
SET_MEMORY = {name: 1400 if images.pixels < 1000 else 3500 for name, images in SETS.items()}
MODEL_MEMORY = {name: 50 if images.pixels < 1000 else 350 for name, images in SETS.items()}

TRAINING = settings(CONFIG, "records", "compile")
LAST_ONLY = {"records": 2}  # of tuning, which reads the last accuracy


def arm(wildcards):
    """Return the arm of a job, as plain parameters."""
    return ROWS[wildcards.study][wildcards.arm]


def single_index_covariance(wildcards):
    """Return the covariance file of a synthetic job whose arm uses one."""
    estimator = SYNTHETIC_ARMS[wildcards.arm].estimator
    folder = f"results/preconditioning/{wildcards.study}/covariance/{estimator}"
    path = f"{folder}/{wildcards.case}_snr{wildcards.snr}_{wildcards.shard}.nc"
    return {"covariance": path} if estimator != "none" else {}


def image_covariance(wildcards):
    """Return the covariance file of a job of images whose arm uses one; without a shard it is a tuning job."""
    shard = getattr(wildcards, "shard", TUNING)
    path = f"results/preconditioning/{wildcards.study}/covariance/{wildcards.source}/{shard}.nc"
    return {"covariance": path} if ARMS[wildcards.study][wildcards.arm].estimator != "none" else {}


def image_settings(study):
    """Return how the models of a study of images are trained: with a record, which costs a step, for one step in ten."""
    trained = settings(getattr(CONFIG, study), "hidden", "steps", "weight_decay")
    return trained | {"records": min(CONFIG.records, max(trained["steps"] // 10, 2))}


def image_data(wildcards):
    """Return how many images of a study are drawn, and the scale of its class patterns, if it has such."""
    study = getattr(CONFIG, wildcards.study)
    return settings(study, "samples_train", "samples_validation") | {
        "pattern_scale": getattr(study, "pattern_scale", None)
    }


def image_seeds(wildcards):
    """Return the seeds of the job's shard of images; without a shard it is a tuning job."""
    return image_grid.seeds(CONFIG, wildcards.study, getattr(wildcards, "shard", TUNING))


def image_models(wildcards):
    """Return the number of models of a job of images: one a seed, of a tuning job one a seed and candidate."""
    seeds = len(image_seeds(wildcards))
    return seeds if hasattr(wildcards, "shard") else seeds * len(candidates(wildcards))


def image_memory(wildcards, attempt):
    """Return the megabytes of a job that holds a set of images and its models."""
    return attempt * (SET_MEMORY[wildcards.source] + MODEL_MEMORY[wildcards.source] * image_models(wildcards))


def candidates(wildcards):
    """Return what a tuning job chooses from."""
    return image_grid.candidates(CONFIG, wildcards.study, IMAGE_ARMS[wildcards.study][wildcards.arm])


def tuned(wildcards):
    """Return the names of what was tuned of a job's arm."""
    return list(image_grid.tuned(CONFIG, wildcards.study, IMAGE_ARMS[wildcards.study][wildcards.arm]))


def seeds(wildcards):
    """Return the seeds of the job's shard."""
    return grid.seeds(wildcards.shard)


def models(wildcards):
    """Return the number of models of the job's shard."""
    return len(seeds(wildcards))


def case_parameters(wildcards):
    """Return the spectrum and directions of the job's case."""
    return CASES[wildcards.study][wildcards.case].task


def variant(wildcards):
    """Return the settings that the job's case has of its own."""
    return CASES[wildcards.study][wildcards.case].settings


def optimizer(wildcards):
    """Return the module of the job's method, which its script loads by name."""
    return method_file(METHODS[wildcards.arm])


def method_file(method):
    """Return the module of a method."""
    return f"featurelearning/optimizers/{method}.py"


def gathering(study):
    """Return the parameters of the job that gathers a synthetic study."""
    plan = p1.plan(CONFIG, study)
    arms = [arm for arm, _ in plan]
    return {
        "study": study,
        "arms": rows(arms),
        "seeds": CONFIG.seeds,
        "snrs": sorted({snr for _, snrs in plan for snr in snrs}),
        "planned": {arm.id: snrs for arm, snrs in plan},
        "cases": {name: case.task["eigenvalues"] for name, case in CASES[study].items()},
        "expected": {
            "train": made_by_each("train_single_index", arms),
            "evaluate": made_by_each("evaluate_noise", arms, models="train_single_index"),
        },
    }


def images_made(study):
    """Return what the files must carry that a study of images is gathered from."""
    arms, trained = list(IMAGE_ARMS[study].values()), image_settings(study)
    tune = made_by_each("tune_images", arms)
    tune["parameters"] |= {"seeds": getattr(CONFIG, study).tuning_seeds, "settings": trained | LAST_ONLY}
    evaluate = made_by_each(f"evaluate_{study}", arms, models="train_images")
    evaluate["parameters"] |= {"settings": trained}
    return {"tune": tune, "evaluate": evaluate}
