"""The experiment grid: from a valid configuration to arms, shards of seeds and the files that they make.

A cell is one trained model (arm, case, snr, seed). A shard is a fixed block of seeds of one cell family, trained
together in one job; block borders are multiples of seeds_per_shard, so more seeds add shards and touch none.
"""

from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import PurePath
from typing import NamedTuple

from model import Config

TUNING = "tuning"  # the shard of the seeds that choose learning rates


class Arm(NamedTuple):
    """A method with its covariance estimator and exponent; `estimator` is 'none' and `p` None where there is none."""

    id: str
    method: str
    estimator: str = "none"
    p: float | None = None


def sigma_arm(estimator: str, p: float) -> Arm:
    """Return the arm of P = Sigma^p with the covariance of one estimator."""
    return Arm(f"sigma_{estimator}_p{p:+.2f}", "sigma_power", estimator, p)


def noise_arms(cfg: Config) -> list[Arm]:
    """Return the arms of the synthetic noise study."""
    return [sigma_arm(estimator, p) for estimator in cfg.noise.estimators for p in cfg.exponents]


def transfer_arms(cfg: Config) -> list[Arm]:
    """Return the noise arms that have models at transfer.snr."""
    return [arm for arm in noise_arms(cfg) if cfg.transfer.snr in cfg.noise.estimators[arm.estimator]]


def ood_arms(cfg: Config) -> list[Arm]:
    """Return the arms of the MNIST study: a method each, sigma_power once per exponent."""
    arms = []
    for method in cfg.ood.methods:
        swept = method == "sigma_power"
        arms += [sigma_arm("empirical", p) for p in cfg.exponents] if swept else [Arm(method, method)]
    return arms


def arms(cfg: Config) -> dict[str, Arm]:
    """Return every arm by its id."""
    return {arm.id: arm for arm in [*noise_arms(cfg), *ood_arms(cfg)]}


def shards(cfg: Config) -> dict[str, list[int]]:
    """Return the shards of the result seeds by name, `seeds0000-0009`, both ends included."""
    size = cfg.seeds_per_shard
    blocks = (range(first, min(first + size, cfg.seeds)) for first in range(0, cfg.seeds, size))
    return {f"seeds{block[0]:04d}-{block[-1]:04d}": list(block) for block in blocks}


def seeds(cfg: Config, shard: str) -> list[int]:
    """Return the seeds of a shard, the tuning shard included."""
    return list(cfg.ood.tuning_seeds) if shard == TUNING else list(range(int(shard[5:9]), int(shard[10:14]) + 1))


def cells(cfg: Config) -> Iterator[tuple[Arm, str, float]]:
    """Yield every (arm, case, snr) of the noise study."""
    for arm in noise_arms(cfg):
        for case, snr in product(cfg.single_index.cases, cfg.noise.estimators[arm.estimator]):
            yield arm, case, snr


def noise_files(cfg: Config, stage: str) -> list[str]:
    """Return the shard files of the noise study at a stage, train or evaluate."""
    return [
        f"results/noise/{stage}/{arm.id}/{case}_snr{snr:.2f}_{shard}.nc"
        for (arm, case, snr), shard in product(cells(cfg), shards(cfg))
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
    evaluated = [*noise_files(cfg, "evaluate"), *transfer_files(cfg), *ood_files(cfg)]
    return {path.replace("/evaluate/", "/train/"): sizes[PurePath(path).stem.split("_")[-1]] for path in evaluated}


def any_of(values: Iterable[str]) -> str:
    """Return a wildcard constraint that matches exactly the values."""
    return "|".join(value.replace("+", r"\+").replace(".", r"\.") for value in dict.fromkeys(values))
