"""The claims of a paper judged against the recorded results: one row of the results table per claim."""

import numpy as np

from featurelearning.evidence import contrasts, statistics
from featurelearning.evidence.contrasts import NotRun


def evaluate_all(claims: list[dict], datasets: dict) -> list[dict]:
    """Return one row per validated claim, in their order; `datasets` maps a study's name to its xarray.Dataset."""
    return [evaluate(claim, datasets) for claim in claims]


def evaluate(claim: dict, datasets: dict) -> dict:
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
        return _blank(claim) | judge(claim, datasets)
    except NotRun as reason:
        return _blank(claim) | {"verdict": "not run", "note": str(reason)}


def describe(contrast: dict) -> str:
    """Return a contrast as one line of text: the formula, then the keys that both sides share."""
    if contrast["kind"] == "identity":
        return f"largest deviation of the check {contrast['check']}"
    terms = [_term(contrast, contrast.get(side, {})) for side in ("a", "b")]
    formula = {
        "difference": " - ".join(terms),
        "spearman": f"Spearman correlation over p of {terms[0]}",
        "argmin": " - ".join(f"argmin over p of {term}" for term in terms),
        "offset": f"{contrast.get('quantity')} - ({contrasts.text(contrast.get('target'))})",
    }
    shared = {key: value for key, value in contrast.items() if key not in ("kind", "quantity", "target", "a", "b")}
    if contrast["study"] == "noise" and "snr" not in contrast:
        shared["snr"] = "all (mean of log)"
    return "; ".join([formula[contrast["kind"]], *(f"{key}={contrasts.text(value)}" for key, value in shared.items())])


def _blank(claim):
    nan = float("nan")
    row = {"claim": claim["id"], "contrast": describe(claim["contrast"])}
    row |= {key: claim[key] for key in ("reference", "statement", "unit", "expected", "smallest_effect", "figure")}
    row |= dict.fromkeys(("estimate", "ci_low", "ci_high", "level", "bca_low", "bca_high"), nan)
    return row | {"n": 0, "verdict": "undecided", "diverged": 0, "note": ""}


def _judge_identity(claim, datasets):
    dataset, check = _study(datasets, "theory"), claim["contrast"]["check"]
    if check not in dataset["check"].values:
        raise NotRun(f"check {check} is not in the run, which has {contrasts.listed(dataset['check'].values)}")
    deviation = dataset["deviation"].sel(check=check).values
    _refuse_non_finite(claim, deviation, dataset["seed"].values)
    row = {"estimate": float(deviation.max()), "n": deviation.size}
    control = dataset.isel(check=np.flatnonzero((dataset["kind"] == "control").values))
    if not (control["deviation"] >= control["bound"]).all():
        return row | {"note": "the negative control passes as well, so the comparison sees nothing"}
    return row | {"verdict": "reproduced" if deviation.max() <= claim["smallest_effect"] else "contradicted"}


def _judge_contrast(claim, datasets):
    contrast, level = claim["contrast"], claim["level"]
    dataset = _study(datasets, contrast["study"])
    values, models = contrasts.KINDS[contrast["kind"]](dataset, contrast)
    lost, count, names = contrasts.diverged(models)
    lost = lost | np.zeros(len(values), dtype=bool)
    kept = values[~lost]
    _refuse_non_finite(claim, kept, dataset["seed"].values[~lost])
    low, high = statistics.t_interval(kept, level)
    bca_low, bca_high = statistics.bca_interval(kept, level)
    row = {"estimate": float(kept.mean()) if len(kept) else float("nan"), "n": len(kept), "level": level}
    row |= {"ci_low": low, "ci_high": high, "bca_low": bca_low, "bca_high": bca_high}
    if count:
        return row | {"diverged": count, "note": f"diverged: {names}"}
    if idle := contrasts.untrained(dataset, contrast, models):
        return row | {"note": "; ".join(idle)}
    verdict = statistics.verdict(low, high, claim["expected"], claim["smallest_effect"])
    notes = ["one seed has no interval"] * (len(kept) < 2) + contrasts.at_grid_edge(models)
    return row | {"verdict": verdict, "note": "; ".join(notes)}


def _study(datasets, name):
    if name not in datasets:
        raise NotRun(f"study {name} is not in the run")
    return datasets[name]


def _refuse_non_finite(claim, values, seeds):
    bad = seeds[~np.isfinite(values)]
    if len(bad):
        raise ValueError(
            f"claim {claim['id']}: its contrast is not finite for seeds {contrasts.listed(bad)} although no model "
            "diverged; look in the study's results for missing cells or errors of exactly 0, and run that study again"
        )


def _term(contrast, side):
    quantity = (contrast | side)["quantity"]
    differs = ", ".join(f"{key}={contrasts.text(value)}" for key, value in side.items() if key != "quantity")
    scale = "" if contrast["study"] in contrasts.ACCURACIES else "log "
    return scale + quantity + (f" ({differs})" if differs else "")
