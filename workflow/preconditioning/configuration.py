"""P1's sections of the configuration."""

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field

from featurelearning.files.sets import SETS
from workflow.core import checks as core
from workflow.core.configuration import (
    Count,
    Folder,
    Index,
    Integer,
    NonNegative,
    Only,
    Positive,
    Real,
    Run,
    Section,
    TuningSeeds,
)
from workflow.preconditioning import checks

Snr = Annotated[Positive, AfterValidator(core.two_decimals)]
Snrs = Annotated[tuple[Snr, ...], AfterValidator(core.ascending)]
CaseName = Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9]*$")]
Estimator = Literal["population", "empirical", "ledoit_wolf", "oas"]
Methods = dict[str, dict[str, Any]]  # of names that the optimisers' modules give: the rules check them
ImageSet = Literal[tuple(SETS)]
Fetched = Literal[tuple(name for name in SETS if name != "mnist")]  # MNIST's folder is ood.folder
Pair = Annotated[tuple[ImageSet, ImageSet], AfterValidator(checks.transferable)]


class Case(Section):
    """A spectrum of the inputs, and the teacher's direction before and after transfer."""

    eigenvalues: Annotated[tuple[Real, ...], Field(min_length=2), AfterValidator(checks.spectrum)]
    teacher_direction: Annotated[Index, AfterValidator(checks.direction)]
    target_direction: Annotated[Index, AfterValidator(checks.direction)]


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
    cases: Annotated[dict[CaseName, Case], Field(min_length=1), AfterValidator(checks.dimension)]


class Noise(Section):
    """Study 1: robustness to label noise; `estimators` and `methods` hold those that have an SNR at all."""

    snrs: Annotated[Snrs, Field(min_length=1)]
    estimators: Annotated[dict[Estimator, Snrs], AfterValidator(checks.planned)]
    only: Only = None
    methods: Annotated[Methods, AfterValidator(core.named), AfterValidator(checks.planned_methods)]


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
        tuple[Real, ...], Field(min_length=2), BeforeValidator(checks.power_law), AfterValidator(checks.spectrum)
    ]
    teacher: Annotated[dict[str, Any], AfterValidator(checks.teacher)]


class Teachers(Section):
    """Study 6: teachers beyond the single index, the population arms at one SNR."""

    snr: Snr
    only: Only = None
    cases: Annotated[
        dict[CaseName, Annotated[TeacherCase | None, BeforeValidator(core.plain)]],
        AfterValidator(core.named),
        AfterValidator(checks.other_cases),
    ]


class Firmness(Section):
    """How firm the verdicts of the noise study are: the population arms at one SNR, a setting changed at a time."""

    snr: Annotated[Snr, AfterValidator(checks.trained)]
    only: Only = None
    variants: Annotated[
        dict[CaseName, Annotated[Variant | None, BeforeValidator(core.plain)]],
        AfterValidator(core.named),
        AfterValidator(checks.variants),
    ]


class Transfer(Section):
    """Study 2: forward transfer."""

    snr: Annotated[Snr, AfterValidator(checks.trained)]
    ridge: Positive


class Ood(Section):
    """Study 3: out-of-distribution MNIST."""

    folder: Annotated[Folder | None, BeforeValidator(core.plain)]
    samples_train: Count
    samples_validation: Annotated[Count, AfterValidator(checks.images)]
    hidden: Count
    steps: Count
    weight_decay: NonNegative
    pattern_scale: NonNegative
    covariance_ridge: Annotated[Positive, AfterValidator(checks.conditioned)]
    tuning_seeds: Annotated[TuningSeeds, Field(min_length=1), AfterValidator(core.apart)]
    only: Only = None
    methods: Annotated[Methods, AfterValidator(core.named), AfterValidator(checks.tuned_methods)]


class Theory(Section):
    """Study 4: checks of the theory, under the conditions that they are stated for."""

    dimension: Annotated[Integer, Field(ge=2)]
    samples_train: Annotated[Count, AfterValidator(checks.full_rank)]
    samples_test: Count
    hidden: Count
    steps: Annotated[Integer, Field(ge=1000)]
    learning_rate: Positive
    condition_number: Annotated[Real, Field(ge=100)]
    only: Only = None
    methods: Annotated[Methods, AfterValidator(core.named), AfterValidator(checks.measured_methods)]


class RealData(Section):
    """Study 7: transfer between real data sets; no pairs, no study."""

    pairs: Annotated[tuple[Pair, ...], AfterValidator(core.once)]
    folders: Annotated[dict[Fetched, Annotated[Folder | None, BeforeValidator(core.plain)]], AfterValidator(core.given)]
    samples_train: Count
    samples_validation: Annotated[Count, AfterValidator(checks.source_images)]
    samples_target: Annotated[Count, AfterValidator(checks.target_images)]
    hidden: Count
    steps: Count
    weight_decay: NonNegative
    covariance_ridge: Annotated[Positive, AfterValidator(checks.conditioned_pairs)]
    ridge: Positive
    tuning_seeds: Annotated[TuningSeeds, Field(min_length=1), AfterValidator(core.apart)]
    learning_rates: Annotated[tuple[Positive, ...], Field(min_length=1), AfterValidator(core.ascending)]


class Preconditioning(Run):
    """The configuration with P1's sections."""

    single_index: SingleIndex
    noise: Noise
    transfer: Transfer
    firmness: Firmness
    teachers: Teachers
    ood: Ood
    theory: Theory
    real: RealData

    def image_folders(self) -> dict[str, tuple[str, str | None]]:
        """Return the keys and folders of the sets of images; MNIST is read by two studies."""
        others = {name: (f"real.folders.{name}", self.real.folders.get(name)) for name in get_args(Fetched)}
        return super().image_folders() | {"mnist": ("ood.folder", self.ood.folder)} | others
