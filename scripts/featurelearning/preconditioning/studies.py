"""P1's studies: their quantities, coordinates, figures and rules. See `featurelearning.evidence.studies`."""

from featurelearning.evidence.studies import Paper, Quantity, Study
from featurelearning.preconditioning.names import COORDINATES, NAMES, REFERENCE

PAPER = Paper(
    "preconditioning",
    "P1",
    "How Does Preconditioning Guide Feature Learning in Deep Neural Networks?",
    "Yoshida and Nitanda 2025, arXiv 2509.25637",
    "Two-layer networks are trained by full-batch gradient descent whose first layer is preconditioned by a power of "
    "the input covariance, P = Σᵖ, and by other optimisers; p decides which directions of the inputs they learn from.",
)


def error(name: str, curve: str = "step") -> Quantity:
    """Return a mean squared error that training records."""
    return Quantity(*NAMES[name], scale="log", word="error", curve=curve)


def accuracy(name: str) -> Quantity:
    """Return a share of images."""
    return Quantity(*NAMES[name], scale="linear", measure="accuracy", word="accuracy")


CHANGE = Quantity(*NAMES["first_layer_change"])
FLOOR = Quantity(*NAMES["noise_floor"], scale="log", word="error")
TUNED = {
    name: Quantity(*NAMES[name])
    for name in ("learning_rate", "at_grid_edge", "tuning_accuracy", "tuning_early_accuracy")
}

CURVES = {name: error(name) for name in ("train_mse", "test_mse", "clean_mse")}
FEATURES = {
    name: Quantity(*NAMES[name], scale="log", word=word, labels=("direction",), alike="eigenvalue")
    for name, word in (("feature_energy", "share of energy"), ("sensitivity", "sensitivity"))
}
SYNTHETIC = {
    **CURVES,
    "noise_floor": FLOOR,
    **FEATURES,
    "first_layer_change": CHANGE,
}

