"""A hash of the code that a script runs: the script and every module of ours that it imports, directly or not.

Comments, docstrings and layout do not count, so editing them reruns nothing; see README.md, How to extend. Followed are
imports of every form, those inside functions and relative ones too, `importlib.import_module` of a literal name, the
packages above a module, the C++ of the same name as a module, and what that includes in quotes. A module that is loaded
under a name known at run time only, such as a method's, is not seen: the rule names it.
"""

import ast
import atexit
import contextlib
import functools
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from featurelearning.files import atomic

KERNELS = (".cpp",)
SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
MEMORY = SCRIPTS.parent / ".cache" / "fingerprints.json"
VERSION = sys.version + Path(__file__).read_text(encoding="utf-8")  # what decides a content besides the file itself
LOADERS = ("import_module", "__import__")
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")  # the fields of a statement that hold statements

# C++: what is kept as it is (raw strings, strings, characters, numbers, which may have ' inside), and gaps between.
LITERAL = (
    r"""(?:u8|[uUL])?R"(?P<mark>[^()\\\s]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\d(?:'?[\w.])*"""
)
COMMENT = r"//(?:\\\n|[^\n])*|/\*.*?\*/"
TOKEN = re.compile(rf"(?P<literal>{LITERAL}|[A-Za-z_]\w*)|(?P<gap>(?:\s|{COMMENT})+)", re.DOTALL)
PART = re.compile(rf"{COMMENT}|\s+", re.DOTALL)
INCLUDE = re.compile(r'^#\s*include\s*"([^"]+)"', re.MULTILINE)


class Source(NamedTuple):
    """A file's content without what does not count, and the files of ours that it uses."""

    text: str
    uses: tuple[Path, ...]


@functools.cache
def module_file(module: str, root: Path) -> Path | None:
    """Return the file of a module below the root, or None for a module that is not ours."""
    base = root.joinpath(*module.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def module_files(module: str, root: Path) -> list[Path]:
    """Return the files of ours that the import of a module runs: its own and those of the packages above it."""
    names = accumulate(module.split("."), "{}.{}".format)
    return [path for name in names if (path := module_file(name, root))]


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the tree and every statement in it, without a look into expressions."""
    yield tree
    for field in BLOCKS:
        for node in getattr(tree, field, ()):
            yield from statements(node)


def imported(tree: ast.AST, package: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the names of modules that a syntax tree of a package may import; `from a import b` may mean a.b or a."""
    for node in statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            base = ".".join([*above, *filter(None, [node.module])])
            yield from filter(None, (base, *(f"{base}.{alias.name}".strip(".") for alias in node.names)))


def loaded(tree: ast.AST, package: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the modules that a syntax tree loads by a literal name, as importlib.import_module("a.b")."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith(LOADERS):
            continue
        name = next((each.value for each in node.args[:1] if isinstance(each, ast.Constant)), None)
        if isinstance(name, str):
            level = len(name) - len(name.lstrip("."))
            above = package[: len(package) + 1 - level] if level else ()
            yield ".".join([*above, name[level:]])


def without_docstrings(tree: ast.AST) -> ast.AST:
    """Return the tree with the docstrings of modules, classes and functions removed, and the LABEL of a module.

    A label is how figures name a method: nothing is computed from it.
    """
    tree.body = [node for node in tree.body if not (isinstance(node, ast.Assign) and labels(node))]
    for node in statements(tree):
        holds = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if holds and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def labels(node: ast.Assign) -> bool:
    """Return whether an assignment is of a method's LABEL."""
    return [ast.unparse(target) for target in node.targets] == ["LABEL"]


def without_comments(text: str) -> str:
    """Return C++ text with every run of blanks and comments as one blank, or one line end if it holds one."""

    def shortened(token: re.Match) -> str:
        if token["gap"] is None:
            return token[0]
        parts = PART.findall(token[0])
        return "\n" if any("\n" in part for part in parts if part.isspace()) else " "

    return TOKEN.sub(shortened, text).strip()


def content(text: str, package: tuple[str, ...]) -> tuple[str, list[str]]:
    """Return what counts of the text of a Python file in a package, and the modules that it may import."""
    tree = ast.parse(text)
    names = [*imported(tree, package), *(loaded(tree, package) if any(name in text for name in LOADERS) else ())]
    return ast.unparse(without_docstrings(tree)), list(dict.fromkeys(names))


@functools.cache
def memory() -> tuple[dict, dict]:
    """Return the contents that earlier runs found, by the hash of all that decides them, and those that this one uses.

    The latter are kept when this run ends, for the next one: parsing takes longer than all else here.
    """
    try:
        known = json.loads(MEMORY.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none yet, or half written
        known = {}
    used = {}
    atexit.register(keep, known, used)
    return known, used


def keep(known: dict, used: dict) -> None:
    """Write the contents used if some are new; a checkout that cannot be written does without."""
    if not used.keys() <= known.keys():
        with contextlib.suppress(atomic.WriteError), atomic.whole(MEMORY) as temporary:
            temporary.write_text(json.dumps(used), encoding="utf-8")


def remembered(text: str, package: tuple[str, ...]) -> tuple[str, list[str]]:
    """Return the content of a Python file, from the memory where it is there."""
    known, used = memory()
    key = hashlib.sha256("\n".join([VERSION, *package, "", text]).encode()).hexdigest()
    used[key] = known.get(key) or content(text, package)
    return used[key]


@functools.cache
def source(path: Path, root: Path) -> Source:
    """Return what counts of a file below the root, read once in the life of this process."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":  # a kernel in another language, of the same name as the module that compiles it
        kept = without_comments(text)
        included = (Path(os.path.normpath(path.parent / name)) for name in INCLUDE.findall(kept))
        return Source(kept, tuple(file for file in included if file.is_file() and file.is_relative_to(root)))
    kept, names = (remembered if root == SCRIPTS else content)(text, path.relative_to(root).parent.parts)
    # Snakemake puts a script's own folder on the path, behind all others.
    places = ((name, place) for name in names for place in dict.fromkeys((root, path.parent)))
    uses = [file for name, place in places for file in module_files(name, place)]
    uses += (other for other in path.parent.glob(f"{path.stem}.*") if other.suffix in KERNELS)
    return Source(kept, tuple(dict.fromkeys(uses)))


def sources(files: Iterable[Path], root: Path) -> dict[Path, str]:
    """Return the normalised text of the files and, transitively, of what they use of ours."""
    found: dict[Path, str] = {}
    waiting = list(files)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path], uses = source(path, root)
            waiting += uses
    return found


@functools.cache
def fingerprint(*names: str, root: Path = SCRIPTS) -> str:
    """Return 16 hexadecimal digits for scripts (`train_ood.py`) and modules that they load by name, below the root."""
    found = sources([root / name for name in names], root)
    digest = hashlib.sha256()
    for path in sorted(found):
        digest.update(f"{path.relative_to(root).as_posix()}\n{found[path]}\n".encode())
    return digest.hexdigest()[:16]
