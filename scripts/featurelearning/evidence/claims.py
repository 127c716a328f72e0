"""The claims of a study judged against the recorded results: one row of the table of claims per claim."""

from collections.abc import Mapping
from math import inf

import numpy as np

from featurelearning.evidence import contrasts, statistics, words
from featurelearning.evidence.contrasts import NotRun, Source
from featurelearning.evidence.studies import Study


def evaluate_all(claims: list[dict], datasets: Mapping, studies: Mapping[str, Study]) -> list[dict]:
    """Return one row per validated claim, in their order; `datasets` maps a study's name to its xarray.Dataset."""
    return [evaluate(claim, datasets, studies) for claim in claims]


def evaluate(claim: dict, datasets: Mapping, studies: Mapping[str, Study]) -> dict:
    """Return the row of one validated claim: estimate, intervals, verdict and, where needed, a note.

    The estimate is the mean over seeds of the contrast. A diverged model has no error to compare: it is counted and
    named, its seed is left out of the estimate, and the verdict is `undecided` whatever the other seeds say, since
    divergence tells of the step size and not of the claim. It is `undecided`, too, where something that is compared has
    learned nothing (`contrasts.untrained`). Where the run's grid lacks something the verdict is `not
    run` and the note says what. A claim of kind identity compares the largest deviation with its tolerance.

    Raises ValueError naming claim and seeds if a value is not finite although no model diverged.
    """
    judge = _judge_identity if claim["contrast"]["kind"] == "identity" else _judge_contrast
    try:
        row = words.blank(claim, studies) | judge(claim, _sources(claim, datasets, studies))
    except NotRun as reason:
        return words.not_run(claim, studies, str(reason))
    return row | words.measured(claim, row, studies)


def _sources(claim, datasets, studies):
    names = words.compared(claim["contrast"])
    for name in names:
        if name not in datasets:
            raise NotRun(f"study {name} is not in the run")
    return {name: Source(studies[name], datasets[name]) for name in names}


def _judge_identity(claim, sources):
    contrast = claim["contrast"]
    study, data = sources[contrast["study"]]
    deviation = data[contrast["quantity"]]
    for label in study.quantities[contrast["quantity"]].labels:
        if contrast[label] not in data[label].values:
            raise NotRun(f"{label} {contrast[label]} is not in the run, which has {words.listed(data[label].values)}")
        deviation = deviation.sel({label: contrast[label]})
    values = deviation.values
    _refuse_non_finite(claim, values, data["seed"].values)
    row = {"estimate": float(values.max()), "n": values.size}
    if "kind" in data.coords:
        control = data.isel({data["kind"].dims[0]: np.flatnonzero((data["kind"] == "control").values)})
        if not (control[contrast["quantity"]] >= control["bound"]).all():
            return row | {"note": "the negative control passes as well, so the comparison sees nothing"}
    return row | {"verdict": "reproduced" if values.max() <= claim["smallest_effect"] else "contradicted"}


def _judge_contrast(claim, sources):
    contrast, level = claim["contrast"], claim["level"]
    values, models = contrasts.KINDS[contrast["kind"]](sources, contrast)
    lost, count, names = contrasts.diverged(models)
    lost = lost | np.zeros(len(values), dtype=bool)
    kept, seeds = values[~lost], sources[words.compared(contrast)[0]].data["seed"].values
    _refuse_non_finite(claim, kept, seeds[~lost])
    low, high = statistics.t_interval(kept, level)
    bca_low, bca_high = statistics.bca_interval(kept, level)
    row = {"estimate": float(kept.mean()) if len(kept) else float("nan"), "n": len(kept), "level": level}
    row |= {"ci_low": low, "ci_high": high, "bca_low": bca_low, "bca_high": bca_high}
    if count:
        return row | {"diverged": count, "note": f"diverged: {names}"}
    if idle := contrasts.untrained(sources, contrast, models):
        return row | {"note": "; ".join(idle)}
    bounds = contrasts.bounds(sources, contrast)
    verdict = statistics.verdict(*_widened(low, high, contrast, bounds), claim["expected"], claim["smallest_effect"])
    notes = ["one seed has no interval"] * (len(kept) < 2) + contrasts.at_grid_edge(models)
    notes += [
        f"{side}: {count} values are lower bounds, never reached in the steps run"
        for side, count in zip("ab", bounds, strict=False)
        if count
    ]
    return row | {"verdict": verdict, "note": "; ".join(notes)}


def _widened(low, high, contrast, bounds):
    # A lower bound on side a is one of the contrast, on side b an upper one; of an order or a best p it is neither.
    a, b = (any(bounds),) * 2 if contrast["kind"] in ("spearman", "argmin") else (*bounds, 0)[:2]
    return (-inf if b else low), (inf if a else high)


def _refuse_non_finite(claim, values, seeds):
    bad = seeds[~np.isfinite(values)]
    if len(bad):
        raise ValueError(
            f"claim {claim['id']}: its contrast is not finite for seeds {words.listed(bad)} although no model "
            "diverged; look in the study's results for missing cells or errors of exactly 0, and run that study again"
        )