NOISE = Study(
    "noise",
    PAPER.name,
    "robustness to label noise",
    f"{REFERENCE}, experiment E1, Figure 1",
    SYNTHETIC,
    COORDINATES,
    case="case",
    averaged=("snr",),
    loss="train_mse",
    figures={
        "noise": "test error against SNR",
        "methods": "error of every method",
        "features": "feature energy and sensitivity",
    },
    training=("train_single_index",),
    core_minutes=90,
)
TRANSFER = Study(
    "transfer",
    PAPER.name,
    "forward knowledge transfer",
    f"{REFERENCE}, experiment E3",
    {
        **{name: error(name, curve="") for name in CURVES},
        "noise_floor": FLOOR,
        "unfrozen_test_mse": Quantity(*NAMES["unfrozen_test_mse"]),
        "unfrozen_diverged_at": Quantity(*NAMES["unfrozen_diverged_at"]),
    },
    {"source_case": ("case that the first layer was trained on", "1")},
    case="source_case",
    figures={"transfer": "error after transfer"},
    training=("train_single_index",),
    core_minutes=45,
)
OOD = Study(
    "ood",
    PAPER.name,
    "out-of-distribution generalisation on MNIST",
    f"{REFERENCE}, experiment E2",
    {
        "accuracy_in_distribution": accuracy("accuracy_in_distribution"),
        "accuracy_flipped_noise": accuracy("accuracy_flipped_noise"),
        "accuracy_flipped_digits": accuracy("accuracy_flipped_digits"),
        "first_layer_change": CHANGE,
        **TUNED,
        "tuning_learning_rate": Quantity(*NAMES["tuning_learning_rate"]),
    },
    {"candidate": NAMES["candidate"]},
    figures={"ood": "accuracy out of distribution"},
    training=("tune_images", "train_images"),
    core_minutes=80,
)
THEORY = Study(
    "theory",
    PAPER.name,
    "checks of the theory",
    f"{REFERENCE}, Theorems 1 and 2; checks L1, L3 and N2",
    {
        "deviation": Quantity(*NAMES["deviation"], scale="tolerance", labels=("check",)),
        "departure": Quantity(
            *NAMES["departure"],
            scale="log",
            word="departure",
            curve="step",
            labels=("preconditioner", "transformation"),
        ),
        "isotropy_error": Quantity(
            *NAMES["isotropy_error"],
            scale="log",
            word="distance",
            labels=("initialisation", "transformation", "exponent"),
        ),
        "isotropy_noise": Quantity(*NAMES["isotropy_noise"]),
        "effective_exponent": Quantity(
            *NAMES["effective_exponent"],
            scale="linear",
            measure="exponent",
            word="p",
            curve="effective_step",
            labels=("optimizer", "frame"),
        ),
        "step_exponent": Quantity(*NAMES["step_exponent"]),
        "gram_eigenvalue": Quantity(*NAMES["gram_eigenvalue"]),
        "gram_eigenvalue_population": Quantity(*NAMES["gram_eigenvalue_population"]),
        "gram_slope": Quantity(*NAMES["gram_slope"]),
        "singular_value": Quantity(*NAMES["singular_value"]),
    },
    {
        "direction": COORDINATES["direction"],
        "check": NAMES["check"],
        "kind": NAMES["kind"],
        "bound": NAMES["bound"],
        "exponent": NAMES["exponent"],
        "preconditioner": NAMES["preconditioner"],
        "transformation": NAMES["transformation"],
        "optimizer": NAMES["optimizer"],
        "frame": NAMES["frame"],
        "effective_step": NAMES["effective_step"],
        "initialisation": NAMES["initialisation"],
    },
    arms=False,
    figures={
        "spectrum": "Gram eigenvalues",
        "departure": "departure from the bottleneck",
        "effective": "power that each method acts like",
        "initial": "law of the first layer's start",
    },
    core_minutes=8,
)
FIRMNESS = NOISE._replace(
    name="firmness",
    title="stability of the verdicts of the noise study, one setting changed at a time",
    reference=REFERENCE,
    figures={},
    tables={"firmness": "stability of the verdicts"},
    core_minutes=15,
)
TEACHERS = NOISE._replace(
    name="teachers",
    title="teachers beyond the single index",
    reference=f"{REFERENCE}, checks N1 and L2",
    averaged=(),  # there is one SNR
    figures={"teachers": "best exponent for other teachers"},
    core_minutes=12,
)
REAL = Study(
    "real",
    PAPER.name,
    "transfer between real data sets",
    f"{REFERENCE}, check N3",
    {
        "accuracy_source": accuracy("accuracy_source"),
        "accuracy_target": accuracy("accuracy_target"),
        "accuracy_random": accuracy("accuracy_random"),
        "accuracy_specialised": Quantity(
            "accuracy_target of the exponent that tuning found best on the source",
            scale="linear",
            measure="accuracy",
            word="accuracy",
            # The arm that was chosen, and no copy of its values: it may have diverged, which must be seen.
            of="accuracy_target",
            at={"p": "specialised_p"},
        ),
        "specialised_p": Quantity("exponent of the best validation accuracy on the source, over the tuning seeds"),
        "first_layer_change": CHANGE,
        **TUNED,
    },
    {
        "pair": ("data sets of a transfer, source and target", "1"),
        "source_set": ("data set that the first layer was trained on", "1"),
        "target_set": ("data set that the head was refitted on", "1"),
        "rate": ("learning rate of the tuning grid", "1"),
    },
    case="pair",
    figures={"real": "transfer between real data sets"},
    training=("tune_images", "train_images"),
    core_minutes=25,
)
DIAGNOSIS = Study(
    "diagnosis",
    PAPER.name,
    "the exponent recommended before training, against the best one after it",
    REFERENCE,
    tables={"diagnosis": "diagnosis before training"},
    core_minutes=3,
)

STUDIES = (NOISE, TRANSFER, OOD, THEORY, TEACHERS, REAL, FIRMNESS, DIAGNOSIS)
