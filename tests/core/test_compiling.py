"""torch.compile and our C++ where a path, a compiler or what is compiled already is not as one would like it."""

import contextlib
import os
import shlex
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch._inductor import config

from featurelearning.networks import compiler, two_layer_kernels, two_layer_relu
from featurelearning.training import compiling, experiments, regression
from featurelearning.training.experiments import Models, Place, Recipe
from repository import ROOT, require

CPU = torch.device("cpu")
# Trains by Adam, compiled, in the folder that it is given, and prints which step that was.
TRAIN = """\
import sys
from pathlib import Path
from core.test_compiling import adam
from featurelearning.training import devices

devices.configure(1, "cpu", sys.argv[1])
print(adam(devices.cache_folder(sys.argv[1])).step)
"""


def adam(compiled: Path | None) -> experiments.Run:
    """Train two small models by Adam as the workflow does, with compiled code in a folder."""
    rng = np.random.default_rng(72)
    x, y = rng.standard_normal((2, 20, 4)), rng.standard_normal((2, 20))
    data = {"x_train": x, "y_train": y, "x_test": x, "y_test": y, "clean_test": y}
    models = Models(two_layer_relu, [two_layer_relu.torch_default(rng, 4, 8, 1) for _ in range(2)], data, ["a", "b"])
    return regression.fit(models, Recipe("adam", 0.01, 20, 3), Place(compiled=compiled))


@pytest.fixture(autouse=True)
def own(monkeypatch):
    """Put back what a test changes of this process, and build nothing that another test has built."""
    for name in ("CACHE_DIR", "COMPILE_THREADS", "CPP_CACHE_PRECOMPILE_HEADERS"):
        monkeypatch.setenv(f"TORCHINDUCTOR_{name}", "")
        monkeypatch.delenv(f"TORCHINDUCTOR_{name}")
    monkeypatch.delenv("CXX", raising=False)
    two_layer_kernels.build.cache_clear()
    yield
    two_layer_kernels.build.cache_clear()


def program(path: Path, text: str = "exit 0") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


