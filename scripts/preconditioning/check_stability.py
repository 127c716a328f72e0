"""Judge the claims on powers of the covariance again in every variant of the noise study, as one table."""

from featurelearning.files import atomic, joblog, records
from featurelearning.preconditioning import stability

with joblog.of(snakemake):
    params, expected = snakemake.params, snakemake.params.expected
    noise, changed = (records.read(snakemake.input[name], expected[name]) for name in ("noise", "firmness"))
    variants = {
        name: changed.sel(case=list(cases.values())).assign_coords(case=list(cases))
        for name, cases in params.variants.items()
    }
    rows = stability.judged(params.claims, noise.sel(snr=changed["snr"]), variants)
    for name, text in stability.texts(rows).items():
        with atomic.whole(snakemake.output[name]) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
    print(stability.held(rows))
