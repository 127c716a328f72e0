"""The contrasts of claims: from recorded data sets to one number per seed.

Kinds of contrast:
  difference  value of side a minus value of side b
  spearman    rank correlation of the value with p, over the arms of the grid
  argmin      the p at which the value is smallest, side a minus side b
  offset      value minus a target
The keys of a contrast hold for both sides; `a` and `b` say what differs. Errors, energies and sensitivities are taken
in log and averaged in log over the SNRs (all of the run, unless `snr` is given); accuracies are taken as they are.
The theory study has no arms: a quantity is read at its labels and, where it is a curve, at the last step.
Data sets are xarray objects in the layout of results/*.nc; this module only selects from them.
"""

import numpy as np

from featurelearning.evidence import readings, statistics

CASE_KEY = {"noise": "case", "teachers": "case", "transfer": "source_case", "real": "pair"}
ACCURACIES = ("ood", "real")  # studies whose quantities are no errors, and are not taken in log
PLACE = ("case", "source_case", "pair", "snr")
ARM = ("arm", "method", "estimator", "p")
LABELS = {  # of a quantity of the theory study
    "departure": ("preconditioner", "transformation"),
    "isotropy_error": ("initialisation", "transformation", "exponent"),
    "effective_exponent": ("optimizer", "frame"),
}


LEARNED = 0.9  # share of its first training loss to which a model has to fall to have learned something


class NotRun(Exception):
    """The run's grid does not hold what a claim needs; the message says what."""


def difference(dataset, contrast: dict) -> tuple[np.ndarray, dict]:
    """Return value(a) - value(b) [seed] and the models used, {name: data set of one arm}.

    Raises NotRun if the run lacks a side, ValueError if a side selects several arms.
    """
    a, b = sides(contrast)
    if contrast["study"] == "theory":
        return _log(_labelled(dataset, a)) - _log(_labelled(dataset, b)), {}
    a, b = _resolved(dataset, a), _resolved(dataset, b)
    (name_a, cells_a), (name_b, cells_b) = _one_arm(dataset, a), _one_arm(dataset, b)
    if contrast.get("reading") == "at_equal_loss":
        value_a, value_b = _at_equal_loss(cells_a, cells_b, a["quantity"], b["quantity"])
    else:
        value_a, value_b = _value(cells_a, a), _value(cells_b, b)
    return value_a - value_b, {name_a: cells_a, name_b: cells_b}


def spearman(dataset, contrast: dict) -> tuple[np.ndarray, dict]:
    """Return Spearman's correlation of the value with p [seed] and the models used. Raises NotRun."""
    models = _arms(dataset, contrast)
    return statistics.spearman(_over_grid(models, contrast).T, _exponents(models)), models


def argmin(dataset, contrast: dict) -> tuple[np.ndarray, dict]:
    """Return (p of the smallest value on side a) - (the same on side b) [seed] and the models used. Raises NotRun."""
    a, b = sides(contrast)
    models_a, models_b = _arms(dataset, a), _arms(dataset, b)
    return _best_exponent(models_a, a) - _best_exponent(models_b, b), models_a | models_b


def offset(dataset, contrast: dict) -> tuple[np.ndarray, dict]:
    """Return value - target [seed] of the theory study, which has no models to name. Raises NotRun."""
    return _labelled(dataset, contrast) - contrast["target"], {}


KINDS = {"difference": difference, "spearman": spearman, "argmin": argmin, "offset": offset}


def sides(contrast: dict) -> list[dict]:
    """Return the two sides of a contrast: its shared keys with those of `a`, and with those of `b`."""
    return [contrast | contrast[name] for name in ("a", "b")]


def diverged(models: dict) -> tuple[np.ndarray, int, str]:
    """Return which seeds rest on a diverged model [seed], the number of diverged models, and a text that names them."""
    lost, count, names = False, 0, []
    for name, cells in models.items():
        for place, flags in _per_snr(cells["diverged_at"] >= 0):
            lost, count = lost | flags, count + int(flags.sum())
            names += [f"{name}{place} seeds {listed(cells['seed'].values[flags])}"] if flags.any() else []
    return lost, count, "; ".join(names)


def untrained(dataset, contrast: dict, models: dict) -> list[str]:
    """Return remarks on what has learned nothing in the median seed; comparing that says nothing of a claim.

    difference: an arm whose training loss never falls to nine tenths of its first value, at some SNR. argmin: a side
    on which even the best p has no smaller value than the network before training.
    """
    if contrast["kind"] == "difference":
        return [f"{name} has not trained" for name, cells in models.items() if "train_mse" in cells and _idle(cells)]
    if contrast["kind"] == "argmin":
        return [f"no p learns ({_chosen(side, PLACE)})" for side in sides(contrast) if _harmful(dataset, side)]
    return []


def at_grid_edge(models: dict) -> list[str]:
    """Return a remark if a model's learning rate lies at an end of the grid that it was chosen from, else nothing."""
    edge = [name for name, cells in models.items() if "at_grid_edge" in cells and (cells["at_grid_edge"] == 1).any()]
    return [f"learning rate (or rho, damping) at the end of its grid: {listed(edge)}"] if edge else []