# --- what torch.compile needs -----------------------------------------------------------------------------------------
@pytest.fixture
def bare(tmp_path, monkeypatch):
    """Return a function that puts an executable of a name on an otherwise empty PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    (tmp_path / "Python.h").touch()
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))

    def install(name: str) -> None:
        (tmp_path / name).touch(mode=0o755)

    return install


def test_with_a_compiler_nothing_is_said(bare, capsys):
    bare("g++")
    assert compiling.possible(CPU)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("others", [[], ["clang++", "gcc"]])  # torch calls g++ on Linux, and no other unasked
def test_without_a_compiler_one_line_says_that_the_eager_step_runs(bare, capsys, others):
    for name in others:
        bare(name)
    assert not compiling.possible(CPU)
    line = "compile: cpu code cannot be compiled here without the C++ compiler 'g++' ($CXX names another): "
    assert capsys.readouterr().out == line + "the eager step runs, slower\n"


def test_cxx_names_the_compiler(bare, monkeypatch):
    monkeypatch.setenv("CXX", "my-compiler")
    assert not compiling.possible(CPU)
    bare("my-compiler")
    assert compiling.possible(CPU)


def test_without_the_headers_of_python_one_line_names_them(bare, tmp_path, capsys):
    bare("g++")
    (tmp_path / "Python.h").unlink()
    assert not compiling.possible(CPU)
    out = capsys.readouterr().out
    assert f"without {tmp_path / 'Python.h'} (package python3-dev): the eager step runs" in out and out.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("", "g++"),
        ("  ", "g++"),
        ("g++ -O2", "g++"),
        ("ccache g++", "g++"),
        ("ccache clang++-14 -stdlib=libc++", "clang++-14"),
        ("nowhere g++-99", "nowhere"),
        ("'g++", "'g++"),
    ],
)
def test_torch_calls_the_last_program_of_cxx_and_g_plus_plus_where_it_is_empty(bare, monkeypatch, given, wanted):
    for name in ("g++", "ccache", "clang++-14"):
        bare(name)
    monkeypatch.setenv("CXX", given)
    assert compiling.program() == wanted
    assert compiling.possible(CPU) == (wanted in ("g++", "clang++-14"))


# --- our own C++ ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, ["g++"]),
        ("", ["g++"]),
        ("g++ -O2", ["g++", "-O2"]),
        ("ccache g++ '-DA=b c'", ["ccache", "g++", "-DA=b c"]),
        ("nowhere", ["clang++"]),
        ("'g++", ["clang++"]),
    ],
)
def test_cxx_is_split_as_a_shell_does_and_empty_is_not_set(bare, tmp_path, monkeypatch, given, wanted):
    for name in ("g++", "ccache", "clang++"):
        bare(name)
    if given is not None:
        monkeypatch.setenv("CXX", given)
    found, *options = compiler.command()
    assert [found, *options] == [str(tmp_path / wanted[0]), *wanted[1:]]


@pytest.fixture
def cxx(monkeypatch):
    """A compiler of two words in CXX, which builds as fast as it can."""
    require(compiler.command(), "no C++ compiler, g++ or clang++: our C++ was not built")
    monkeypatch.setenv("CXX", f"env {shlex.join(compiler.command())}")
    monkeypatch.setattr(two_layer_kernels, "FLAGS", (*two_layer_kernels.FLAGS, "-O0"))


def built(folder: Path) -> bool:
    """Return whether our C++ is built into a folder, or found there, by a process that has not looked before."""
    two_layer_kernels.build.cache_clear()
    return two_layer_kernels.build(folder) is not None


@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: content[: len(content) // 2], bytes.swapcase])
def test_a_library_that_is_not_whole_is_built_anew(cxx, tmp_path, capsys, damage):
    folder = tmp_path / "mein Ordner ü 'a' \"b\" $c #d %e (f)\n"
    assert built(folder) and capsys.readouterr().out == ""
    [library] = folder.iterdir()
    whole = library.read_bytes()
    library.unlink()  # it is loaded: writing into it would end this process
    library.write_bytes(damage(whole))
    assert built(folder) and library.read_bytes() == whole
    written = library.stat().st_mtime_ns
    assert built(folder) and library.stat().st_mtime_ns == written and [*folder.iterdir()] == [library]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("exit 1", "it said nothing"),
        ("echo one >&2; echo 'cannot find -lgomp' >&2; exit 1", "cannot find -lgomp"),
        ("exit 0", "No such file or directory"),  # and has written nothing
    ],
)
def test_a_compiler_that_does_not_work_is_named_with_its_last_line(tmp_path, monkeypatch, capsys, text, said):
    monkeypatch.setenv("CXX", str(program(tmp_path / "g++", text)))
    assert not built(tmp_path / "cache") and not os.listdir(tmp_path / "cache")
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("compile: ") and said in line and line.endswith(": the general step runs instead, slower")


# --- torch.compile ----------------------------------------------------------------------------------------------------
@pytest.mark.long  # the run of the whole workflow lies in a folder with a blank, too
def test_adam_is_compiled_in_any_folder_with_any_folder_for_temporary_files(tmp_path):
    require(compiling.possible(CPU), "no C++ compiler or Python headers: torch.compile was not tried")
    odd = tmp_path / "mein Ordner ü 'a' \"b\" $c #d %e (f)"
    (odd / "tmp dir").mkdir(parents=True)
    path = os.pathsep.join(map(str, (ROOT / "scripts", ROOT / "tests", ROOT)))
    environment = {"PYTHONPATH": path, "CXX": "env g++ -O2", "TMPDIR": str(odd / "tmp dir")}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "caches")}
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, "cache"], cwd=odd, capture_output=True, text=True, env=os.environ | environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    note, step = done.stdout.splitlines()
    assert step == "torch.compile, C++ gradients"
    own = f"{tmp_path}/caches/featurelearning-{os.getuid()}/"
    assert note.startswith("compile: torch cannot compile in ") and f": {own}" in note and note.endswith(" is used")


def test_a_folder_of_a_plain_path_is_taken_as_it_is(tmp_path, capsys):
    compiling.configure(tmp_path / "ü$#%(&)")
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "ü$#%(&)") and capsys.readouterr().out == ""


@pytest.mark.filterwarnings("ignore:.torch.jit.* is deprecated:DeprecationWarning")  # of torch by itself
@pytest.mark.parametrize("fault", ["compiler", "folder"])
def test_where_nothing_can_be_compiled_the_eager_step_runs_with_the_same_values(tmp_path, monkeypatch, capsys, fault):
    """A compiler that lacks something, as one without OpenMP; a folder that cannot be written, here a file."""
    folder = tmp_path / "cache"
    if fault == "compiler":
        said = "cannot find -lgomp"
        monkeypatch.setenv("CXX", str(program(tmp_path / "g++", f"echo one >&2; echo {said} >&2; exit 1")))
    else:
        folder.write_text("a file")
        said = str(folder)
    torch.compiler.reset()
    compiling.configure(folder)
    with config.patch({"cpp.cxx": (None, os.environ["CXX"])}) if fault == "compiler" else contextlib.nullcontext():
        run = adam(folder)
    lines = capsys.readouterr().out.splitlines()
    assert run.step == "eager" and len(lines) == 2
    assert said in lines[0] and lines[0].endswith(": the general step runs instead, slower")
    assert lines[1].startswith("compile: torch.compile failed (") and lines[1].endswith(
        "): the eager step runs, slower"
    )
    if fault == "folder":
        assert said in lines[1]
    wanted = adam(None)
    assert all(torch.equal(run.params[key], value) for key, value in wanted.params.items())


def library(path: Path, age: float) -> bytes:
    """Copy a library of this Python, as if written some seconds ago, and return its content."""
    content = next(Path(torch.__file__).parent.glob("_C*.so")).read_bytes()
    path.write_bytes(content)
    os.utime(path, (time.time() - age,) * 2)
    return content


def test_what_a_killed_job_has_left_half_written_is_removed(tmp_path):
    for name, share, age in (("whole", 1, 99), ("half", 0.5, 99), ("empty", 0, 99), ("head", 1e-9, 99), ("new", 0, 0)):
        path = tmp_path / f"{name}.so"
        content = library(path, age)
        path.write_bytes(content[: int(share * len(content)) or (10 if share else 0)])
        os.utime(path, (time.time() - age,) * 2)
    (tmp_path / "text.so").write_text("no library")
    os.utime(tmp_path / "text.so", (0, 0))
    compiling.configure(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"whole.so", "new.so", "text.so"}
