"""Judge the recommended exponents by the trained models: a row for each case and SNR, and the diagnosis score."""

import re
from itertools import product
from pathlib import PurePath

from featurelearning.evidence import readings
from featurelearning.files import atomic, joblog, records
from featurelearning.preconditioning import diagnosis_score

FILE = re.compile(r"(?P<case>.+)_snr(?P<snr>.+)_seeds.+")


def errors(cells, reading):
    """Return the exponents [p] and the errors [p, seed] of the population arms, NaN for a diverged model."""
    known = (cells["method"] == "sigma_power") & (cells["estimator"] == "population")
    arms = cells.isel(arm=known.values).sortby("p")
    curves = arms["clean_mse"].where(arms["diverged_at"] < 0).transpose("arm", "seed", "step")
    return arms["p"].values, curves.isel(step=0, drop=True).copy(data=readings.READINGS[reading](curves.values))


with joblog.of(snakemake):
    params, rows = snakemake.params, []
    for study in params.studies:
        dataset, found = records.read(snakemake.input[study], params.expected[study]), {}
        for path in snakemake.input[f"{study}_diagnoses"]:
            shard = records.read(path, params.expected["diagnosis"])
            cell = FILE.fullmatch(PurePath(path).stem)
            found.setdefault((cell["case"], float(cell["snr"])), []).append(shard[["recommended"]])
        for ((case, snr), shards), reading in product(found.items(), readings.READINGS):
            recommended = records.side_by_side(shards, "seed", {})["recommended"]
            exponents, error = errors(dataset.sel(case=case, snr=snr), reading)
            row = diagnosis_score.judged(error.sel(seed=recommended["seed"]).values, exponents, recommended.values)
            rows.append({"study": study, "case": case, "snr": snr, "reading": reading} | row)
    for name, text in diagnosis_score.texts(rows).items():
        with atomic.whole(snakemake.output[name]) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
    print(diagnosis_score.summary(rows))
