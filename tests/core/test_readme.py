"""The README: its Python runs as it stands, and the files and make targets that it names exist."""

import contextlib
import re
from pathlib import Path

import matplotlib
import pytest

import synthetic
from featurelearning.files import records

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS, ids=["xarray", "own data"])
def test_python_of_the_readme_runs(block, tmp_path):
    matplotlib.use("Agg")
    records.write(synthetic.noise(seeds=3), tmp_path / "results" / "preconditioning" / "noise.nc")
    with contextlib.chdir(tmp_path):
        exec(compile(block, "README.md", "exec"), {})


def test_named_files_exist():
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", README):
        assert (ROOT / target).exists(), target


def test_named_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:`|^)make (\w+)", README, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
