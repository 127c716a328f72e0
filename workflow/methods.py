"""The methods that there are: a module of scripts/featurelearning/optimizers each, read without importing torch."""

import ast
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "scripts" / "featurelearning" / "optimizers"
BY_COVARIANCE = "sigma_power"  # its preconditioner is a power of a covariance: an arm per estimator and exponent


def declared(path: Path) -> tuple[str, ...] | None:
    """Return the names in HYPERPARAMETERS of an optimiser's module, or None for a module that is no optimiser."""
    body = ast.parse(path.read_text(encoding="utf-8"), str(path)).body
    constants = {
        target.id: node.value
        for node in body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    if not any(isinstance(node, ast.FunctionDef) and node.name == "update" for node in body):
        return None
    return tuple(ast.literal_eval(constants["HYPERPARAMETERS"])) if "HYPERPARAMETERS" in constants else ()


FOUND = {path.stem: declared(path) for path in sorted(FOLDER.glob("*.py"))}
HYPERPARAMETERS = {name: names for name, names in FOUND.items() if names is not None}
