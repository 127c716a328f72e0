"""The configuration: what every key may hold, checked as a whole before any job starts.

The keys of the run stand here; each paper's room adds its own sections, as a subclass of Run with the name of its
paper in `workflow/<paper>/configuration.py`.
"""

import functools
import importlib
import inspect
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import pydantic
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from featurelearning.files import places
from workflow.core import checks, files, messages

ROOT = Path(__file__).resolve().parents[2]
README = "config/README.md explains every key"

Integer = Annotated[int, BeforeValidator(checks.no_flag), BeforeValidator(checks.integer)]
Real = Annotated[float, BeforeValidator(checks.no_flag)]  # reads '1e-6' too, which YAML 1.1 takes for text
Flag = Annotated[bool, Field(strict=True), BeforeValidator(checks.plain)]
Place = Annotated[str, Field(min_length=1)]  # a folder, which is expanded where a job runs
Folder = Annotated[Place, AfterValidator(places.expanded)]  # ~ and $VARIABLES are expanded, once for all jobs
Count = Annotated[Integer, Field(ge=1)]
Index = Annotated[Integer, Field(ge=0)]
Positive = Annotated[Real, Field(gt=0)]
NonNegative = Annotated[Real, Field(ge=0)]
Exponents = Annotated[
    tuple[Annotated[Real, AfterValidator(checks.two_decimals)], ...], AfterValidator(checks.ascending)
]
Only = Annotated[
    Annotated[tuple[str, ...], AfterValidator(checks.once)] | None, BeforeValidator(checks.plain)
]  # names of entries, see checks.named
TuningSeeds = Annotated[tuple[Annotated[Integer, Field(ge=1000)], ...], AfterValidator(checks.ascending)]


class ConfigError(ValueError):
    """One message with a line for every fault: key, value, what is allowed, how to mend it."""


class Section(pydantic.BaseModel):
    """A frozen section of the configuration that refuses unknown keys."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @pydantic.field_validator("*")
    @classmethod
    def remember(cls, value: Any, info: ValidationInfo) -> Any:
        # Key by key, so that one fault in a section does not keep the rules of later sections from being checked.
        section = "" if issubclass(cls, Run) else re.sub(r"(?<=.)([A-Z])", r"_\1", cls.__name__).lower() + "."
        info.context[section + info.field_name] = value
        return value


class Run(Section):
    """The keys of the run, which every paper has."""

    papers: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(checks.once)]
    master_seed: Index
    seeds: Annotated[Integer, Field(ge=2, le=10000)]  # an interval needs two; file names carry four digits
    seeds_per_shard: Count
    device: Literal["auto", "cpu", "cuda"]
    threads: Count
    compile: Flag
    compile_cache: Place
    data_cache: Folder
    checkpoint_minutes: Annotated[Real, Field(ge=0.01)]
    records: Annotated[Integer, Field(ge=2)]
    exponents: Annotated[Exponents, Field(min_length=2)]

    def image_folders(self) -> dict[str, tuple[str, str | None]]:
        """Return for sets of images the key that may name a folder with their files, and the folder or None.

        A paper that has such keys adds them to those of the others.
        """
        return {}


def rooms() -> list[str]:
    """Return the papers that there are: the folders of workflow/ with a configuration of their own."""
    found = Path(__file__).parents[1].glob("*/configuration.py")
    return sorted(path.parent.name for path in found if path.parent.name != "core")


def default() -> dict:
    """Return the configuration that comes with the workflow: config.yaml and the file of each of its papers."""
    config = read("config")
    for paper in config["papers"]:
        config |= read(paper)
    return config


@functools.cache
def examples() -> dict:
    """Return the same, read once: messages show the default of a key."""
    return default()


def read(name: str) -> dict:
    """Return what a file of config/ holds; raises ConfigError with a line for every fault of the file."""
    value, faults = files.section(ROOT / "config" / f"{name}.yaml")
    if faults:
        raise refusal(faults)
    return value


def check(paths: Iterable[Path], others: Iterable[str] = ()) -> None:
    """Raise ConfigError with a line for every fault of files of configuration, behind those that were found before."""
    if found := [*others, *(fault for path in paths for fault in files.section(path)[1])]:
        raise refusal(found)


def own_files() -> list[Path]:
    """Return the files of the defaults: config.yaml, and that of each paper that has one."""
    found = [ROOT / "config" / f"{name}.yaml" for name in ("config", *rooms())]
    return [path for path in found if path.exists()]


@functools.cache
def model(papers: tuple[str, ...]) -> type[Run]:
    """Return the model of a configuration of some papers: the keys of the run, then the sections of each paper.

    Raises ConfigError for a key that two of them declare: the second would silently replace the first.
    """
    bases = [getattr(importlib.import_module(f"workflow.{paper}.configuration"), paper.title()) for paper in papers]
    owners = {name: ["the run"] for name in Run.model_fields}
    for paper, base in zip(papers, bases, strict=True):
        for name in inspect.get_annotations(base):
            owners.setdefault(name, []).append(paper)
    if twice := {name: found for name, found in owners.items() if len(found) > 1}:
        told = (
            f"{name}: declared by {' and by '.join(found)}; allowed: a key of one owner"
            for name, found in twice.items()
        )
        raise refusal([f"{each}; rename it in one workflow/PAPER/configuration.py" for each in told])
    return pydantic.create_model("Config", __base__=(*reversed(bases), Run) if bases else Run)


def keys(section: type[Section], prefix: str = "") -> list[str]:
    """Return every key in dotted form; `*` stands for a name that the user chooses."""
    found = []
    for name, field in section.model_fields.items():
        found.append(prefix + name)
        for inner in sections(field.annotation):
            found += keys(inner, f"{prefix}{name}." + "*." * (inner is not field.annotation))
    return found


def sections(annotation: Any) -> list[type[Section]]:
    """Return the sections that a key may hold, itself or by names."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for part in get_args(annotation) for section in sections(part)]


def validate(config: dict) -> Run:
    """Return the configuration with every value checked and converted; nothing else makes one.

    Raises ConfigError that names every faulty key, one a line.
    """
    shape = model(papers(config))
    try:
        return shape.model_validate(config, context={})
    except pydantic.ValidationError as error:
        known, given = keys(shape), examples()
        raise refusal([line for fault in error.errors() for line in messages.lines(fault, known, given)]) from None


def papers(config: dict) -> tuple[str, ...]:
    """Return the papers that a configuration names, each once; raises ConfigError for what is no list of them."""
    if not isinstance(config, dict):
        raise refusal([f"config: {messages.shown(config)} given; allowed: a section of keys; {README}"])
    named, there = config.get("papers"), rooms()
    if not isinstance(named, list | tuple) or not named or any(paper not in there for paper in named):
        given = f"{messages.shown(named)} given" if "papers" in config else "missing"
        raise refusal([f"papers: {given}; allowed: a list of {', '.join(there)}; write {messages.shown(there)}"])
    return tuple(dict.fromkeys(named))


def refusal(problems: list[str]) -> ConfigError:
    """Return the error that tells of some problems, a line each."""
    count = "1 fault" if len(problems) == 1 else f"{len(problems)} faults"
    return ConfigError("\n".join([f"{count} in the configuration; {README}:", *problems]))
