"""The parts of a claim and what each may hold; free of imports that take time."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from math import isfinite, log
from typing import Annotated, Any, NamedTuple

import pydantic
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationInfo

from featurelearning.evidence.studies import Study

CUTOFF = 0.6  # of difflib


class Rules(NamedTuple):
    """What a paper's claims are checked against: its studies, and the methods that there are (None: any).

    by_covariance: the method that is an arm for each estimator and exponent.
    """

    studies: Mapping[str, Study]
    methods: Collection[str] | None = None
    by_covariance: str = ""

    def figures(self) -> list[str]:
        """Return the names of the figures of all studies."""
        return [figure for study in self.studies.values() for figure in study.figures]


def one_of(value: Any, allowed: Iterable[str]) -> Any:
    """Return a value that is allowed; raises ValueError that lists what is, and names the nearest."""
    allowed = list(allowed)
    if value not in allowed:
        near = difflib.get_close_matches(str(value), allowed, 1, CUTOFF)
        raise ValueError(
            f"allowed: {', '.join(allowed) or 'nothing'}" + (f"; did you mean '{near[0]}'?" if near else "")
        )
    return value


def effect(value: Any) -> float:
    """Return a positive number, or {log: ratio} as a number."""
    if isinstance(value, dict) and set(value) == {"log"} and is_number(value["log"]) and value["log"] > 1:
        return log(value["log"])
    if not is_number(value) or value <= 0:
        raise ValueError("allowed: a positive number such as 0.02 or 1.0e-10 (YAML reads 1e-10 as text), or {log: 1.1}")
    return float(value)


def number(value: Any) -> Any:
    """Return a number; raises ValueError for anything else."""
    if not is_number(value):
        raise ValueError("allowed: a number such as -0.5 or 1.0e-1 (YAML reads 1e-1 as text)")
    return value


def label(value: Any) -> Any:
    """Return a label of a coordinate; raises ValueError for anything else."""
    if not is_number(value) and not (isinstance(value, str) and value):
        raise ValueError("allowed: one label, a text or a number")
    return value


def known_method(value: Any, info: ValidationInfo) -> Any:
    """Return the name of a method that there is; raises ValueError for another."""
    return value if info.context.methods is None else one_of(value, info.context.methods)


def known_arm(value: str, info: ValidationInfo) -> str:
    """Return a name that an arm may have; raises ValueError where it begins with no method's.

    An arm by covariance begins with the method without its last word: sigma_population_p+1.00 is one of sigma_power.
    """
    if info.context.methods is None:
        return value
    methods = [*info.context.methods, info.context.by_covariance.rpartition("_")[0]]
    if not any(value == method or value.startswith(f"{method}_") for method in methods):
        near = difflib.get_close_matches(value, methods, 1, CUTOFF)
        raise ValueError(
            "allowed: an arm's name, which begins with that of its method"
            + (f"; did you mean '{near[0]}'?" if near else f": {', '.join(methods)}")
        )
    return value


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number, and no flag."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


Text = Annotated[str, Field(min_length=1, strict=True)]
Effect = Annotated[float, BeforeValidator(effect)]
Number = Annotated[Any, BeforeValidator(number)]
Label = Annotated[Any, BeforeValidator(label)]
Figure = Annotated[Any, AfterValidator(lambda value, info: one_of(value, info.context.figures()))]
Arm = Annotated[Text, AfterValidator(known_arm)]
Method = Annotated[Text, AfterValidator(known_method)]


def among(allowed: Iterable[str]) -> AfterValidator:
    """Return the rule that a value is one of these."""
    return AfterValidator(lambda value: one_of(value, allowed))


class Strict(pydantic.BaseModel):
    """A frozen section that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Claim(Strict):
    """What every claim says; its contrast is checked by itself."""

    id: Text
    family: Text
    reference: Text
    statement: Text
    figure: Figure
    contrast: dict[str, Any]


class Directed(Claim):
    """A claim that the contrast has a sign, or is near zero."""

    expected: Annotated[Any, among(("negative", "positive", "zero"))]
    smallest_effect: Effect


class Bounded(Claim):
    """A claim that side a is at most a margin larger than side b, or smaller."""

    expected: Annotated[Any, among(("no larger", "no smaller"))]
    margin: Effect


class Identity(Claim):
    """A claim that a deviation is at most a tolerance."""

    tolerance: Effect


KINDS = {
    "difference": Directed,
    "spearman": Directed,
    "argmin": Directed,
    "offset": Directed,
    "noninferiority": Bounded,
    "identity": Identity,
}
