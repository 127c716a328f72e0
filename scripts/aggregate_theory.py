"""Put the seed blocks of the theory study side by side."""

import joblog
from featurelearning import records

with joblog.to(snakemake.log[0]):
    shards = [records.read(path, snakemake.params.expected["evaluate"]) for path in snakemake.input.evaluate]
    attributes = records.provenance("checks of the theory", records.parameters(shards[0]), snakemake.params.code)
    records.write(records.side_by_side(shards, "seed", attributes), snakemake.output[0])
