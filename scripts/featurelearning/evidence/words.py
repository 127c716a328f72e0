"""Contrasts, measured values and claimed ones in the words and units of a reader; free of imports that take time."""

from collections.abc import Iterable, Mapping
from math import exp, floor, isnan, log10, nan

from featurelearning.evidence.studies import Quantity, Study

MISSING = "–"
ARM = ("arm", "method", "estimator", "p")  # what chooses an arm
NUMBERS = ("estimate", "ci_low", "ci_high", "level", "bca_low", "bca_high")


def text(value) -> str:
    """Return one value of a selection as text, numbers in short form."""
    return value if isinstance(value, str) else f"{value:g}" if isinstance(value, int | float) else str(value)


def listed(values: Iterable) -> str:
    """Return values as one text, numbers in short form, separated by commas."""
    return ", ".join(text(value.item() if hasattr(value, "item") else value) for value in values)


def sides(contrast: Mapping) -> list[dict]:
    """Return the sides of a contrast: its shared keys with those of `a` and with those of `b`, or itself alone."""
    return [{**contrast, **contrast[name]} for name in ("a", "b") if name in contrast] or [dict(contrast)]


def compared(contrast: Mapping) -> list[str]:
    """Return the studies that a contrast compares; the first one owns its claim."""
    return list(dict.fromkeys(side["study"] for side in sides(contrast)))


def quantity(side: Mapping, studies: Mapping[str, Study]) -> Quantity:
    """Return the declared quantity of one side of a contrast."""
    return studies[side["study"]].quantities[side["quantity"]]


def unit(contrast: Mapping, studies: Mapping[str, Study]) -> str:
    """Return the unit of a contrast, which follows from its kind and its quantity."""
    fixed = {"spearman": "correlation", "argmin": "exponent", "identity": "deviation"}
    return fixed.get(contrast["kind"]) or quantity(sides(contrast)[0], studies).measure


def blank(claim: Mapping, studies: Mapping[str, Study]) -> dict:
    """Return the row of a validated claim before it is judged."""
    row = {"claim": claim["id"], "contrast": describe(claim["contrast"], studies)}
    row |= {key: claim[key] for key in ("reference", "statement", "unit", "expected", "smallest_effect", "figure")}
    row |= dict.fromkeys(NUMBERS, nan) | {"n": 0, "verdict": "undecided", "diverged": 0, "note": ""}
    return row | {"measured": MISSING, "interval": MISSING, "claimed": claimed(claim, studies)}


def not_run(claim: Mapping, studies: Mapping[str, Study], note: str) -> dict:
    """Return the row of a claim that was not judged, and why."""
    return blank(claim, studies) | {"verdict": "not run", "note": note}


def describe(contrast: Mapping, studies: Mapping[str, Study]) -> str:
    """Return a contrast as one line of text: the formula, then the keys that both sides share."""
    first = quantity(sides(contrast)[0], studies)
    shared = {key: value for key, value in contrast.items() if key not in ("kind", "quantity", "target", "a", "b")}
    if contrast["kind"] == "identity":
        places = [f"{label} {text(contrast[label])}" for label in first.labels]
        return f"largest {contrast['quantity']} of the {', '.join(places)}"
    own = [contrast[name] for name in ("a", "b") if name in contrast] or [{}]
    terms = [_term(contrast, side, studies) for side in own]
    formula = {
        "spearman": f"Spearman correlation over p of {terms[0]}",
        "argmin": " - ".join(f"argmin over p of {term}" for term in terms),
        "offset": f"{contrast.get('quantity')} - ({text(contrast.get('target'))})",
    }.get(contrast["kind"], " - ".join(terms))
    study = studies[compared(contrast)[0]]
    order = [key for key in ("study", "reading", *first.labels, *study.places(), *ARM) if key in shared]
    said = {key: text(shared[key]) for key in [*order, *sorted(shared.keys() - {*order})]}
    averaged = [name for name in study.averaged if not any(name in side for side in sides(contrast))]
    said |= dict.fromkeys(averaged, f"all (mean{' of log' if first.scale == 'log' else ''})")
    return "; ".join([formula, *(f"{key}={value}" for key, value in said.items())])


