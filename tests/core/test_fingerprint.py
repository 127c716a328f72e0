"""The code fingerprint: what changes it and what does not."""

import pytest

from workflow.core.fingerprint import fingerprint, imported, sources

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
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def changed(root, script: str, name: str, text: str, *extra: str) -> bool:
    """Return whether writing `text` to a file changes the fingerprint of a script."""
    before = fingerprint(script, *extra, root=root)
    (root / name).write_text(text)
    fingerprint.cache_clear()
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
    import ast

    tree = ast.parse("import a.b as c\nfrom d import e, f\n\ndef g():\n    from h import i\n")
    assert set(imported(tree)) == {"a.b", "d", "d.e", "d.f", "h", "h.i"}


def test_a_kernel_belongs_to_the_module_of_its_name(root):
    (root / "package/deep.cpp").write_text("int x = 1;  // why\n")
    fingerprint.cache_clear()
    assert not changed(root, "train.py", "package/deep.cpp", "// another reason\n  int x = 1;\n")
    assert changed(root, "train.py", "package/deep.cpp", "int x = 2;\n")