def listed(values) -> str:
    """Return values as one text, numbers in short form, separated by commas."""
    return ", ".join(text(value) for value in values)


def text(value) -> str:
    """Return one value of a selection as text, numbers in short form."""
    return f"{value:g}" if isinstance(value, int | float | np.number) else str(value)


def _per_snr(flags):
    if "snr" not in flags.dims:
        return [("", flags.values)]
    return [(f" snr {snr:g}", flags.sel(snr=snr).values) for snr in flags["snr"].values]


def _resolved(dataset, side):
    # The specialised p of a pair was chosen on the source; its arm may have diverged, which must be seen.
    if side["quantity"] != "accuracy_specialised":
        return side
    return side | {"quantity": "accuracy_target", "p": dataset["specialised_p"].sel(pair=side["pair"]).item()}


def _one_arm(dataset, side):
    models = _arms(dataset, side)
    if len(models) > 1:
        raise ValueError(f"{_chosen(side)} selects {len(models)} arms: {listed(models)}; name p or estimator too")
    return next(iter(models.items()))


def _arms(dataset, side):
    place = _place(dataset, side)
    chosen = [cells for cells in (place.sel(arm=arm) for arm in place["arm"].values) if _matches(cells, side)]
    if not chosen:
        raise NotRun(f"no arm with {_chosen(side)} in the run")
    case = side.get(CASE_KEY.get(side["study"]), "")
    models = {f"{cells['arm'].item()} {case}".strip(): cells for cells in sorted(chosen, key=lambda c: c["p"].item())}
    for name, cells in models.items():
        if "planned" in cells and not (cells["planned"] == 1).all():
            raise NotRun(f"{name} is not planned at every SNR needed")
    return models


def _place(dataset, side, keys=PLACE):
    chosen = {key: side[key] for key in keys if key in side}
    for key, value in chosen.items():
        if value not in dataset[key].values:
            raise NotRun(f"{key} {text(value)} is not in the run, which has {listed(dataset[key].values)}")
    return dataset.sel(chosen)


def _labelled(dataset, side):
    quantity = side["quantity"]
    values = _place(dataset, side, LABELS[quantity])[quantity]
    return values.isel({dim: -1 for dim in values.dims if dim != "seed"}).values


def _matches(cells, side):
    return all(cells[key].item() == side[key] for key in ARM if key in side)


def _chosen(side, keys=ARM):
    return ", ".join(f"{key} {text(side[key])}" for key in keys if key in side)


def _idle(cells):
    if "step" not in cells["train_mse"].dims:
        return False
    curves = _curves(cells["train_mse"])
    return bool((np.median(readings.best_over_time(curves) / curves[..., 0], axis=-1) > LEARNED).any())


def _harmful(dataset, side):
    models = _arms(dataset, side)
    if any("step" not in cells[side["quantity"]].dims for cells in models.values()):
        return False
    before = {name: cells.isel(step=[0]) for name, cells in models.items()}
    return bool(np.median(_over_grid(models, side).min(0) - _over_grid(before, side).min(0)) >= 0)


def _exponents(models):
    grid = np.array([cells["p"].item() for cells in models.values()])
    if len(grid) < 2:
        raise NotRun(f"the grid of p holds {listed(grid)} only; an order needs two")
    return grid


def _best_exponent(models, side):
    return _exponents(models)[_over_grid(models, side).argmin(0)]


def _over_grid(models, side):
    return np.stack([_value(cells, side) for cells in models.values()])  # [p, seed]


def _value(cells, side):
    values = cells[side["quantity"]]
    if "direction" in values.dims:
        values = _block_mean(cells, values, side["direction"])
    if "step" not in values.dims:
        array = values.transpose(..., "seed").values
    else:
        array = readings.READINGS[side.get("reading", "final")](_curves(values))
    return _over_snr(array.astype(float) if side["study"] in ACCURACIES else _log(array))


def _at_equal_loss(a, b, quantity_a, quantity_b):
    curves = (a["train_mse"], a[quantity_a], b["train_mse"], b[quantity_b])
    return [_over_snr(_log(value)) for value in readings.at_equal_loss(*map(_curves, curves))]


def _block_mean(cells, values, direction):
    # Directions of equal eigenvalue are defined only up to a rotation among themselves, so their mean is read.
    if direction not in cells["direction"].values:
        raise NotRun(f"direction {direction} is not in the run, which has {listed(cells['direction'].values)}")
    eigenvalues = cells["eigenvalue"].values
    same = np.isclose(eigenvalues, cells["eigenvalue"].sel(direction=direction).item(), rtol=1e-9, atol=0)
    return values.isel(direction=np.flatnonzero(same)).mean("direction", skipna=False)


def _curves(values):
    return values.transpose(..., "seed", "step").values


def _log(array):
    with np.errstate(divide="ignore"):  # an error of exactly 0 becomes -inf, which is refused by name later
        return np.log(array.astype(float))


def _over_snr(array):
    return array.reshape(-1, array.shape[-1]).mean(0)  # [snr, seed] or [seed] -> [seed]
