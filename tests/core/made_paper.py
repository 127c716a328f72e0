"""A made paper for the tests of the claims engine: studies, quantities and claims that are nobody's."""

from featurelearning.evidence import claim_schema
from featurelearning.evidence.studies import Paper, Quantity, Study

PAPER = Paper("toy", "T0", "A toy", "nobody 2000", "Nothing is done.")
QUANTITIES = {
    "loss": Quantity("loss", scale="log", word="loss", curve="epoch"),
    "error": Quantity("error", scale="log", word="error", curve="epoch"),
    "weight": Quantity("weight", scale="log", word="weight", labels=("mode",), alike="eigenvalue"),
    "score": Quantity("score", scale="linear", measure="score", word="score"),
    "waiting": Quantity("epochs until it is fitted", scale="log", word="time", reached="was_fitted"),
    "chosen": Quantity("score of the chosen p", scale="linear", measure="score", of="score", at={"p": "chosen_p"}),
    "chosen_p": Quantity("p that was chosen"),
    "was_fitted": Quantity("whether it was fitted"),
}
SWEEP = Study(
    "sweep",
    "toy",
    "sweep",
    "nobody 2000",
    QUANTITIES,
    case="task",
    averaged=("level",),
    loss="loss",
    figures={"curve": "a curve"},
)
PROOFS = Study(
    "proofs",
    "toy",
    "proofs",
    "nobody 2000",
    {
        "gap": Quantity("gap", scale="tolerance", labels=("lemma",)),
        "slope": Quantity("slope", scale="linear", measure="slope", word="slope", curve="time", labels=("side",)),
        "length": Quantity("length", scale="log", word="length", labels=("side",)),
    },
    arms=False,
    figures={"proof": "a proof"},
)
AGAIN = SWEEP._replace(name="again", figures={})
STUDIES = (SWEEP, PROOFS, AGAIN)
RULES = claim_schema.Rules({study.name: study for study in STUDIES}, ("adam", "sgd", "sigma_power"), "sigma_power")

GRID = {"method": "sigma_power", "estimator": "population"}
FAMILIES = [
    {
        "family": "T",
        "reference": "nobody 2000",
        "figure": "curve",
        "smallest_effect": {"log": 1.1},
        "contrast": {"kind": "difference", "study": "sweep", "quantity": "error"},
        "claims": [
            {
                "id": "T-difference",
                "statement": "One is smaller.",
                "expected": "negative",
                "contrast": {"task": "easy", "a": {"method": "adam"}, "b": {"method": "sgd"}},
            },
            {
                "id": "T-order",
                "statement": "It falls.",
                "expected": "negative",
                "smallest_effect": 0.5,
                "contrast": {"kind": "spearman", "task": "easy", **GRID},
            },
            {
                "id": "T-argmin",
                "statement": "It moves.",
                "expected": "positive",
                "smallest_effect": 0.5,
                "contrast": {"kind": "argmin", **GRID, "a": {"task": "easy"}, "b": {"task": "hard"}},
            },
        ],
    },
    {
        "family": "U",
        "reference": "nobody 2000",
        "figure": "proof",
        "claims": [
            {
                "id": "U-identity",
                "statement": "It holds.",
                "tolerance": 1e-10,
                "contrast": {"kind": "identity", "study": "proofs", "quantity": "gap", "lemma": "first"},
            },
            {
                "id": "U-offset",
                "statement": "It is one.",
                "expected": "zero",
                "smallest_effect": 0.25,
                "contrast": {"kind": "offset", "study": "proofs", "quantity": "slope", "side": "left", "target": 1},
            },
            {
                "id": "U-margin",
                "statement": "It is hardly longer.",
                "expected": "no larger",
                "margin": {"log": 1.5},
                "contrast": {
                    "kind": "noninferiority",
                    "study": "proofs",
                    "quantity": "length",
                    "a": {"side": "left"},
                    "b": {"side": "right"},
                },
            },
        ],
    },
]
CLAIMS, FAULTS = claim_schema.checked(FAMILIES, RULES)
