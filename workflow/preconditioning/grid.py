"""P1's experiment grid: from a valid configuration to the arms, cases and files of its studies."""

from collections.abc import Iterator
from itertools import product
from pathlib import PurePath
from typing import NamedTuple

from workflow.core.grid import Arm, method_arms, shards, sigma_arm
from workflow.core.methods import BY_COVARIANCE
from workflow.preconditioning import image_grid
from workflow.preconditioning.configuration import Preconditioning

SYNTHETIC = ("noise", "firmness", "teachers")  # studies of the single-index task that gather the same measures


def noise_arms(cfg: Preconditioning) -> list[Arm]:
    """Return the arms of the synthetic noise study."""
    arms = [sigma_arm(estimator, p) for estimator in cfg.noise.estimators for p in cfg.exponents]
    for method, given in cfg.noise.methods.items():
        found = method_arms(cfg, method, given["hyperparameters"], ())
        arms += [arm._replace(learning_rate=given["learning_rate"]) for arm in found]
    return arms


def noise_snrs(cfg: Preconditioning, arm: Arm) -> tuple[float, ...]:
    """Return the SNRs at which the noise study trains an arm."""
    by_covariance = arm.method == BY_COVARIANCE
    return cfg.noise.estimators[arm.estimator] if by_covariance else cfg.noise.methods[arm.method]["snrs"]


def transfer_arms(cfg: Preconditioning) -> list[Arm]:
    """Return the noise arms that have models at transfer.snr."""
    return [arm for arm in noise_arms(cfg) if cfg.transfer.snr in noise_snrs(cfg, arm)]


class Case(NamedTuple):
    """A case of a synthetic study: its task, and the settings that it has of its own."""

    task: dict
    settings: dict = {}


def cases(cfg: Preconditioning, study: str) -> dict[str, Case]:
    """Return the cases of a synthetic study by name; those of a variant are `HighFloat64` and so on."""
    if study == "teachers":
        return {name: Case(case.model_dump()) for name, case in cfg.teachers.cases.items()}
    base = {name: case.model_dump() for name, case in cfg.single_index.cases.items()}
    if study != "firmness":
        return {name: Case(task) for name, task in base.items()}
    both = product(cfg.firmness.variants.items(), base.items())
    return {name + variant: Case(task, changed.changes()) for (variant, changed), (name, task) in both}


def plan(cfg: Preconditioning, study: str) -> list[tuple[Arm, tuple[float, ...]]]:
    """Return the arms of a synthetic study, each with its SNRs."""
    if study == "noise":
        return [(arm, noise_snrs(cfg, arm)) for arm in noise_arms(cfg)]
    return [(sigma_arm("population", p), (getattr(cfg, study).snr,)) for p in cfg.exponents]


def cells(cfg: Preconditioning, study: str) -> Iterator[tuple[Arm, str, float]]:
    """Yield every (arm, case, snr) of a synthetic study."""
    names = list(cases(cfg, study))
    for arm, snrs in plan(cfg, study):
        for case, snr in product(names, snrs):
            yield arm, case, snr


def synthetic_files(cfg: Preconditioning, study: str, stage: str) -> list[str]:
    """Return the shard files of a synthetic study at a stage, train or evaluate."""
    return [
        f"results/preconditioning/{study}/{stage}/{arm.id}/{case}_snr{snr:.2f}_{shard}.nc"
        for (arm, case, snr), shard in product(cells(cfg, study), shards(cfg))
    ]


def diagnosed(cfg: Preconditioning) -> list[str]:
    """Return the studies whose data sets get a recommendation before training: those with arms to judge it by."""
    known = {"noise": "population" in cfg.noise.estimators, "teachers": bool(cfg.teachers.cases)}
    return [study for study, is_known in known.items() if is_known]


def diagnosis_files(cfg: Preconditioning, study: str) -> list[str]:
    """Return the shard files of recommendations; an arm has no part in them."""
    places = dict.fromkeys((case, snr) for _, case, snr in cells(cfg, study))
    return [
        f"results/preconditioning/{study}/diagnose/{case}_snr{snr:.2f}_{shard}.nc"
        for (case, snr), shard in product(places, shards(cfg))
    ]


def transfer_files(cfg: Preconditioning) -> list[str]:
    """Return the evaluated shard files of the transfer study."""
    return [
        f"results/preconditioning/transfer/evaluate/{arm.id}/{case}_snr{cfg.transfer.snr:.2f}_{shard}.nc"
        for arm, case, shard in product(transfer_arms(cfg), cfg.single_index.cases, shards(cfg))
    ]


def theory_files(cfg: Preconditioning) -> list[str]:
    """Return the evaluated shard files of the theory study."""
    return [f"results/preconditioning/theory/evaluate/{shard}.nc" for shard in shards(cfg)]


def theory_parameters(cfg: Preconditioning) -> dict:
    """Return the section theory, with its methods as arms: what each is, and which studies measure it."""
    found = []
    for method, given in cfg.theory.methods.items():
        for arm in method_arms(cfg, method, given["hyperparameters"], ()):
            own = {"measure": list(given["measure"]), "learning_rate": given["learning_rate"]}
            found.append({"id": arm.id, "method": method, "hyperparameters": arm.hyperparameters, **own})
    return cfg.theory.model_dump() | {"methods": found}


def planned(cfg: Preconditioning) -> list[str]:
    """Return the names of the studies that a configuration plans: those with a case, a variant, a pair or an arm."""
    optional = {
        "ood": cfg.ood.methods,
        "firmness": cfg.firmness.variants,
        "teachers": cfg.teachers.cases,
        "real": cfg.real.pairs,
        "diagnosis": diagnosed(cfg),
    }
    return ["noise", "transfer", "theory", *(name for name, on in optional.items() if on)]


def trained_files(cfg: Preconditioning) -> dict[str, int]:
    """Return the number of cells in each file of trained models, of all studies."""
    sizes = {shard: len(block) for shard, block in shards(cfg).items()}
    evaluated = [path for study in SYNTHETIC for path in synthetic_files(cfg, study, "evaluate")]
    evaluated += transfer_files(cfg)
    cells = {path.replace("/evaluate/", "/train/"): sizes[PurePath(path).stem.split("_")[-1]] for path in evaluated}
    return cells | {path: n for study in image_grid.STUDIES for path, n in image_grid.trained_files(cfg, study).items()}
