"""The code fingerprint: what changes it and what does not."""

import ast

import pytest

from workflow.core import fingerprint as module
from workflow.core.fingerprint import fingerprint, imported, loaded, module_file, source, sources, without_comments

FILES = {
    "train.py": '"""Train."""\nimport numpy\nfrom package import loop\n\nprint(loop.run())  # a comment\n',
    "plot.py": "from package.style import colour\n",
    "package/__init__.py": '"""A package."""\n',
    "package/loop.py": 'import package.deep as deep\n\n\ndef run():\n    """Run."""\n    return deep.NUMBER\n',
    "package/deep.py": "NUMBER = 1\n",
    "package/style.py": 'def colour():\n    """Colour."""\n',
    "package/optimizer.py": "RATE = 1\n",
}


@pytest.fixture
def root(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    forget()
    return tmp_path


def forget() -> None:
    """Have files read anew, as by another run."""
    for function in (fingerprint, source, module_file):
        function.cache_clear()


def changed(root, script: str, name: str, text: str, *extra: str) -> bool:
    """Return whether writing `text` to a file changes the fingerprint of a script."""
    before = fingerprint(script, *extra, root=root)
    (root / name).write_text(text)
    forget()
    return fingerprint(script, *extra, root=root) != before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("train.py", "import numpy\nfrom package import loop\nprint( loop.run() )\n"),  # comment, docstring, layout
        ("package/loop.py", "import package.deep as deep\ndef run():\n    # why\n    return deep.NUMBER\n"),
        ("package/style.py", "def colour(): return 'red'\n"),  # not imported by train.py
        ("package/__init__.py", '"""Another text."""\n'),
    ],
)
def test_unchanged(root, name, text):
    assert not changed(root, "train.py", name, text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("train.py", "from package import loop\nprint(loop.run() + 1)\n"),
        ("package/deep.py", "NUMBER = 2\n"),  # two imports away
        ("package/__init__.py", "X = 1\n"),
    ],
)
def test_changed(root, name, text):
    assert changed(root, "train.py", name, text)


def test_modules_loaded_by_name_count_when_named(root):
    assert changed(root, "train.py", "package/optimizer.py", "RATE = 2\n", "package/optimizer.py")
    assert not changed(root, "train.py", "package/optimizer.py", "RATE = 3\n")


def test_a_docstring_alone_leaves_a_valid_body(root):
    assert changed(root, "plot.py", "package/style.py", "def colour(): return 1\n")


def test_only_our_modules_are_followed(root):
    assert {path.name for path in sources([root / "train.py"], root)} == {
        "train.py",
        "__init__.py",
        "loop.py",
        "deep.py",
    }


def test_imports_of_every_form():
    tree = ast.parse("import a.b as c\nfrom d import e, f\n\ndef g():\n    from h import i\n")
    assert set(imported(tree)) == {"a.b", "d", "d.e", "d.f", "h", "h.i"}


def test_a_kernel_belongs_to_the_module_of_its_name(root):
    (root / "package/deep.cpp").write_text("int x = 1;  // why\n")
    forget()
    assert not changed(root, "train.py", "package/deep.cpp", "// another reason\n  int x = 1;\n")
    assert changed(root, "train.py", "package/deep.cpp", "int x = 2;\n")


@pytest.mark.parametrize(
    ("line", "followed"),
    [
        ("from . import deep", {"__init__.py", "deep.py"}),
        ("from .deep import NUMBER", {"__init__.py", "deep.py"}),
        ("from .. import base", {"base.py"}),
        ("from ..other.part import f as g", {"__init__.py", "part.py"}),
        ("import package.deep as d", {"__init__.py", "deep.py"}),
        ("import other.part", {"__init__.py", "part.py"}),  # the package runs, too
        (
            "def f():\n    try:\n        pass\n    except OSError:\n        from . import deep",
            {"__init__.py", "deep.py"},
        ),
        ("match 1:\n    case 1:\n        from . import deep", {"__init__.py", "deep.py"}),
        ("import importlib\nimportlib.import_module('other.part')", {"__init__.py", "part.py"}),
        ("from importlib import import_module\nx = [import_module('.deep', __package__)]", {"__init__.py", "deep.py"}),
        ("__import__('package.deep')", {"__init__.py", "deep.py"}),
        ("import sibling", {"sibling.py"}),  # Snakemake puts a script's folder on the path
    ],
)
def test_imports_of_every_form_are_followed(root, line, followed):
    more = {"base.py": "X = 1\n", "other/__init__.py": "", "other/part.py": "f = 1\n", "package/sibling.py": "Y = 1\n"}
    for name, text in {**more, "package/user.py": line + "\n"}.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    forget()
    assert {path.name for path in sources([root / "package/user.py"], root)} == {"user.py", *followed}


def test_relative_imports_are_those_of_the_package():
    tree = ast.parse("from . import a\nfrom .b import c\nfrom ... import d\nfrom ..e import f\n")
    assert set(imported(tree, ("x", "y", "z"))) == {
        *("x.y.z", "x.y.z.a", "x.y.z.b", "x.y.z.b.c", "x", "x.d", "x.y.e", "x.y.e.f")
    }


