"""The grid of the studies of images: sets, arms, what tuning chooses from, and the files that they make."""

from itertools import product

from workflow.core import grid as core
from workflow.core.grid import TUNING, Arm, by_id, method_arms, shards, sigma_arm
from workflow.core.methods import BY_COVARIANCE
from workflow.preconditioning.configuration import Preconditioning

STUDIES = ("ood", "real")


def pairs(cfg: Preconditioning, study: str) -> dict[str, str]:
    """Return where a study measures its models, by the names in its files: the set that each was trained on."""
    if study == "ood":
        return {"mnist": "mnist"}
    return {f"{source}_to_{target}": source for source, target in cfg.real.pairs}


def methods(cfg: Preconditioning, study: str) -> dict[str, dict]:
    """Return a study's methods: of each the lists that tuning chooses from, and fixed hyper-parameters."""
    if study == "ood":
        return cfg.ood.methods
    return {BY_COVARIANCE: {"tune": {"learning_rate": cfg.real.learning_rates}, "hyperparameters": {}}}


def arms(cfg: Preconditioning, study: str) -> dict[str, Arm]:
    """Return a study's arms by id; by the covariance one per exponent, with the ridged empirical one, first layer."""
    found = []
    for method, given in methods(cfg, study).items():
        by_covariance = method == BY_COVARIANCE
        others = method_arms(cfg, method, given["hyperparameters"], given["tune"])
        found += [sigma_arm("empirical", p) for p in cfg.exponents] if by_covariance else others
    return by_id(found)


def tuned(cfg: Preconditioning, study: str, arm: Arm) -> dict[str, tuple[float, ...]]:
    """Return the lists that the tuning of an arm chooses from, by name."""
    return methods(cfg, study)[arm.method]["tune"]


def candidates(cfg: Preconditioning, study: str, arm: Arm) -> list[dict[str, float]]:
    """Return what the tuning of an arm chooses from: every combination of its lists, the first slowest."""
    lists = tuned(cfg, study, arm)
    return [dict(zip(lists, chosen, strict=True)) for chosen in product(*lists.values())]


def seeds(cfg: Preconditioning, study: str, shard: str) -> list[int]:
    """Return the seeds of a shard, the tuning shard included."""
    return list(getattr(cfg, study).tuning_seeds) if shard == TUNING else core.seeds(shard)


def tuned_files(cfg: Preconditioning, study: str) -> list[str]:
    """Return the files of a study's choices."""
    sources = dict.fromkeys(pairs(cfg, study).values())
    return [
        f"results/preconditioning/{study}/tune/{source}/{arm}.nc" for source, arm in product(sources, arms(cfg, study))
    ]


def evaluated_files(cfg: Preconditioning, study: str) -> list[str]:
    """Return a study's evaluated shard files."""
    return [
        f"results/preconditioning/{study}/evaluate/{pair}/{arm}/{shard}.nc"
        for pair, arm, shard in product(pairs(cfg, study), arms(cfg, study), shards(cfg))
    ]


def trained_files(cfg: Preconditioning, study: str) -> dict[str, int]:
    """Return the number of cells in each file of a study's trained models."""
    sources = dict.fromkeys(pairs(cfg, study).values())
    return {
        f"results/preconditioning/{study}/train/{source}/{arm}/{shard}.nc": len(block)
        for source, arm, (shard, block) in product(sources, arms(cfg, study), shards(cfg).items())
    }
