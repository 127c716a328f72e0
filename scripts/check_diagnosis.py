"""Judge the recommended exponents by the trained models: a row for each case and SNR, and the hit rate."""

import re
from pathlib import PurePath

import joblog
from featurelearning import atomic, hits, records

FORMATS = {"csv": hits.write_csv, "md": hits.markdown, "html": hits.page}
FILE = re.compile(r"(?P<case>.+)_snr(?P<snr>.+)_seeds.+")


def errors(cells):
    """Return the exponents [p] and the final errors [p, seed] of the population arms, NaN for a diverged model."""
    known = (cells["method"] == "sigma_power") & (cells["estimator"] == "population")
    arms = cells.isel(arm=known.values).sortby("p")
    final = arms["clean_mse"].isel(step=-1).where(arms["diverged_at"] < 0)
    return arms["p"].values, final.transpose("arm", "seed")


with joblog.to(snakemake.log[0]):
    params, rows = snakemake.params, []
    for study in params.studies:
        dataset, found = records.read(snakemake.input[study], params.expected[study]), {}
        for path in snakemake.input[f"{study}_diagnoses"]:
            shard = records.read(path, params.expected["diagnosis"])
            cell = FILE.fullmatch(PurePath(path).stem)
            found.setdefault((cell["case"], float(cell["snr"])), []).append(shard["recommended"])
        for (case, snr), shards in found.items():
            recommended = records.side_by_side([shard.to_dataset() for shard in shards], "seed", {})["recommended"]
            exponents, error = errors(dataset.sel(case=case, snr=snr))
            row = hits.judged(error.sel(seed=recommended["seed"]).values, exponents, recommended.values)
            rows.append({"study": study, "case": case, "snr": snr} | row)
    for name, write in FORMATS.items():
        with atomic.whole(snakemake.output[name]) as temporary:
            temporary.write_text(write(rows), encoding="utf-8", newline="\n")
    print(hits.summary(rows))
