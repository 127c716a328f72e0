"""The contrasts of claims: from recorded data sets to one number per seed.

Kinds of contrast:
  difference      value of side a minus value of side b
  noninferiority  the same, held against a margin on one side
  spearman        rank correlation of the value with p, over the arms of the grid
  argmin          the p at which the value is smallest, side a minus side b
  offset          value minus a target
The keys of a contrast hold for both sides; `a` and `b` say what differs. How a quantity is taken (in log or as it is),
what chooses a cell and what is averaged over is declared by its study (`evidence.studies`).
Data sets are xarray objects in the layout of the aggregated files; this module only selects from them.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from featurelearning.evidence import readings, statistics
from featurelearning.evidence.studies import Study
from featurelearning.evidence.words import ARM, listed, sides, text

LEARNED = 0.9  # share of its first training loss to which a model has to fall to have learned something


class NotRun(Exception):
    """The run's grid does not hold what a claim needs; the message says what."""


class Source(NamedTuple):
    """A study's declaration and its data set."""

    study: Study
    data: object


class Model(NamedTuple):
    """What tells the models of a contrast apart: the study, the arm and the chosen places, as (coordinate, value)."""

    study: str
    arm: str
    places: tuple[tuple[str, object], ...]

    def __str__(self) -> str:
        return " ".join([self.arm, *(text(v) if isinstance(v, str) else f"{k} {text(v)}" for k, v in self.places)])


Sources = Mapping[str, Source]


def difference(sources: Sources, contrast: dict) -> tuple[np.ndarray, dict]:
    """Return value(a) - value(b) [seed] and the models used, {Model: data set of one arm}.

    Raises NotRun if the run lacks a side, ValueError if a side selects several arms.
    """
    a, b = (_resolved(sources, side) for side in sides(contrast))
    models_a, models_b = _one_arm(sources, a), _one_arm(sources, b)
    _require_pairs(sources, a, b)
    if contrast.get("reading") == "at_equal_loss":
        (cells_a,), (cells_b,) = models_a.values(), models_b.values()
        value_a, value_b = _at_equal_loss(sources, cells_a, a, cells_b, b)
    else:
        value_a, value_b = _single(sources, models_a, a), _single(sources, models_b, b)
    return value_a - value_b, models_a | models_b


def spearman(sources: Sources, contrast: dict) -> tuple[np.ndarray, dict]:
    """Return Spearman's correlation of the value with p [seed] and the models used. Raises NotRun."""
    models = _arms(sources, contrast)
    return statistics.spearman(_over_grid(sources, models, contrast).T, _exponents(models)), models


def argmin(sources: Sources, contrast: dict) -> tuple[np.ndarray, dict]:
    """Return (p of the smallest value on side a) - (the same on side b) [seed] and the models used. Raises NotRun."""
    a, b = sides(contrast)
    _require_pairs(sources, a, b)
    best = [_exponents(models)[_best(sources, models, side)] for side in (a, b) for models in [_arms(sources, side)]]
    return best[0] - best[1], _arms(sources, a) | _arms(sources, b)


def offset(sources: Sources, contrast: dict) -> tuple[np.ndarray, dict]:
    """Return value - target [seed] and the models used, none of a study without arms. Raises as `difference`."""
    side = _resolved(sources, contrast)
    models = _one_arm(sources, side)
    return _single(sources, models, side) - contrast["target"], models


KINDS = {
    "difference": difference,
    "noninferiority": difference,
    "spearman": spearman,
    "argmin": argmin,
    "offset": offset,
}


def diverged(models: dict) -> tuple[np.ndarray, int, str]:
    """Return which seeds rest on a diverged model [seed], the number of diverged models, and a text that names them."""
    lost, count, names = False, 0, []
    for model, cells in models.items():
        for place, flags in _each_place(cells["diverged_at"] >= 0):
            lost, count = lost | flags, count + int(flags.sum())
            names += [f"{model}{place} seeds {listed(cells['seed'].values[flags])}"] if flags.any() else []
    return lost, count, "; ".join(names)


