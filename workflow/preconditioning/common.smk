"""P1's grid, wildcards and parameters, which its rule files share; no rules."""

from featurelearning.files.sets import SETS
from workflow.core.grid import TUNING
from workflow.preconditioning import grid as p1
from workflow.preconditioning import real_grid

SYNTHETIC_ARMS = grid.by_id(arm for study in p1.SYNTHETIC for arm, _ in p1.plan(CONFIG, study))
CASES = {study: p1.cases(CONFIG, study) for study in [*p1.SYNTHETIC, "transfer"]}
OOD_ARMS = grid.by_id(p1.ood_arms(CONFIG))
ARMS = SYNTHETIC_ARMS | OOD_ARMS
SYNTHETIC_ROWS, OOD_ROWS = (dict(zip(arms, rows(arms.values()), strict=True)) for arms in (SYNTHETIC_ARMS, OOD_ARMS))
DIAGNOSED = p1.diagnosed(CONFIG)
# By the keys under which scripts read them, such as train_images_idx3.
READ_MNIST = {
    os.path.basename(path).removesuffix("-ubyte").replace("-", "_"): ancient(path) for path in image_files("mnist")
}

# Wildcards of the synthetic studies, and of the study of MNIST.
SYNTHETIC = {
    "study": grid.any_of([*p1.SYNTHETIC, "transfer"]),
    "case": grid.any_of(case for study in p1.SYNTHETIC for case in CASES[study]),
    "snr": grid.any_of(f"{snr:.2f}" for snr in [*CONFIG.noise.snrs, CONFIG.teachers.snr]),
    "shard": grid.any_of(grid.shards(CONFIG)),
}
SYNTHETIC_ARM = SYNTHETIC | {"arm": grid.any_of(SYNTHETIC_ARMS)}
OOD_SHARD = {"shard": grid.any_of([*grid.shards(CONFIG), TUNING])}
OOD_ARM = OOD_SHARD | {"arm": grid.any_of(OOD_ARMS)}

TRAINING = settings(CONFIG, "records", "compile")
LAST_ONLY = {"records": 2}  # of tuning, which reads the last accuracy
OOD_SETTINGS = settings(CONFIG.ood, "hidden", "steps", "weight_decay") | settings(CONFIG, "records")


def synthetic_arm(wildcards):
    """Return the arm of a job of the synthetic studies, as plain parameters."""
    return SYNTHETIC_ROWS[wildcards.arm]


def ood_arm(wildcards):
    """Return the arm of a job of the MNIST study, as plain parameters."""
    return OOD_ROWS[wildcards.arm]


def single_index_covariance(wildcards):
    """Return the covariance file of a synthetic job whose arm uses one."""
    estimator = SYNTHETIC_ARMS[wildcards.arm].estimator
    folder = f"results/preconditioning/{wildcards.study}/covariance/{estimator}"
    path = f"{folder}/{wildcards.case}_snr{wildcards.snr}_{wildcards.shard}.nc"
    return {"covariance": path} if estimator != "none" else {}


def ood_covariance(wildcards):
    """Return the covariance file of a job whose arm uses one; without a shard it is a tuning job."""
    shard = getattr(wildcards, "shard", TUNING)
    path = f"results/preconditioning/ood/covariance/empirical/{shard}.nc"
    return {"covariance": path} if OOD_ARMS[wildcards.arm].estimator != "none" else {}


def seeds(wildcards):
    """Return the seeds of the job's shard."""
    return p1.seeds(CONFIG, wildcards.shard)


def models(wildcards):
    """Return the number of models of the job's shard."""
    return len(seeds(wildcards))


def tuned_models(wildcards):
    """Return the number of models of a job that chooses a learning rate."""
    return len(p1.candidates(CONFIG, OOD_ARMS[wildcards.arm])) * len(CONFIG.ood.tuning_seeds)


def case_parameters(wildcards):
    """Return the spectrum and directions of the job's case."""
    return CASES[wildcards.study][wildcards.case].task


def variant(wildcards):
    """Return the settings that the job's case has of its own."""
    return CASES[wildcards.study][wildcards.case].settings


def optimizer(wildcards):
    """Return the module of the job's method, which its script loads by name."""
    return method_file(ARMS[wildcards.arm].method)


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
