"""The methods that there are: a module of scripts/featurelearning/optimizers each, read without importing torch."""

import ast
import importlib
import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "scripts" / "featurelearning" / "optimizers"
BY_COVARIANCE = "sigma_power"  # its preconditioner is a power of a covariance: an arm per estimator and exponent
LABEL = re.compile(r"^LABEL = (.+)$", re.MULTILINE)  # how figures name a method: a change of it draws them again
CLASS = re.compile(r'^CLASS = "(\w+)"$', re.MULTILINE)
Range = tuple[float | None, float | None]  # the least and the largest value allowed; None: no bound


def declared(path: Path) -> dict[str, Range] | None:
    """Return what an optimiser's module says in HYPERPARAMETERS, a range by name, or None for one that is no optimiser.

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
    return ranges(path, given[0]) if given else {}


def ranges(path: Path, given: ast.expr) -> dict[str, Range]:
    """Return the ranges of a declaration; raises ValueError, naming the file, where it is written in another way."""
    try:
        found = ast.literal_eval(given)
        return {str(name): (least, most) for name, (least, most) in found.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: HYPERPARAMETERS = {ast.unparse(given)}; allowed: the least and the largest value of each name, "
            'None for no bound, in plain numbers; write for example HYPERPARAMETERS = {"rho": (0, None)}'
        ) from error


def faults(method: str, given: Mapping) -> list[str]:
    """Return a line for each fault that a method with a CLASS finds in its hyper-parameters; that imports torch.

    Where Snakemake runs without it, in an environment of its own, the job finds them.
    """
    if importlib.util.find_spec("torch") is None:
        return []
    return importlib.import_module(f"featurelearning.optimizers.{method}").faults(given)


FOUND = {path.stem: declared(path) for path in sorted(FOLDER.glob("*.py"))}
TEXTS = {name: (FOLDER / f"{name}.py").read_text("utf-8") for name in FOUND}
LABELS = {name: found[1] for name, text in TEXTS.items() if (found := LABEL.search(text))}
# The hyper-parameter that names a class, of the methods that run one: whatever else they are given are its arguments.
CLASSES = {name: found[1] for name, text in TEXTS.items() if (found := CLASS.search(text))}
HYPERPARAMETERS = {name: found for name, found in FOUND.items() if found is not None}