def untrained(sources: Sources, contrast: dict, models: dict) -> list[str]:
    """Return remarks on what has learned nothing in the median seed; comparing that says nothing of a claim.

    Whatever the kind: an arm whose training loss never falls to nine tenths of its first value, at some place that is
    averaged over. Of an argmin, those that are best in some seed are compared; beside them, a side on which even the
    best p has no smaller value than the network before training.
    """
    if contrast["kind"] != "argmin":
        return [f"{model} has not trained" for model, cells in models.items() if _idle(sources, model, cells)]
    remarks = []
    for side in sides(contrast):
        grid = list(_arms(sources, side).items())
        best = [grid[i] for i in np.unique(_best(sources, dict(grid), side))]
        remarks += [f"{model} has not trained" for model, cells in best if _idle(sources, model, cells)]
        chosen = _chosen(side, sources[side["study"]].study.places())
        remarks += [f"no p learns ({chosen})" if chosen else "no p learns"] if _harmful(sources, side) else []
    return list(dict.fromkeys(remarks))


def bounds(sources: Sources, contrast: dict) -> list[int]:
    """Return how many values of each side are lower bounds: counts that were never reached, see `Quantity.reached`."""
    return [_unreached(sources, _resolved(sources, side)) for side in sides(contrast)]


def at_grid_edge(models: dict) -> list[str]:
    """Return a remark if a model's learning rate lies at an end of the grid that it was chosen from, else nothing."""
    edge = [model for model, cells in models.items() if "at_grid_edge" in cells and (cells["at_grid_edge"] == 1).any()]
    return [f"learning rate (or rho, damping) at the end of its grid: {', '.join(map(str, edge))}"] if edge else []


def _unreached(sources, side):
    reached, study = _quantity(sources, side).reached, sources[side["study"]].study
    if not reached:
        return 0
    models = _arms(sources, side) if study.arms else {}
    labels = {label: side[label] for label in _quantity(sources, side).labels}
    flags = [cells[reached] for cells in models.values() or [_place(sources, side)]]
    return sum(int((each.sel({k: v for k, v in labels.items() if k in each.dims}) == 0).sum()) for each in flags)


def _each_place(flags):
    flags = flags.transpose(..., "seed")
    for index in np.ndindex(flags.shape[:-1]):
        labels = zip(flags.dims, index, strict=False)
        place = "".join(f" {dim} {text(flags[dim].values[i].item())}" for dim, i in labels)
        yield place, flags.values[index]


def _require_pairs(sources, a, b):
    seeds = [sources[side["study"]].data["seed"].values for side in (a, b)]
    if not np.array_equal(*seeds):
        raise NotRun(f"studies {a['study']} and {b['study']} have other seeds: {listed(seeds[0])}; {listed(seeds[1])}")


def _quantity(sources, side):
    return sources[side["study"]].study.quantities[side["quantity"]]


def _resolved(sources, side):
    found = _quantity(sources, side)
    if not found.of:
        return side
    place = _place(sources, side)
    return side | {"quantity": found.of} | {key: place[variable].item() for key, variable in found.at.items()}


def _one_arm(sources, side):
    models = _arms(sources, side) if sources[side["study"]].study.arms else {}
    if len(models) > 1:
        arms = listed(model.arm for model in models)
        raise ValueError(f"{_chosen(side, ARM)} selects {len(models)} arms: {arms}; name p or estimator too")
    return models


