"""The configuration: what every key may hold, checked as a whole before any job starts."""

import re
from typing import Annotated, Any, Literal, get_args

import pydantic
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

import model_messages
import model_rules as rules

Integer = Annotated[int, BeforeValidator(rules.no_flag)]
Real = Annotated[float, BeforeValidator(rules.no_flag)]  # reads '1e-6' too, which YAML 1.1 takes for text
Flag = Annotated[bool, Field(strict=True), BeforeValidator(rules.plain)]
Place = Annotated[str, Field(min_length=1)]
Count = Annotated[Integer, Field(ge=1)]
Index = Annotated[Integer, Field(ge=0)]
Positive = Annotated[Real, Field(gt=0)]
NonNegative = Annotated[Real, Field(ge=0)]
Exponents = Annotated[tuple[Annotated[Real, AfterValidator(rules.two_decimals)], ...], AfterValidator(rules.ascending)]
Snr = Annotated[Positive, AfterValidator(rules.two_decimals)]
Snrs = Annotated[tuple[Snr, ...], AfterValidator(rules.ascending)]
TuningSeeds = Annotated[tuple[Annotated[Integer, Field(ge=1000)], ...], AfterValidator(rules.ascending)]
CaseName = Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9]*$")]
Estimator = Literal["population", "empirical", "ledoit_wolf", "oas"]
Methods = dict[str, dict[str, Any]]  # of names that the optimisers' modules give: the rules check them
Fetched = Literal["fashion_mnist", "cifar10", "svhn"]
ImageSet = Literal["mnist", Fetched]
Pair = Annotated[tuple[ImageSet, ImageSet], AfterValidator(rules.transferable)]


class ConfigError(ValueError):
    """One message with a line for every fault: key, value, what is allowed, how to mend it."""


class Section(pydantic.BaseModel):
    """A frozen section of the configuration that refuses unknown keys."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @pydantic.field_validator("*")
    @classmethod
    def remember(cls, value: Any, info: ValidationInfo) -> Any:
        # Key by key, so that one fault in a section does not keep the rules of later sections from being checked.
        section = "" if cls is Config else re.sub(r"(?<=.)([A-Z])", r"_\1", cls.__name__).lower() + "."
        info.context[section + info.field_name] = value
        return value


class Case(Section):
    """A spectrum of the inputs, and the teacher's direction before and after transfer."""

    eigenvalues: Annotated[tuple[Real, ...], Field(min_length=2), AfterValidator(rules.spectrum)]
    teacher_direction: Annotated[Index, AfterValidator(rules.direction)]
    target_direction: Annotated[Index, AfterValidator(rules.direction)]


class SingleIndex(Section):
    """The synthetic task."""

    samples_train: Annotated[Integer, Field(ge=20)]
    samples_test: Count
    hidden: Count
    link_sharpness: Positive
    initial_scale: Positive
    learning_rate: Positive
    steps: Count
    weight_decay: NonNegative
    cases: Annotated[dict[CaseName, Case], Field(min_length=1), AfterValidator(rules.dimension)]


class Noise(Section):
    """Study 1: robustness to label noise; `estimators` and `methods` hold those that have an SNR at all."""

    snrs: Annotated[Snrs, Field(min_length=1)]
    estimators: Annotated[dict[Estimator, Snrs], AfterValidator(rules.planned)]
    methods: Annotated[Methods, AfterValidator(rules.planned_methods)]


class Variant(Section):
    """What a variant of the noise study changes; `scale` normalises P to trace d."""

    samples_train: Annotated[Integer, Field(ge=2)] | None = None
    hidden: Count | None = None
    learning_rate: Positive | None = None
    precision: Literal["float32", "float64"] | None = None
    scale: Literal["trace"] | None = None

    def changes(self) -> dict[str, Any]:
        """Return the values that are given."""
        return {key: value for key, value in self.model_dump().items() if value is not None}


class TeacherCase(Section):
    """A case of the study of teachers; the keys of `teacher` beside `kind` are the parameters of that kind."""

    eigenvalues: Annotated[
        tuple[Real, ...], Field(min_length=2), BeforeValidator(rules.power_law), AfterValidator(rules.spectrum)
    ]
    teacher: Annotated[dict[str, Any], AfterValidator(rules.teacher)]