def test_only_literal_names_are_loaded():
    tree = ast.parse(
        "import_module('a.b')\nimport_module(f'a.{b}')\nimport_module(name)\nother('c')\nimport_module()\n"
    )
    assert list(loaded(tree)) == ["a.b"]


def test_a_docstring_of_a_coroutine_does_not_count(root):
    (root / "package/style.py").write_text('async def f():\n    """F."""\n    return 1\n')
    forget()
    assert not changed(root, "plot.py", "package/style.py", "async def f():\n    return 1\n")


CPP = """#include <cmath>
#define TWICE(x) ((x) * 2)  // a macro ends with its line
const char* site = "http://a.b/* c */";  /* why,
on two lines */ int x = 1'000'000;
auto raw = R"mark(// kept
   "as it is" )" )mark"; char slash = '/', quote = '"', tick = '\\'';
double y = x / 2;  // half
"""


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ("// half", "// a half", False),
        ("  // half", "", False),
        ("/* why,\non two lines */", "/**/", False),
        ("double y = x / 2;", "  double  y =\tx / 2;", False),
        ("// a macro ends with its line\n", "\n\n\n// \\\n continued\n", False),
        ("a.b/", "a.c/", True),  # after // in a string
        ("/* c */", "/* d */", True),  # in a string
        ("// kept", "// changed", True),  # in a raw string
        ('   "as', '  "as', True),  # blanks in a raw string
        ("1'000'000", "1'000'001", True),  # ' is no quote there
        ("'/', quote", "'!', quote", True),
        ("x / 2;", "x / 3;", True),
        ("* 2)  // a macro ends with its line\n", "* 2)", True),  # the line end counts: the macro would go on
    ],
)
def test_comments_and_layout_of_a_kernel_do_not_count_and_all_else_does(old, new, counts):
    assert CPP.count(old) == 1
    assert (without_comments(CPP.replace(old, new)) != without_comments(CPP)) is counts


def test_what_a_kernel_includes_in_quotes_counts(root):
    (root / "package/deep.cpp").write_text('#include "part.hpp"\n#include <vector>\nint x = y;\n')
    (root / "package/part.hpp").write_text("int y = 1;\n")
    forget()
    assert not changed(root, "train.py", "package/part.hpp", "int y = 1;  // why\n")
    assert changed(root, "train.py", "package/part.hpp", "int y = 2;\n")


def test_no_file_is_parsed_twice(root, monkeypatch):
    parsed = []
    parse = ast.parse
    monkeypatch.setattr(ast, "parse", lambda text: parsed.append(text) or parse(text))
    fingerprint("train.py", root=root)
    fingerprint("train.py", "package/optimizer.py", root=root)
    assert len(parsed) == len(set(parsed)) == 5


@pytest.fixture
def remembering(root, tmp_path_factory, monkeypatch):
    """The root, as if it were that of this checkout, with a memory of its own."""
    monkeypatch.setattr(module, "SCRIPTS", root)
    monkeypatch.setattr(module, "MEMORY", tmp_path_factory.mktemp("memory") / "cache" / "memory.json")
    monkeypatch.setattr(module.atexit, "register", lambda *_: None)
    module.memory.cache_clear()
    yield root
    module.memory.cache_clear()


def next_run(root) -> str:
    """Return the fingerprint of train.py in another run, which keeps what it has found."""
    forget()
    module.memory.cache_clear()
    found = fingerprint("train.py", root=root)
    module.keep(*module.memory())
    return found


def test_what_an_earlier_run_parsed_is_not_parsed_again(remembering, monkeypatch):
    first, parsed, parse = next_run(remembering), [], ast.parse
    monkeypatch.setattr(ast, "parse", lambda text: parsed.append(text) or parse(text))
    assert next_run(remembering) == first and parsed == []
    (remembering / "package/deep.py").write_text("NUMBER = 2\n")
    assert next_run(remembering) != first and parsed == ["NUMBER = 2\n"]
    (remembering / "package/deep.py").write_text("NUMBER = 1  # as before\n")
    assert next_run(remembering) == first
    monkeypatch.setattr(module, "VERSION", "of another Python")
    parsed.clear()
    assert next_run(remembering) == first and len(parsed) == 4


@pytest.mark.parametrize("text", ["", "{", '{"half": ["writ'])
def test_a_memory_that_cannot_be_read_or_written_changes_nothing(remembering, monkeypatch, text):
    first = next_run(remembering)
    module.MEMORY.write_text(text)
    assert next_run(remembering) == first
    monkeypatch.setattr(module, "MEMORY", module.MEMORY / "below a file")
    assert next_run(remembering) == first


def test_the_same_text_in_another_package_has_other_imports():
    assert module.content("from . import a", ("x",))[1] == ["x", "x.a"]
    assert module.content("from . import a", ("y",))[1] == ["y", "y.a"]
