"""The declaration of the toy paper."""

from featurelearning.evidence.studies import Paper, Quantity, Study
from featurelearning.training.names import NAMES

PAPER = Paper("toy", "T", "A toss", "this repository, tests/toy", "Linear networks are fitted to a coordinate.")
TOSS = Study(
    "toss",
    PAPER.name,
    "the pace of tempered descent",
    "this repository, tests/toy",
    {
        name: Quantity(*NAMES[name], scale="log", word="error", curve="step")
        for name in ("train_mse", "test_mse", "clean_mse")
    },
    loss="train_mse",
    figures={"methods": "training error of each arm"},
    training=("train_toss",),
    core_minutes=1,
)
STUDIES = (TOSS,)
