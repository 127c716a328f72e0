"""Gather all shards of the study into one labelled file."""

from featurelearning.files import joblog, records
from featurelearning.toy.studies import TOSS

CELL = ("arm", "seed")

with joblog.of(snakemake):
    params, expected = snakemake.params, snakemake.params.expected["train"]
    coords = {
        **records.arm_coordinates(params.arms),
        "seed": range(params.seeds),
        "step": records.read(snakemake.input.train[0])["step"].values,
    }
    layout = {name: ((*CELL, "step"), "f4") for name in TOSS.quantities} | {"diverged_at": (CELL, "i4")}
    attributes = records.provenance(TOSS.title, TOSS.reference, records.plain(params), params.code, device="")
    result = records.empty(layout, coords, attributes, TOSS.names())
    records.gather(result, snakemake.input.train, expected, records.cell, list(layout))
    records.require_finite(result, TOSS.quantities, result["diverged_at"])
    records.write(result, snakemake.output[0])
