"""What the shared floors know of a paper and of a study: one declaration each, free of imports that take time.

A paper declares its studies in `featurelearning/<paper>/studies.py`, as PAPER and STUDIES. Attributes of files, what a
claim may say, the list of figures, the categories of the report, the rules that get a GPU, the targets of `make` and
the states of a run are derived from them.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Quantity(NamedTuple):
    """A quantity of a study's aggregated file.

    scale: how a contrast takes it, `log` for errors and energies, `linear` for what is compared as it is; empty: it is
    recorded, and no claim compares it. measure: what a difference of it is called; a log-ratio on a log scale. curve:
    it has a value at each recorded step. labels: the labels that a claim has to choose, beside those of the study.
    """

    long_name: str
    unit: str = "1"
    scale: str = ""
    measure: str = "log-ratio"
    curve: bool = False
    labels: tuple[str, ...] = ()


class Study(NamedTuple):
    """A study: its aggregated file, and all that is derived from it.

    coordinates: long name and unit of those that no other study has. case: the coordinate that is its case, which a
    claim has to choose. averaged: coordinates that a contrast averages over where a claim chooses none. arms: whether
    its models are arms. figures, tables: what each shows, by name. training: its rules that train. core_minutes: what
    it took on one core of a laptop at its full size, for `make list` before there are files that say so.
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
    figures: Mapping[str, str] = {}
    tables: Mapping[str, str] = {}
    training: tuple[str, ...] = ()
    core_minutes: float = 1

    def names(self) -> dict[str, tuple[str, str]]:
        """Return the long name and unit of every variable and coordinate that the study declares."""
        return {**self.coordinates, **{name: quantity[:2] for name, quantity in self.quantities.items()}}


class Paper(NamedTuple):
    """A paper: the name of its rooms, its short sign, title and reference, and what is done with it in a sentence."""

    name: str
    sign: str
    title: str
    reference: str
    about: str
