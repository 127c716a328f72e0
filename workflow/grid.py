"""The experiment grid: from a valid configuration to arms, shards of seeds and the files that they make.

A cell is one trained model (arm, case, snr, seed). A shard is a fixed block of seeds of one cell family, trained
together in one job; block borders are multiples of seeds_per_shard, so more seeds add shards and touch none.
"""

from collections.abc import Container, Iterable, Iterator
from itertools import product
from pathlib import PurePath
from typing import NamedTuple

from methods import BY_COVARIANCE, HYPERPARAMETERS
from model import Config

SYNTHETIC = ("noise", "firmness", "teachers")  # studies of the single-index task that gather the same measures
TUNING = "tuning"  # the shard of the seeds that choose learning rates


class Arm(NamedTuple):
    """A method with all that is fixed of it: covariance estimator ('none') and exponent (None), hyper-parameters.

    learning_rate: its own in the synthetic studies; None: that of the section single_index.
    """

    id: str
    method: str
    estimator: str = "none"
    p: float | None = None
    hyperparameters: dict[str, float] = {}
    learning_rate: float | None = None


def sigma_arm(estimator: str, p: float) -> Arm:
    """Return the arm of P = Sigma^p with the covariance of one estimator."""
    return Arm(f"sigma_{estimator}_p{p:+.2f}", BY_COVARIANCE, estimator, p)


def method_arms(
    cfg: Config, method: str, given: dict[str, float | tuple[float, ...]], tuned: Container[str]
) -> list[Arm]:
    """Return an arm for each value of the hyper-parameters that are lists; its name carries those and no others.

    A power p that is not given runs over the grid of exponents; hyper-parameters that are tuned belong to no arm.
    """
    names = [name for name in HYPERPARAMETERS[method] if name not in tuned]
    values = {name: given.get(name, cfg.exponents) for name in names}
    swept = [name for name in names if isinstance(values[name], tuple)]
    arms = []
    for chosen in product(*(values[name] for name in swept)):
        fixed = values | dict(zip(swept, chosen, strict=True))
        labels = (f"_{name}{value:{'+.2f' if name == 'p' else 'g'}}" for name, value in zip(swept, chosen, strict=True))
        arms.append(Arm(method + "".join(labels), method, p=fixed.get("p"), hyperparameters=fixed))
    return arms


def noise_arms(cfg: Config) -> list[Arm]:
    """Return the arms of the synthetic noise study."""
    arms = [sigma_arm(estimator, p) for estimator in cfg.noise.estimators for p in cfg.exponents]
    for method, given in cfg.noise.methods.items():
        found = method_arms(cfg, method, given["hyperparameters"], ())
        arms += [arm._replace(learning_rate=given["learning_rate"]) for arm in found]
    return arms


def noise_snrs(cfg: Config, arm: Arm) -> tuple[float, ...]:
    """Return the SNRs at which the noise study trains an arm."""
    by_covariance = arm.method == BY_COVARIANCE
    return cfg.noise.estimators[arm.estimator] if by_covariance else cfg.noise.methods[arm.method]["snrs"]


def transfer_arms(cfg: Config) -> list[Arm]:
    """Return the noise arms that have models at transfer.snr."""
    return [arm for arm in noise_arms(cfg) if cfg.transfer.snr in noise_snrs(cfg, arm)]


def ood_arms(cfg: Config) -> list[Arm]:
    """Return the arms of the MNIST study."""
    arms = []
    for method, given in cfg.ood.methods.items():
        by_covariance = method == BY_COVARIANCE
        others = method_arms(cfg, method, given["hyperparameters"], given["tune"])
        arms += [sigma_arm("empirical", p) for p in cfg.exponents] if by_covariance else others
    return arms


def candidates(cfg: Config, arm: Arm) -> list[dict[str, float]]:
    """Return what the tuning of an MNIST arm chooses from: every combination of its lists, the first slowest."""
    lists = cfg.ood.methods[arm.method]["tune"]
    return [dict(zip(lists, chosen, strict=True)) for chosen in product(*lists.values())]


def shards(cfg: Config) -> dict[str, list[int]]:
    """Return the shards of the result seeds by name, `seeds0000-0009`, both ends included."""
    size = cfg.seeds_per_shard
    blocks = (range(first, min(first + size, cfg.seeds)) for first in range(0, cfg.seeds, size))
    return {f"seeds{block[0]:04d}-{block[-1]:04d}": list(block) for block in blocks}


