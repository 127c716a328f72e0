"""Judge the claims of a study against the recorded results and write the table as CSV, Markdown and HTML."""

import importlib

from featurelearning.evidence import claims, verdicts
from featurelearning.files import atomic, joblog, records

with joblog.of(snakemake):
    params = snakemake.params
    declared = importlib.import_module(f"featurelearning.{params.paper}.studies").STUDIES
    datasets = {name: records.read(snakemake.input[name], expected) for name, expected in params.expected.items()}
    rows = claims.evaluate_all(params.claims, datasets, {study.name: study for study in declared})
    for name, text in verdicts.texts(rows).items():
        with atomic.whole(snakemake.output[name]) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
    print(verdicts.summary(rows))
