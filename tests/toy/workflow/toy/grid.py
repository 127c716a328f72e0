"""The toy paper's grid: its arms, and the files that they make."""

from itertools import product

from workflow.core.grid import Arm, method_arms, shards
from workflow.toy.configuration import Toy


def arms(cfg: Toy) -> dict[str, Arm]:
    """Return the arms by id."""
    given = {
        method: {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        for method, values in cfg.toss.methods.items()
    }
    found = (arm for method, values in given.items() for arm in method_arms(cfg, method, values, ()))
    return {arm.id: arm for arm in found}


def planned(cfg: Toy) -> list[str]:
    """Return the names of the studies that a configuration plans."""
    return ["toss"]


def trained_files(cfg: Toy) -> dict[str, int]:
    """Return the number of cells in each file of trained models."""
    pairs = product(arms(cfg), shards(cfg).items())
    return {f"results/toy/toss/train/{arm}/{shard}.nc": len(block) for arm, (shard, block) in pairs}
