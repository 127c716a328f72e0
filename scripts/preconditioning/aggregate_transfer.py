"""Gather all shards of the transfer study into one labelled file."""

from featurelearning.files import joblog, records
from featurelearning.preconditioning.studies import TRANSFER

ERRORS = ("train_mse", "test_mse", "clean_mse", "noise_floor", "unfrozen_test_mse")
FLAGS = ("diverged_at", "unfrozen_diverged_at")
CELL = ("arm", "source_case", "seed")
LAYOUT = {name: (CELL, "f8") for name in ERRORS} | {name: (CELL, "i4") for name in FLAGS}


def place(shard) -> dict:
    """Return the labels of a shard, whose case is the one that its first layers were trained on."""
    cell = records.cell(shard)
    return {"arm": cell["arm"], "source_case": cell["case"]}


with joblog.of(snakemake):
    params, expected = snakemake.params, snakemake.params.expected["evaluate"]
    coords = {
        **records.arm_coordinates(params.arms),
        "source_case": list(params.cases),
        "seed": range(params.seeds),
    }
    parameters = records.plain(params) | expected["parameters"]
    attributes = records.provenance(TRANSFER.title, TRANSFER.reference, parameters, params.code, device="")
    result = records.empty(LAYOUT, coords, attributes, TRANSFER.names())
    records.gather(result, snakemake.input.evaluate, expected, place, [*ERRORS, *FLAGS])
    records.require_finite(result, ERRORS[:-1], result["diverged_at"])
    records.require_finite(result, ERRORS[-1:], result["unfrozen_diverged_at"])
    records.write(result, snakemake.output[0])
