"""Gather all shards of the study of real data into one labelled file, with the learning rates that were chosen."""

import numpy as np

from featurelearning.files import joblog, records
from featurelearning.preconditioning.studies import REAL

CELL = ("pair", "arm", "seed")
TUNING = ("tuning_accuracy", "tuning_early_accuracy")
REFERENCE = ("pair", "seed")
TRAINED = ("accuracy_source", "accuracy_target", "first_layer_change", "diverged_at")
LAYOUT = {name: (CELL, "f8") for name in TRAINED[:3]} | {"diverged_at": (CELL, "i4")}
LAYOUT |= {"accuracy_random": (REFERENCE, "f8"), "accuracy_specialised": (REFERENCE, "f8")}
LAYOUT |= {"learning_rate": (CELL, "f8"), "at_grid_edge": (CELL, "i1"), "specialised_p": (("pair",), "f8")}
LAYOUT |= {name: (("pair", "arm", "rate"), "f8") for name in TUNING}


def place(shard) -> dict:
    """Return the labels of a shard: its arm and its pair of data sets."""
    made_with = records.parameters(shard)
    return {"arm": made_with["arm"]["id"], "pair": f"{made_with['source']}_to_{made_with['target']}"}


with joblog.of(snakemake):
    params, expected = snakemake.params, snakemake.params.expected
    sources, targets = zip(*params.pairs, strict=True)
    coords = {
        "pair": [f"{source}_to_{target}" for source, target in params.pairs],
        "source_set": ("pair", list(sources)),
        "target_set": ("pair", list(targets)),
        **records.arm_coordinates(params.arms),
        "seed": range(params.seeds),
        "rate": list(params.learning_rates),
    }
    parameters = records.plain(params) | expected["evaluate"]["parameters"]
    attributes = records.provenance(REAL.title, REAL.reference, parameters, params.code, device="")
    result = records.empty(LAYOUT, coords, attributes, REAL.names())
    for path in snakemake.input.tune:
        choice = records.read(path, expected["tune"])
        made_with = records.parameters(choice)
        same = [f"{source}_to_{target}" for source, target in params.pairs if source == made_with["source"]]
        cell = {"pair": same, "arm": made_with["arm"]["id"]}
        result["learning_rate"].loc[cell] = choice["learning_rate"].values[choice["chosen"].item()]
        result["at_grid_edge"].loc[cell] = choice["at_grid_edge"].item()
        for name in TUNING:
            result[name].loc[cell] = choice[name].values
    records.gather(result, snakemake.input.evaluate, expected["evaluate"], place, [*TRAINED, "accuracy_random"])
    records.require_finite(result, [*TRAINED[:3], "accuracy_random"], result["diverged_at"])
    best = np.nan_to_num(result["tuning_accuracy"].max("rate").transpose("pair", "arm").values).argmax(axis=1)
    result["specialised_p"].values[:] = result["p"].values[best]
    result["accuracy_specialised"].values[:] = result["accuracy_target"].values[np.arange(len(best)), best]
    records.write(result, snakemake.output[0])
