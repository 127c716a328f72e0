"""Gather all shards of the noise study into one labelled file."""

import numpy as np

from featurelearning.files import joblog, records
from featurelearning.preconditioning.studies import STUDIES

CURVES = ("train_mse", "test_mse", "clean_mse")
MEASURES = ("noise_floor", "feature_energy", "sensitivity", "diverged_at", "first_layer_change")
CELL = ("arm", "case", "snr", "seed")
LAYOUT = {name: ((*CELL, "step"), "f4") for name in CURVES}
LAYOUT |= {"noise_floor": (CELL, "f8"), "first_layer_change": (CELL, "f8"), "diverged_at": (CELL, "i4")}
LAYOUT["planned"] = (CELL[:3], "i1")
LAYOUT |= {name: ((*CELL, "direction"), "f8") for name in ("feature_energy", "sensitivity")}

with joblog.of(snakemake):
    params, expected = snakemake.params, snakemake.params.expected
    study = {study.name: study for study in STUDIES}[params.study]
    spectra = np.array(list(params.cases.values()))
    coords = {
        **records.arm_coordinates(params.arms),
        "case": list(params.cases),
        "snr": list(params.snrs),
        "seed": range(params.seeds),
        "step": records.read(snakemake.input.train[0], names=CURVES)["step"].values,
        "direction": range(spectra.shape[1]),
        "eigenvalue": (("case", "direction"), spectra),
    }
    parameters = records.plain(params) | expected["evaluate"]["parameters"]
    attributes = records.provenance(study.title, study.reference, parameters, params.code, device="")
    result = records.empty(LAYOUT, coords, attributes, study.names())
    for arm in params.arms:
        result["planned"].loc[{"arm": arm["id"]}] = np.isin(params.snrs, params.planned[arm["id"]])
    for stage, names in (("train", CURVES), ("evaluate", MEASURES)):
        records.gather(result, snakemake.input[stage], expected[stage], records.cell, names)
    records.require_finite(result, [*CURVES, *MEASURES[:3]], result["diverged_at"], result["planned"])
    records.write(result, snakemake.output[0])
