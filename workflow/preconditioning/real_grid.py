"""The grid of the study of real data: pairs of data sets, arms, and the files that they make."""

from itertools import product

from workflow.core import grid as core
from workflow.core.grid import TUNING, Arm, shards, sigma_arm
from workflow.preconditioning.configuration import Preconditioning


def arms(cfg: Preconditioning) -> dict[str, Arm]:
    """Return the arms by id: one per exponent, with the ridged empirical covariance in the first layer."""
    return {arm.id: arm for arm in (sigma_arm("empirical", p) for p in cfg.exponents)}


def seeds(cfg: Preconditioning, shard: str) -> list[int]:
    """Return the seeds of a shard, the tuning shard included."""
    return list(cfg.real.tuning_seeds) if shard == TUNING else core.seeds(shard)


def candidates(cfg: Preconditioning) -> list[dict[str, float]]:
    """Return what the tuning of each arm chooses from."""
    return [{"learning_rate": rate} for rate in cfg.real.learning_rates]


def tuned_files(cfg: Preconditioning) -> list[str]:
    """Return the files of chosen learning rates."""
    sources = dict.fromkeys(source for source, _ in cfg.real.pairs)
    return [f"results/preconditioning/real/tune/{source}/{arm}.nc" for source, arm in product(sources, arms(cfg))]


def evaluated_files(cfg: Preconditioning) -> list[str]:
    """Return the evaluated shard files."""
    return [
        f"results/preconditioning/real/evaluate/{source}_to_{target}/{arm}/{shard}.nc"
        for (source, target), arm, shard in product(cfg.real.pairs, arms(cfg), shards(cfg))
    ]


def trained_files(cfg: Preconditioning) -> dict[str, int]:
    """Return the number of cells in each file of trained models."""
    sources = dict.fromkeys(source for source, _ in cfg.real.pairs)
    return {
        f"results/preconditioning/real/train/{source}/{arm}/{shard}.nc": len(block)
        for source, arm, (shard, block) in product(sources, arms(cfg), shards(cfg).items())
    }
