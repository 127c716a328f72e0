"""Gather all shards of the noise study into one labelled file."""

import numpy as np

import joblog
from featurelearning import records

CURVES = ("train_mse", "test_mse", "clean_mse")
MEASURES = ("noise_floor", "feature_energy", "sensitivity", "diverged_at", "first_layer_change")
CELL = ("arm", "case", "snr", "seed")
LAYOUT = {name: ((*CELL, "step"), "f4") for name in CURVES}
LAYOUT |= {"noise_floor": (CELL, "f8"), "first_layer_change": (CELL, "f8"), "diverged_at": (CELL, "i4")}
LAYOUT["planned"] = (CELL[:3], "i1")
LAYOUT |= {name: ((*CELL, "direction"), "f8") for name in ("feature_energy", "sensitivity")}

with joblog.to(snakemake.log[0]):
    params = snakemake.params
    trained, evaluated = (list(map(records.read, paths)) for paths in (snakemake.input.train, snakemake.input.evaluate))
    settings, device = records.origin(trained)
    spectra = np.array(list(params.cases.values()))
    coords = {
        **records.arm_coordinates(params.arms),
        "case": list(params.cases),
        "snr": list(params.snrs),
        "seed": range(params.seeds),
        "step": trained[0]["step"].values,
        "direction": range(spectra.shape[1]),
        "eigenvalue": (("case", "direction"), spectra),
    }
    attributes = records.provenance(
        "P1: robustness to label noise", records.plain(params) | settings, params.code, device
    )
    result = records.empty(LAYOUT, coords, attributes)
    for arm in params.arms:
        result["planned"].loc[{"arm": arm["id"]}] = np.isin(params.snrs, params.planned[arm["estimator"]])
    for names, shards in ((CURVES, trained), (MEASURES, evaluated)):
        for shard in shards:
            records.fill(result, records.cell(shard), shard, names)
    records.require_finite(result, [*CURVES, *MEASURES[:3]], result["diverged_at"], result["planned"])
    records.write(result, snakemake.output[0])