def seeds(cfg: Config, shard: str) -> list[int]:
    """Return the seeds of a shard, the tuning shard included."""
    return list(cfg.ood.tuning_seeds) if shard == TUNING else list(range(int(shard[5:9]), int(shard[10:14]) + 1))


class Case(NamedTuple):
    """A case of a synthetic study: its task, and the settings that it has of its own."""

    task: dict
    settings: dict = {}


def cases(cfg: Config, study: str) -> dict[str, Case]:
    """Return the cases of a synthetic study by name; those of a variant are `HighFloat64` and so on."""
    if study == "teachers":
        return {name: Case(case.model_dump()) for name, case in cfg.teachers.cases.items()}
    base = {name: case.model_dump() for name, case in cfg.single_index.cases.items()}
    if study != "firmness":
        return {name: Case(task) for name, task in base.items()}
    both = product(cfg.firmness.variants.items(), base.items())
    return {name + variant: Case(task, changed.changes()) for (variant, changed), (name, task) in both}


def plan(cfg: Config, study: str) -> list[tuple[Arm, tuple[float, ...]]]:
    """Return the arms of a synthetic study, each with its SNRs."""
    if study == "noise":
        return [(arm, noise_snrs(cfg, arm)) for arm in noise_arms(cfg)]
    return [(sigma_arm("population", p), (getattr(cfg, study).snr,)) for p in cfg.exponents]


def cells(cfg: Config, study: str) -> Iterator[tuple[Arm, str, float]]:
    """Yield every (arm, case, snr) of a synthetic study."""
    for arm, snrs in plan(cfg, study):
        for case, snr in product(cases(cfg, study), snrs):
            yield arm, case, snr


def synthetic_files(cfg: Config, study: str, stage: str) -> list[str]:
    """Return the shard files of a synthetic study at a stage, train or evaluate."""
    return [
        f"results/{study}/{stage}/{arm.id}/{case}_snr{snr:.2f}_{shard}.nc"
        for (arm, case, snr), shard in product(cells(cfg, study), shards(cfg))
    ]


def diagnosed(cfg: Config) -> list[str]:
    """Return the studies whose data sets get a recommendation before training: those with arms to judge it by."""
    known = {"noise": "population" in cfg.noise.estimators, "teachers": bool(cfg.teachers.cases)}
    return [study for study, is_known in known.items() if is_known]


def diagnosis_files(cfg: Config, study: str) -> list[str]:
    """Return the shard files of recommendations; an arm has no part in them."""
    places = dict.fromkeys((case, snr) for _, case, snr in cells(cfg, study))
    return [
        f"results/{study}/diagnose/{case}_snr{snr:.2f}_{shard}.nc"
        for (case, snr), shard in product(places, shards(cfg))
    ]


def transfer_files(cfg: Config) -> list[str]:
    """Return the evaluated shard files of the transfer study."""
    return [
        f"results/transfer/evaluate/{arm.id}/{case}_snr{cfg.transfer.snr:.2f}_{shard}.nc"
        for arm, case, shard in product(transfer_arms(cfg), cfg.single_index.cases, shards(cfg))
    ]


def ood_files(cfg: Config) -> list[str]:
    """Return the evaluated shard files of the MNIST study."""
    return [f"results/ood/evaluate/{arm.id}/{shard}.nc" for arm, shard in product(ood_arms(cfg), shards(cfg))]


def theory_files(cfg: Config) -> list[str]:
    """Return the evaluated shard files of the theory study."""
    return [f"results/theory/evaluate/{shard}.nc" for shard in shards(cfg)]


def trained_files(cfg: Config) -> dict[str, int]:
    """Return the number of cells in each file of trained models, of all studies."""
    sizes = {shard: len(block) for shard, block in shards(cfg).items()}
    evaluated = [path for study in SYNTHETIC for path in synthetic_files(cfg, study, "evaluate")]
    evaluated += [*transfer_files(cfg), *ood_files(cfg)]
    return {path.replace("/evaluate/", "/train/"): sizes[PurePath(path).stem.split("_")[-1]] for path in evaluated}


def any_of(values: Iterable[str]) -> str:
    """Return a wildcard constraint that matches exactly the values."""
    return "|".join(value.replace("+", r"\+").replace(".", r"\.") for value in dict.fromkeys(values))
