"""The grid of the study of real data: pairs of data sets, arms, and the files that they make."""

from itertools import product

import grid
from model import Config

# The original files of each set, as they lie in the data cache; the key is the rule that fetches them.
IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
FILES = {
    "mnist": IDX,
    "fashion_mnist": IDX,
    "cifar10": ("cifar-10-python.tar.gz",),
    "svhn": ("train_32x32.mat", "test_32x32.mat"),
}


def files(cfg: Config, name: str) -> list[str]:
    """Return the paths of the original files of a set."""
    return [f"{cfg.data_cache}/{name}/{file}" for file in FILES[name]]


def arms(cfg: Config) -> dict[str, grid.Arm]:
    """Return the arms by id: one per exponent, with the ridged empirical covariance in the first layer."""
    return {arm.id: arm for arm in (grid.sigma_arm("empirical", p) for p in cfg.exponents)}


def seeds(cfg: Config, shard: str) -> list[int]:
    """Return the seeds of a shard, the tuning shard included."""
    return list(cfg.real.tuning_seeds) if shard == grid.TUNING else grid.seeds(cfg, shard)


def candidates(cfg: Config) -> list[dict[str, float]]:
    """Return what the tuning of each arm chooses from."""
    return [{"learning_rate": rate} for rate in cfg.real.learning_rates]


def tuned_files(cfg: Config) -> list[str]:
    """Return the files of chosen learning rates."""
    sources = dict.fromkeys(source for source, _ in cfg.real.pairs)
    return [f"results/real/tune/{source}/{arm}.nc" for source, arm in product(sources, arms(cfg))]


def evaluated_files(cfg: Config) -> list[str]:
    """Return the evaluated shard files."""
    return [
        f"results/real/evaluate/{source}_to_{target}/{arm}/{shard}.nc"
        for (source, target), arm, shard in product(cfg.real.pairs, arms(cfg), grid.shards(cfg))
    ]


def trained_files(cfg: Config) -> dict[str, int]:
    """Return the number of cells in each file of trained models."""
    sources = dict.fromkeys(source for source, _ in cfg.real.pairs)
    return {
        f"results/real/train/{source}/{arm}/{shard}.nc": len(block)
        for source, arm, (shard, block) in product(sources, arms(cfg), grid.shards(cfg).items())
    }
