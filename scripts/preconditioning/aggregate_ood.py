"""Gather all shards of the MNIST study into one labelled file, with the learning rates that were chosen."""

from featurelearning.files import joblog, records
from featurelearning.preconditioning.studies import OOD

ACCURACIES = tuple(f"accuracy_{name}" for name in ("in_distribution", "flipped_noise", "flipped_digits"))
CELL = ("arm", "seed")
TUNING = ("tuning_accuracy", "tuning_early_accuracy")
MEASURES = (*ACCURACIES, "diverged_at", "first_layer_change")
LAYOUT = {name: (CELL, "f8") for name in ACCURACIES} | {"diverged_at": (CELL, "i4")}
LAYOUT |= {"first_layer_change": (CELL, "f8"), "at_grid_edge": (CELL, "i1")}
LAYOUT |= {name: (("arm", "candidate"), "f8") for name in TUNING}

with joblog.of(snakemake):
    params, expected = snakemake.params, snakemake.params.expected
    choices = [records.read(path, expected["tune"]) for path in snakemake.input.tune]
    tuned = list(dict.fromkeys(name for names in params.tuned.values() for name in names))
    layout = LAYOUT | {name: (CELL, "f8") for name in tuned}
    layout |= {f"tuning_{name}": (("arm", "candidate"), "f8") for name in tuned}
    coords = {
        **records.arm_coordinates(params.arms),
        "seed": range(params.seeds),
        "candidate": range(max(choice.sizes["candidate"] for choice in choices)),
    }
    parameters = records.plain(params) | expected["evaluate"]["parameters"]
    attributes = records.provenance(OOD.title, OOD.reference, parameters, params.code, device="")
    # Of what was chosen each method's file says what it is.
    chosen = {name: choice[name].attrs["long_name"] for choice in choices for name in tuned if name in choice}
    others = {name: (f"{text}; NaN where the method has none", "1") for name, text in chosen.items()}
    others |= {
        f"tuning_{name}": (f"{text}, of a candidate; NaN where there is none", "1") for name, text in chosen.items()
    }
    result = records.empty(layout, coords, attributes, others | OOD.names())
    for choice in choices:
        arm = records.cell(choice)["arm"]
        places = {"arm": arm, "candidate": choice["candidate"].values}
        result["at_grid_edge"].loc[{"arm": arm}] = choice["at_grid_edge"].item()
        for name in TUNING:
            result[name].loc[places] = choice[name].values
        for name in params.tuned[arm]:
            result[name].loc[{"arm": arm}] = choice[name].values[choice["chosen"].item()]
            result[f"tuning_{name}"].loc[places] = choice[name].values
    records.gather(result, snakemake.input.evaluate, expected["evaluate"], records.cell, MEASURES)
    records.require_finite(result, ACCURACIES, result["diverged_at"])
    records.write(result, snakemake.output[0])