def measured(claim: Mapping, row: Mapping, studies: Mapping[str, Study]) -> dict[str, str]:
    """Return what was measured in a row of numbers, and its interval, as texts in the quantity's own unit."""
    value, low, high = row["estimate"], row["ci_low"], row["ci_high"]
    if isnan(value):
        return {"measured": MISSING, "interval": MISSING}
    contrast = claim["contrast"]
    found = quantity(sides(contrast)[0], studies)
    if contrast["kind"] in ("identity", "spearman", "offset"):
        say = "{:.1e}".format if contrast["kind"] == "identity" else _signed(claim["smallest_effect"])
        word = {"identity": "", "spearman": "rank correlation "}.get(contrast["kind"], f"{found.word} ")
        zero = contrast.get("target", 0)
        ends = MISSING if isnan(low) or isnan(high) else f"{say(zero + low)} to {say(zero + high)}"
        return {"measured": word + say(zero + value), "interval": ends}
    word = "best p" if contrast["kind"] == "argmin" else found.word
    say = _apart if contrast["kind"] == "argmin" or found.scale != "log" else _factor
    return {"measured": _once(say(value), word), "interval": _interval(say(low), say(high))}


def claimed(claim: Mapping, studies: Mapping[str, Study]) -> str:
    """Return what a claim expects as a text of the quantity's own unit."""
    contrast, expected, effect = claim["contrast"], claim["expected"], claim["smallest_effect"]
    if contrast["kind"] == "identity":
        return f"at most {effect:.3g}"
    if contrast["kind"] == "spearman":
        return {"positive": f"above {effect:+g}", "negative": f"below {-effect:+g}"}.get(expected, f"0 ± {effect:g}")
    if contrast["kind"] == "offset":
        target = f"{contrast['target']:+g}"
        beyond = {"positive": f"above {target}, by more than {effect:g}"}
        beyond |= {"negative": f"below {target}, by more than {effect:g}"}
        return beyond.get(expected, f"{target} ± {effect:g}")
    log = quantity(sides(contrast)[0], studies).scale == "log" and contrast["kind"] != "argmin"
    size = f"a factor of {exp(effect):.3g}" if log else f"{effect:g}"
    more, less = ("larger", "smaller") if log else ("higher", "lower")
    return {
        "positive": f"{more} by more than {size}",
        "negative": f"{less} by more than {size}",
        "no larger": f"{more} by less than {size}, or not at all",
        "no smaller": f"{less} by less than {size}, or not at all",
        "zero": f"alike to within {size}",
    }[expected]


def _signed(effect):
    # Two decimals, or as many as show the effect to two digits; + 0.0 turns -0.0 into 0.0.
    digits = max(2, 1 - floor(log10(effect)))
    return lambda value: f"{round(value, digits) + 0.0:+.{digits}f}"


def _factor(log_ratio):
    return f"{exp(min(abs(log_ratio), 700)):.3g}", f"times {'smaller' if log_ratio < 0 else 'larger'}"


def _apart(difference):
    return f"{abs(difference):.3g}", "lower" if difference < 0 else "higher"


def _once(said, word):
    if _same(said):
        return f"the same {word}"
    return f"{said[0]} {said[1]} {word}" if said[1].startswith("times") else f"{word} {said[1]} by {said[0]}"


def _same(said):
    return said[0] == ("1" if said[1].startswith("times") else "0")


def _interval(low, high):
    if "nan" in (low[0], high[0]):
        return MISSING
    if low[1] != high[1]:
        return f"{' '.join(low)} to {' '.join(high)}"
    smaller, larger = sorted((low, high), key=lambda said: float(said[0]))
    if _same(larger):
        return "the same"
    return " ".join(larger) if smaller == larger else f"{smaller[0]} to {' '.join(larger)}"


def _term(contrast, side, studies):
    whole = {**contrast, **side}
    differs = ", ".join(f"{key}={text(value)}" for key, value in side.items() if key != "quantity")
    scale = "log " if quantity(whole, studies).scale == "log" else ""
    return scale + whole["quantity"] + (f" ({differs})" if differs else "")
