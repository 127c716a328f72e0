"""Put the seed blocks of the theory study side by side."""

from featurelearning.files import joblog, records
from featurelearning.preconditioning.studies import THEORY

with joblog.of(snakemake):
    shards = [records.read(path, snakemake.params.expected["evaluate"]) for path in snakemake.input.evaluate]
    attributes = records.provenance(
        THEORY.title, THEORY.reference, records.parameters(shards[0]), snakemake.params.code
    )
    records.write(records.side_by_side(shards, "seed", attributes), snakemake.output[0])
