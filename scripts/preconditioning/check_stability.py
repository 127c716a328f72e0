"""Judge the claims on powers of the covariance again in every variant of the noise study, as one table."""

from pathlib import Path

import yaml

from featurelearning.evidence import claim_schema
from featurelearning.files import atomic, joblog, records
from featurelearning.preconditioning import stability

FORMATS = {"csv": stability.write_csv, "md": stability.markdown, "html": stability.page}

with joblog.of(snakemake):
    params, expected = snakemake.params, snakemake.params.expected
    listed = claim_schema.validate(yaml.safe_load(Path(snakemake.input.claims).read_text(encoding="utf-8")))
    noise, changed = (records.read(snakemake.input[name], expected[name]) for name in ("noise", "firmness"))
    variants = {
        name: changed.sel(case=list(cases.values())).assign_coords(case=list(cases))
        for name, cases in params.variants.items()
    }
    rows = stability.judged(listed, noise.sel(snr=changed["snr"]), variants)
    for name, write in FORMATS.items():
        with atomic.whole(snakemake.output[name]) as temporary:
            temporary.write_text(write(rows), encoding="utf-8", newline="\n")
    print(stability.held(rows))
