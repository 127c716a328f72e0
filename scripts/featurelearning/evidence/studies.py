"""What the shared floors know of a paper and of a study: one declaration each, free of imports that take time.

A paper declares its studies in `featurelearning/<paper>/studies.py`, as PAPER and STUDIES. Attributes of files, what a
claim may say, the list of figures, the categories of the report, the rules that get a GPU, the targets of `make` and
the states of a run are derived from them.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Quantity(NamedTuple):
    """A quantity of a study's aggregated file.

    scale: how a contrast takes it, `log` for errors and energies, `linear` for what is compared as it is, `tolerance`
    for deviations that an identity holds against a tolerance; empty: it is recorded, and no claim compares it.
    measure: what a difference of it is called. word: what a reader calls it. curve: the dimension that it is recorded
    along while something runs; a claim reads its end. labels: the dimensions at which a claim has to choose, beside the
    case of the study.
    alike: a coordinate of the label; places where it is equal are defined only up to a rotation among themselves, so
    that a claim reads their mean. of, at: it is the quantity `of` of the arm whose coordinates have the values of these
    variables of the file, {coordinate: variable}; so a claim can name an arm that the run itself has chosen.
    reached: a variable that is 0 where a count was never reached and is the number of steps run, a lower bound.

    Along the label of a quantity with a tolerance may lie the coordinates `kind` and `bound`: where `kind` is `control`
    the deviation has to be at least `bound`, or the comparison sees nothing.
    """

    long_name: str
    unit: str = "1"
    scale: str = ""
    measure: str = "log-ratio"
    word: str = "value"
    curve: str = ""
    labels: tuple[str, ...] = ()
    alike: str = ""
    of: str = ""
    at: Mapping[str, str] = {}
    reached: str = ""


class Study(NamedTuple):
    """A study: its aggregated file, and all that is derived from it.

    coordinates: long name and unit of those that no other study has. case: the coordinate that is its case, which a
    claim has to choose. averaged: coordinates that a contrast averages over where a claim chooses none. arms: whether
    its models are arms. loss: the quantity that training makes smaller; where it does not fall, a model has learned
    nothing. figures, tables: what each shows, by name. training: its rules that train. core_minutes: an estimate of
    what it takes at full size on one core, not measured alone, for `make list` before there are files that say so.
    """

    name: str
    paper: str
    title: str
    reference: str
    quantities: Mapping[str, Quantity] = {}
    coordinates: Mapping[str, tuple[str, str]] = {}
    case: str | None = None
    averaged: tuple[str, ...] = ()
    arms: bool = True
    loss: str | None = None
    figures: Mapping[str, str] = {}
    tables: Mapping[str, str] = {}
    training: tuple[str, ...] = ()
    core_minutes: float = 1

    def names(self) -> dict[str, tuple[str, str]]:
        """Return the long name and unit of every variable and coordinate that the study declares."""
        return {**self.coordinates, **{name: quantity[:2] for name, quantity in self.quantities.items()}}

    def places(self) -> tuple[str, ...]:
        """Return the coordinates that choose a cell of an arm: its case, and those that contrasts average over."""
        return (*([self.case] if self.case else []), *self.averaged)

    def comparable(self, *scales: str) -> tuple[str, ...]:
        """Return the names of the quantities of some scales."""
        return tuple(name for name, quantity in self.quantities.items() if quantity.scale in scales)


class Paper(NamedTuple):
    """A paper: the name of its rooms, its short sign, title and reference, and what is done with it in a sentence."""

    name: str
    sign: str
    title: str
    reference: str
    about: str
