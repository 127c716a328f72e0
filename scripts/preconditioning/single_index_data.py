"""Draw the single-index data of one case, SNR and seed block; for transfer, the target task of the source case."""

import numpy as np

from featurelearning.files import joblog, records
from featurelearning.preconditioning import single_index, teachers
from featurelearning.preconditioning.names import NAMES, REFERENCE
from featurelearning.seeding import generator

ARRAYS = {"x_train": ("train", "direction"), "y_train": ("train",), "x_test": ("test", "direction")}
ARRAYS |= {"y_test": ("test",), "clean_test": ("test",), "noise_floor": ()}


def draw(params, seed: int) -> single_index.SingleIndexData:
    """Return one seed's data; the target task of transfer has its own stream of numbers and teacher direction."""
    case, settings = params.case, params.settings | params.variant
    target = params.study == "transfer"
    purposes = ("inputs", "coefficient", "label noise")
    streams = [generator(params.master_seed, "target", seed)] * 3 if target else []
    streams = streams or [generator(params.master_seed, purpose, seed) for purpose in purposes]
    spectrum, sizes = np.array(case["eigenvalues"]), (settings["samples_train"], settings["samples_test"])
    if "teacher" in case:
        teacher = teachers.teacher(case["teacher"], sharpness=settings["link_sharpness"], eigenvalues=spectrum)
        return single_index.draw_from(teacher, teachers.COEFFICIENTS, spectrum, params.snr, *sizes, *streams)
    direction = case["target_direction" if target else "teacher_direction"]
    return single_index.draw(spectrum, direction, params.snr, *sizes, settings["link_sharpness"], *streams)


with joblog.of(snakemake):
    params = snakemake.params
    drawn = [draw(params, seed) for seed in params.seeds]
    variables = {
        key: (("seed", *dims), np.stack([getattr(data, key) for data in drawn])) for key, dims in ARRAYS.items()
    }
    variables["coefficient"] = (("seed", "index"), np.stack([np.atleast_1d(data.coefficient) for data in drawn]))
    coords = {"seed": params.seeds, "direction": np.arange(len(params.case["eigenvalues"]))}
    attributes = records.provenance("single-index data", REFERENCE, records.plain(params), params.code)
    records.write(records.dataset(variables, coords, attributes, NAMES), snakemake.output.data)
