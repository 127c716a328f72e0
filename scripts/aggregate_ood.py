"""Gather all shards of the MNIST study into one labelled file, with the learning rates that were chosen."""

import joblog
from featurelearning import records

ACCURACIES = tuple(f"accuracy_{name}" for name in ("in_distribution", "flipped_noise", "flipped_digits"))
CELL = ("arm", "seed")
MEASURES = (*ACCURACIES, "diverged_at", "first_layer_change")
LAYOUT = {name: (CELL, "f8") for name in ACCURACIES} | {"diverged_at": (CELL, "i4")}
CHOICE = ("learning_rate", "at_grid_edge")
LAYOUT |= {"learning_rate": (CELL, "f8"), "at_grid_edge": (CELL, "i1"), "tuning_accuracy": (("arm", "rate"), "f8")}
LAYOUT |= {"tuning_rate": (("arm", "rate"), "f8"), "first_layer_change": (CELL, "f8")}

with joblog.to(snakemake.log[0]):
    params, expected = snakemake.params, snakemake.params.expected
    choices = [records.read(path, expected["tune"]) for path in snakemake.input.tune]
    coords = {
        **records.arm_coordinates(params.arms),
        "seed": range(params.seeds),
        "rate": range(max(choice.sizes["rate"] for choice in choices)),
    }
    parameters = records.plain(params) | expected["evaluate"]["parameters"]
    attributes = records.provenance("P1: out-of-distribution generalisation", parameters, params.code, device="")
    result = records.empty(LAYOUT, coords, attributes)
    for choice in choices:
        arm, rates = records.cell(choice)["arm"], choice.sizes["rate"]
        for name in CHOICE:
            result[name].loc[{"arm": arm}] = choice[name].item()
        result["tuning_accuracy"].loc[{"arm": arm, "rate": slice(0, rates - 1)}] = choice["tuning_accuracy"].values
        result["tuning_rate"].loc[{"arm": arm, "rate": slice(0, rates - 1)}] = choice["rate"].values
    records.gather(result, snakemake.input.evaluate, expected["evaluate"], records.cell, MEASURES)
    records.require_finite(result, ACCURACIES, result["diverged_at"])
    records.write(result, snakemake.output[0])