class Teachers(Section):
    """Study 6: teachers beyond the single index, the population arms at one SNR."""

    snr: Snr
    cases: Annotated[
        dict[CaseName, Annotated[TeacherCase | None, BeforeValidator(rules.plain)]], AfterValidator(rules.other_cases)
    ]


class Firmness(Section):
    """How firm the verdicts of the noise study are: the population arms at one SNR, a setting changed at a time."""

    snr: Annotated[Snr, AfterValidator(rules.trained)]
    variants: Annotated[
        dict[CaseName, Annotated[Variant | None, BeforeValidator(rules.plain)]], AfterValidator(rules.given)
    ]


class Transfer(Section):
    """Study 2: forward transfer."""

    snr: Annotated[Snr, AfterValidator(rules.trained)]
    ridge: Positive


class Ood(Section):
    """Study 3: out-of-distribution MNIST."""

    folder: Annotated[Place | None, BeforeValidator(rules.plain)]
    samples_train: Count
    samples_validation: Annotated[Count, AfterValidator(rules.images)]
    hidden: Count
    steps: Count
    weight_decay: NonNegative
    pattern_scale: NonNegative
    covariance_ridge: Annotated[Positive, AfterValidator(rules.conditioned)]
    tuning_seeds: Annotated[TuningSeeds, Field(min_length=1), AfterValidator(rules.apart)]
    methods: Annotated[Methods, AfterValidator(rules.tuned_methods)]


class Theory(Section):
    """Study 4: checks of the theory, under the conditions that they are stated for."""

    dimension: Annotated[Integer, Field(ge=2)]
    samples_train: Annotated[Count, AfterValidator(rules.full_rank)]
    samples_test: Count
    hidden: Count
    steps: Annotated[Integer, Field(ge=1000)]
    learning_rate: Positive
    condition_number: Annotated[Real, Field(ge=100)]


class RealData(Section):
    """Study 7: transfer between real data sets; no pairs, no study."""

    pairs: Annotated[tuple[Pair, ...], AfterValidator(rules.once)]
    folders: dict[Fetched, Place]
    samples_train: Count
    samples_validation: Annotated[Count, AfterValidator(rules.source_images)]
    samples_target: Annotated[Count, AfterValidator(rules.target_images)]
    hidden: Count
    steps: Count
    weight_decay: NonNegative
    covariance_ridge: Annotated[Positive, AfterValidator(rules.conditioned_pairs)]
    ridge: Positive
    tuning_seeds: Annotated[TuningSeeds, Field(min_length=1), AfterValidator(rules.apart)]
    learning_rates: Annotated[tuple[Positive, ...], Field(min_length=1), AfterValidator(rules.ascending)]


class Config(Section):
    """The whole configuration."""

    master_seed: Index
    seeds: Annotated[Integer, Field(ge=2, le=10000)]  # an interval needs two; file names carry four digits
    seeds_per_shard: Count
    device: Literal["auto", "cpu", "cuda"]
    threads: Count
    compile: Flag
    compile_cache: Place
    data_cache: Place
    checkpoint_minutes: Annotated[Real, Field(ge=0.01)]
    records: Annotated[Integer, Field(ge=2)]
    exponents: Annotated[Exponents, Field(min_length=2)]
    single_index: SingleIndex
    noise: Noise
    transfer: Transfer
    firmness: Firmness
    teachers: Teachers
    ood: Ood
    theory: Theory
    real: RealData


def keys(model: type[Section] = Config, prefix: str = "") -> list[str]:
    """Return every key in dotted form; `*` stands for a name that the user chooses."""
    found = []
    for name, field in model.model_fields.items():
        found.append(prefix + name)
        for inner in sections(field.annotation):
            found += keys(inner, f"{prefix}{name}." + "*." * (inner is not field.annotation))
    return found


def sections(annotation: Any) -> list[type[Section]]:
    """Return the sections that a key may hold, itself or by names."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for part in get_args(annotation) for section in sections(part)]


def validate(config: dict) -> Config:
    """Return the configuration with every value checked and converted; nothing else makes a Config.

    Raises ConfigError that names every faulty key, one a line.
    """
    try:
        return Config.model_validate(config, context={})
    except pydantic.ValidationError as error:
        problems = [line for fault in error.errors() for line in model_messages.lines(fault, keys())]
    count = "1 fault" if len(problems) == 1 else f"{len(problems)} faults"
    raise ConfigError("\n".join([f"{count} in the configuration; config/README.md explains every key:", *problems]))
