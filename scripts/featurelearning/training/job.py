"""What every training job does before it trains: its device, the attributes of its result, its checkpoint."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from featurelearning.files import checkpoints, records
from featurelearning.training import devices


class Job(NamedTuple):
    """Where a job trains, what its result says of how it was made, and where its state is kept."""

    device: torch.device
    attributes: dict[str, str]
    checkpoint: checkpoints.Checkpoint
    compiled: Path  # folder for compiled code


@contextlib.contextmanager
def begin(snakemake, title: str, reference: str) -> Iterator[Job]:
    """Give a rule's training job; its saved state, if there is one, is removed at the good end."""
    params, resources = snakemake.params, snakemake.resources
    device = devices.configure(params.machine["threads"], params.machine["device"], resources.compile_cache)
    attributes = records.provenance(
        title, reference, records.plain(params, "machine"), params.code, devices.name(device)
    )
    made_with = attributes | {"threads": params.machine["threads"], "processor": devices.processor()}
    with checkpoints.kept(resources.state, resources.checkpoint_seconds, made_with, snakemake.input) as checkpoint:
        yield Job(device, attributes, checkpoint, devices.cache_folder(resources.compile_cache))
