"""Check the theory for one block of seeds: deviations, spectra of Gram matrices, departures and exponents."""

import numpy as np
import torch

from featurelearning.files import joblog, records
from featurelearning.preconditioning import effective, equivariance, theory, theory_checks, theory_spectra
from featurelearning.preconditioning.names import NAMES, REFERENCE

EACH = ("exponent", "seed", "direction")
DIMENSIONS = {"gram_eigenvalue": EACH, "gram_eigenvalue_population": EACH, "gram_slope": EACH[:2]}
DIMENSIONS["singular_value"] = EACH[1:]
DIMENSIONS["isotropy_error"] = ("initialisation", "transformation", *EACH[:2])
DIMENSIONS["isotropy_noise"] = EACH[:2]
DIMENSIONS["effective_exponent"] = ("optimizer", "frame", "seed", "effective_step")
DIMENSIONS["step_exponent"] = DIMENSIONS["effective_exponent"]

with joblog.of(snakemake):
    params = snakemake.params
    torch.set_num_threads(params.threads)
    study = theory.Study(params.master_seed, params.seeds, params.theory, params.exponents)
    functions, kinds, bounds = zip(*theory_checks.CHECKS.values(), strict=True)
    measured = theory_spectra.gram(study) | equivariance.isotropy(study) | effective.effective(study)
    variables = {name: (DIMENSIONS[name], values) for name, values in measured.items()}
    variables["deviation"] = (("check", "seed"), np.stack([function(study) for function in functions]))
    departures = equivariance.departure(study)
    variables["departure"] = (("preconditioner", "transformation", "seed", "step"), np.stack([*departures.values()]))
    coords = {"check": list(theory_checks.CHECKS), "kind": ("check", list(kinds)), "bound": ("check", list(bounds))}
    coords |= {"exponent": list(params.exponents), "seed": list(params.seeds)}
    coords |= {"preconditioner": list(departures), "transformation": list(equivariance.TRANSFORMATIONS)}
    coords |= {"initialisation": list(equivariance.INITIALISATIONS), "step": equivariance.steps(study)}
    coords |= {"optimizer": [name for name, _, _ in effective.runs(study)], "frame": list(effective.FRAMES)}
    coords["effective_step"] = effective.steps()
    coords["direction"] = np.arange(params.theory["dimension"])
    attributes = records.provenance(
        "checks of the theory", REFERENCE, records.plain(params, "seeds", "threads"), params.code
    )
    records.write(records.dataset(variables, coords, attributes, NAMES), snakemake.output.evaluation)
