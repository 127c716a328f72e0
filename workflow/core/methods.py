"""The methods that there are: a module of scripts/featurelearning/optimizers each, read without importing torch."""

import ast
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "scripts" / "featurelearning" / "optimizers"
BY_COVARIANCE = "sigma_power"  # its preconditioner is a power of a covariance: an arm per estimator and exponent


def declared(path: Path) -> tuple[str, ...] | None:
    """Return the names in HYPERPARAMETERS of an optimiser's module, or None for a module that is no optimiser.

    A module may import them, and its function `update`, from another one beside it.
    """
    body = ast.parse(path.read_text(encoding="utf-8"), str(path)).body
    imports = [node for node in body if isinstance(node, ast.ImportFrom)]
    imported = {alias.name: node.module.split(".")[-1] for node in imports for alias in node.names}
    if "update" not in {node.name for node in body if isinstance(node, ast.FunctionDef)} | set(imported):
        return None
    if "HYPERPARAMETERS" in imported:
        return declared(path.with_name(f"{imported['HYPERPARAMETERS']}.py"))
    constants = [node for node in body if isinstance(node, ast.Assign)]
    given = [node.value for node in constants if ast.unparse(node.targets[0]) == "HYPERPARAMETERS"]
    return tuple(ast.literal_eval(given[0])) if given else ()


FOUND = {path.stem: declared(path) for path in sorted(FOLDER.glob("*.py"))}
HYPERPARAMETERS = {name: names for name, names in FOUND.items() if names is not None}
