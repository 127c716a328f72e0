"""Gather all shards of the transfer study into one labelled file."""

import joblog
from featurelearning import records

ERRORS = ("train_mse", "test_mse", "noise_floor", "unfrozen_test_mse")
FLAGS = ("diverged_at", "unfrozen_diverged_at")
CELL = ("arm", "source_case", "seed")
LAYOUT = {name: (CELL, "f8") for name in ERRORS} | {name: (CELL, "i4") for name in FLAGS}

with joblog.to(snakemake.log[0]):
    params = snakemake.params
    coords = {
        **records.arm_coordinates(params.arms),
        "source_case": list(params.cases),
        "seed": range(params.seeds),
    }
    evaluated = list(map(records.read, snakemake.input.evaluate))
    settings, device = records.origin(evaluated)
    attributes = records.provenance("P1: forward transfer", records.plain(params) | settings, params.code, device)
    result = records.empty(LAYOUT, coords, attributes)
    for shard in evaluated:
        cell = records.cell(shard)
        records.fill(result, {"arm": cell["arm"], "source_case": cell["case"]}, shard, [*ERRORS, *FLAGS])
    records.require_finite(result, ERRORS[:3], result["diverged_at"])
    records.require_finite(result, ERRORS[3:], result["unfrozen_diverged_at"])
    records.write(result, snakemake.output[0])
