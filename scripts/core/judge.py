"""Judge the claims of a study against the recorded results and write the table as CSV, Markdown and HTML."""

from pathlib import Path

import yaml

from featurelearning.evidence import claim_schema, claims, tables
from featurelearning.files import atomic, joblog, records

FORMATS = {"csv": tables.write_csv, "md": tables.markdown, "html": tables.page}

with joblog.of(snakemake):
    listed = claim_schema.validate(yaml.safe_load(Path(snakemake.input.claims).read_text(encoding="utf-8")))
    datasets = {
        name: records.read(snakemake.input[name], snakemake.params.expected[name]) for name in snakemake.params.expected
    }
    own = [claim for claim in listed if claim["contrast"].get("study", "theory") == snakemake.params.study]
    rows = claims.evaluate_all(own, datasets)
    for name, write in FORMATS.items():
        with atomic.whole(snakemake.output[name]) as temporary:
            temporary.write_text(write(rows), encoding="utf-8", newline="\n")
    print(tables.summary(rows))
