"""Judge every claim against the recorded results and write the table as CSV, Markdown and HTML."""

from pathlib import Path

import yaml

import joblog
from featurelearning import atomic, claim_schema, claims, records, tables

FORMATS = {"csv": tables.write_csv, "md": tables.markdown, "html": tables.page}

with joblog.to(snakemake.log[0]):
    listed = claim_schema.validate(yaml.safe_load(Path(snakemake.input.claims).read_text(encoding="utf-8")))
    datasets = {
        name: records.read(snakemake.input[name], snakemake.params.expected[name]) for name in snakemake.params.expected
    }
    rows = claims.evaluate_all(listed, datasets)
    for name, write in FORMATS.items():
        with atomic.whole(snakemake.output[name]) as temporary:
            temporary.write_text(write(rows), encoding="utf-8", newline="\n")
    print(tables.summary(rows))
