"""A hash of the code that a script runs: the script and every module of ours that it imports, directly or not.

Comments, docstrings and layout do not count, so editing them reruns nothing; see README.md, How to extend.
"""

import ast
import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

KERNELS = (".cpp",)
SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def module_file(module: str, root: Path) -> Path | None:
    """Return the file of a module below the root, or None for a module that is not ours."""
    base = root.joinpath(*module.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def imported(tree: ast.AST) -> Iterable[str]:
    """Yield the names of modules that a syntax tree may import; `from a import b` may mean a.b or a."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def without_docstrings(tree: ast.AST) -> ast.AST:
    """Return the tree with the docstrings of modules, classes and functions removed."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def without_comments(text: str) -> str:
    """Return C++ text without `//` comments, blank lines and indentation."""
    lines = (line.split("//")[0].strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def sources(files: Iterable[Path], root: Path) -> dict[Path, str]:
    """Return the normalised text of the files and, transitively, of what they import of ours."""
    found: dict[Path, str] = {}
    waiting = list(files)
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        if path.suffix != ".py":  # a kernel in another language, of the same name as the module that compiles it
            found[path] = without_comments(path.read_text(encoding="utf-8"))
            continue
        waiting += (other for other in path.parent.glob(f"{path.stem}.*") if other.suffix in KERNELS)
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        waiting += filter(None, (module_file(name, root) for name in imported(tree)))
        found[path] = ast.unparse(without_docstrings(tree))
    return found


@functools.cache
def fingerprint(*names: str, root: Path = SCRIPTS) -> str:
    """Return 16 hexadecimal digits for scripts (`train_ood.py`) and modules that they load by name, below the root."""
    texts = sources([root / name for name in names], root)
    digest = hashlib.sha256()
    for path in sorted(texts):
        digest.update(f"{path.relative_to(root).as_posix()}\n{texts[path]}\n".encode())
    return digest.hexdigest()[:16]