def _arms(sources, side):
    place, study = _place(sources, side), sources[side["study"]].study
    chosen = [cells for cells in (place.sel(arm=arm) for arm in place["arm"].values) if _matches(cells, side)]
    if not chosen:
        raise NotRun(f"no arm with {_chosen(side, ARM)} in the run")
    places = tuple((key, side[key]) for key in study.places() if key in side)
    models = {
        Model(study.name, cells["arm"].item(), places): cells
        for cells in sorted(chosen, key=lambda cells: cells["p"].item())
    }
    for model, cells in models.items():
        if "planned" in cells and not (cells["planned"] == 1).all():
            averaged = " and ".join(key for key in study.averaged if key not in side) or "the place"
            raise NotRun(f"{model} is not planned at every {averaged} needed")
    return models


def _place(sources, side):
    study, data = sources[side["study"]]
    chosen = {key: side[key] for key in study.places() if key in side}
    for key, value in chosen.items():
        _require(data, key, value)
    return data.sel(chosen)


def _require(data, key, value):
    if value not in data[key].values:
        raise NotRun(f"{key} {text(value)} is not in the run, which has {listed(data[key].values)}")


def _matches(cells, side):
    return all(cells[key].item() == side[key] for key in ARM if key in side)


def _chosen(side, keys):
    return ", ".join(f"{key} {text(side[key])}" for key in keys if key in side)


def _idle(sources, model, cells):
    study = sources[model.study].study
    if study.loss is None or study.quantities[study.loss].curve not in cells[study.loss].dims:
        return False
    curves = _curves(cells[study.loss], study.quantities[study.loss])
    return bool((np.median(readings.best_over_time(curves) / curves[..., 0], axis=-1) > LEARNED).any())


def _harmful(sources, side):
    models, curve = _arms(sources, side), _quantity(sources, side).curve
    if not curve:
        return False
    before = {name: cells.isel({curve: [0]}) for name, cells in models.items()}
    reached, begun = (_over_grid(sources, found, side).min(0) for found in (models, before))
    return bool(np.median(reached - begun) >= 0)


def _exponents(models):
    grid = np.array([cells["p"].item() for cells in models.values()])
    if len(grid) < 2:
        raise NotRun(f"the grid of p holds {listed(grid)} only; an order needs two")
    return grid


def _best(sources, models, side):
    return _over_grid(sources, models, side).argmin(0)


def _over_grid(sources, models, side):
    return np.stack([_value(sources, cells, side) for cells in models.values()])  # [p, seed]


def _single(sources, models, side):
    return _value(sources, *models.values() or [_place(sources, side)], side)


def _value(sources, cells, side):
    quantity, values = _quantity(sources, side), cells[side["quantity"]]
    for label in quantity.labels:
        values = _at_label(cells, values, label, side[label], quantity.alike)
    if quantity.curve:
        array = readings.READINGS[side.get("reading", "final")](_curves(values, quantity))
    else:
        array = values.transpose(..., "seed").values
    return _over_places(_scaled(array, quantity))


def _at_equal_loss(sources, cells_a, a, cells_b, b):
    curves = []
    for cells, side in ((cells_a, a), (cells_b, b)):
        study = sources[side["study"]].study
        curves += [_curves(cells[name], study.quantities[name]) for name in (study.loss, side["quantity"])]
    read = readings.at_equal_loss(*curves)
    return [_over_places(_scaled(value, _quantity(sources, a))) for value in read]


def _at_label(cells, values, label, value, alike):
    _require(cells, label, value)
    if not alike:
        return values.sel({label: value})
    # What is alike is defined only up to a rotation, so its mean is read.
    same = np.isclose(cells[alike].values, cells[alike].sel({label: value}).item(), rtol=1e-9, atol=0)
    return values.isel({label: np.flatnonzero(same)}).mean(label, skipna=False)


def _curves(values, quantity):
    return values.transpose(..., "seed", quantity.curve).values


def _scaled(array, quantity):
    if quantity.scale != "log":
        return array.astype(float)
    with np.errstate(divide="ignore"):  # an error of exactly 0 becomes -inf, which is refused by name later
        return np.log(array.astype(float))


def _over_places(array):
    return array.reshape(-1, array.shape[-1]).mean(0)  # [snr, seed] or [seed] -> [seed]
