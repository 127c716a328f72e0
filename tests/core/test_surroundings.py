"""What a shell, a notebook, a cluster or the place of a checkout must neither break nor change."""

import filecmp
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest
from matplotlib.figure import Figure

from featurelearning.drawing import style
from featurelearning.files import places
from repository import (
    HOSTILE,
    HOSTILE_TO_SNAKEMAKE,
    MATPLOTLIBRC,
    ROOT,
    copy_of_repository,
    hostile,
    make,
    results,
    tiny,
)
from workflow.core import configuration, devices, surroundings

# What a job has of these is its own business: names of clusters, of the compiler, of the place and the time.
HARMLESS = {"GPUS", "CPU_PARTITION", "GPU_PARTITION", "SBATCH_ACCOUNT", "LANG", "LC_ALL", "CXX", "MAKEFLAGS", "TZ"}
HARMLESS |= {"CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "NO_COLOR", "PYTHONHASHSEED", "NUMBA_NUM_THREADS"}


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


# --- variables --------------------------------------------------------------------------------------------------------
def test_jobs_get_no_variable_that_could_break_or_change_them():
    environ = HOSTILE | HOSTILE_TO_SNAKEMAKE | {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "1", "MATPLOTLIBRC": "here"}
    surroundings.settle(environ)
    kept = HARMLESS | HOSTILE_TO_SNAKEMAKE.keys() - {"PYTHONWARNINGS", "PYTHONSAFEPATH"}
    assert environ.keys() == kept | {"PATH", "CUDA_VISIBLE_DEVICES", *surroundings.SET}
    assert environ["PYTHONUTF8"] == "1" and environ["MATPLOTLIBRC"] == os.devnull


@pytest.mark.parametrize(("given", "wanted"), [(None, 1), ("", 1), (" ", 1), ("0", 0), (" 2 ", 2)])
def test_a_number_of_gpus_is_read_and_empty_is_not_set(monkeypatch, given, wanted):
    monkeypatch.delenv("GPUS", raising=False)
    if given is not None:
        monkeypatch.setenv("GPUS", given)
    assert surroundings.count("GPUS", 1) == wanted


@pytest.mark.parametrize("given", ["two", "-1", "1.5", "²"])
def test_what_is_no_number_of_gpus_is_refused_with_its_name(monkeypatch, given):
    monkeypatch.setenv("GPUS", given)
    with pytest.raises(ValueError) as caught:
        surroundings.count("GPUS", 1)
    line = f"GPUS: {given!r} given; allowed: a whole number, 0 or more; unset it for the default, 1"
    assert str(caught.value) == line


def drawn(folder: Path, name: str) -> list[Path]:
    """Draw a figure with what a matplotlibrc could change: text, lines, margins."""

    @style.styled
    def figure() -> Figure:
        result = Figure(figsize=(3, 2), layout="constrained")
        axes = result.subplots()
        axes.plot([1, 2, 3], [1, 4, 2], label="a_b")
        axes.set_title("ü $x^2$")
        style.footer(result, "small print")
        return result

    files = [folder / f"{name}.{form}" for form in ("pdf", "png")]
    style.save(figure(), *map(str, files))
    return files


def test_a_matplotlibrc_changes_no_byte_of_a_figure(tmp_path):
    plain = drawn(tmp_path, "plain")
    (tmp_path / "matplotlibrc").write_text(MATPLOTLIBRC.replace("axes.formatter.use_locale: True", ""))
    with matplotlib.rc_context(fname=tmp_path / "matplotlibrc"):
        assert matplotlib.rcParams["text.usetex"]
        other = drawn(tmp_path, "other")
    assert all(filecmp.cmp(one, two, shallow=False) for one, two in zip(plain, other, strict=True))


# --- make -------------------------------------------------------------------------------------------------------------
SAID = 'echo "${0##*/} $*"; echo "$PYTHONPATH"; echo "${PYTHONWARNINGS-unset} ${PYTHONIOENCODING-unset} $PYTHONUTF8"'


@pytest.fixture
def checkout(tmp_path):
    """A folder with a blank that has the Makefile and an environment whose programs say how they were called."""
    folder = tmp_path / "mein Ordner ü"
    for name in ("python", "snakemake", "pytest", "ruff", "snakefmt"):
        program(folder / f".venv/bin/{name}", SAID)
    (folder / ".venv/.stamp").touch()
    (folder / "envs").mkdir()
    (folder / "envs/requirements.txt").touch()
    os.utime(folder / "envs/requirements.txt", (0, 0))
    (folder / "Makefile").write_text((ROOT / "Makefile").read_text(encoding="utf-8"), encoding="utf-8")
    return folder


def called(folder: Path, target: str, **environment: str) -> list[str]:
    done = subprocess.run(
        ["make", "--silent", target], cwd=folder, capture_output=True, text=True, env=os.environ | environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("target", ["list", "status", "data", "test", "bench", "readme", "lint"])
def test_every_target_runs_own_code_first_whatever_is_set(checkout, tmp_path, target):
    lines = called(checkout, target, **hostile(tmp_path), **HOSTILE_TO_SNAKEMAKE)
    assert lines[1] == f"{checkout}/scripts:{tmp_path}/elsewhere" and lines[2] == "unset unset 1"


def test_make_takes_an_empty_number_of_cores_for_none(checkout):
    empty, seven = (called(checkout, "data", CORES=cores)[0].split()[:3] for cores in ("", "7"))
    assert empty[:2] == ["snakemake", "--cores"] and empty[2].isdigit()
    assert seven == ["snakemake", "--cores", "7"]


def test_make_gives_snakemake_a_cache_where_the_home_folder_cannot_be_written(checkout):
    program(checkout / ".venv/bin/snakemake", 'echo "${XDG_CACHE_HOME-unset}"')
    assert called(checkout, "data", HOME="/dev/null", XDG_CACHE_HOME="") == [f"{checkout}/.cache/home"]
    assert called(checkout, "data", XDG_CACHE_HOME=str(checkout)) == [str(checkout)]


@pytest.mark.parametrize("link", [False, True])
def test_clean_empties_the_results_also_behind_a_link_and_keeps_their_readme(checkout, tmp_path, link):
    scratch = tmp_path / "scratch disk" if link else checkout / "results"
    (scratch / "preconditioning").mkdir(parents=True)
    for name in ("README.md", "report.html", "preconditioning/noise.nc", ".run", "preconditioning/README.md"):
        (scratch / name).touch()
    if link:
        (checkout / "results").symlink_to(scratch)
    called(checkout, "clean")
    assert [path.name for path in scratch.iterdir()] == ["README.md"]
    assert (checkout / "results").is_symlink() == link


# --- paths ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("~/x", "/home/u/x"),
        ("$SCRATCH/x", "/scratch disk/x"),
        ("${SCRATCH}_2", "/scratch disk_2"),
        ("x/~/$", "x/~/$"),
        (".cache/ü", ".cache/ü"),
        ("/a/$SCRATCH", "/a//scratch disk"),
    ],
)
def test_home_and_variables_of_a_path_are_expanded(monkeypatch, given, wanted):
    monkeypatch.setenv("HOME", "/home/u")
    monkeypatch.setenv("SCRATCH", "/scratch disk")
    assert places.expanded(given) == wanted
    config = configuration.default()
    config["data_cache"] = config["ood"]["folder"] = config["real"]["folders"]["svhn"] = given
    cfg = configuration.validate(config)
    assert {cfg.data_cache, cfg.ood.folder, cfg.real.folders["svhn"]} == {wanted}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("$NOWHERE/x", "the environment variable NOWHERE"),
        ("${NOWHERE}/x", "the environment variable NOWHERE"),
        ("$EMPTY/x", "the environment variable EMPTY"),
        ("~nobody-of-this-name/x", "the home folder ~nobody-of-this-name"),
    ],
)
def test_a_variable_that_is_not_set_is_refused(monkeypatch, given, named):
    monkeypatch.delenv("NOWHERE", raising=False)
    monkeypatch.setenv("EMPTY", "")
    with pytest.raises(ValueError) as caught:
        places.expanded(given)
    assert str(caught.value).startswith(f"names {named}, which is not set here; allowed: a folder, or variables that")


def test_the_own_folder_is_private_and_of_a_plain_path(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    own = places.private()
    assert own == tmp_path / f"cache/featurelearning-{os.getuid()}" and own.stat().st_mode & 0o777 == 0o700
    own.chmod(0o777)  # somebody else may have laid code into it
    monkeypatch.setattr(places.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    assert places.private().parent == tmp_path / "temporary"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a blank"))
    assert places.private().parent == tmp_path / "temporary" and not (tmp_path / "a blank").exists()


def test_without_any_place_for_it_all_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a blank"))
    monkeypatch.setattr(places, "is_plain", lambda path: False)
    with pytest.raises(OSError) as caught:
        places.private()
    assert "a blank, " in str(caught.value) and "; allowed: one that you can write" in str(caught.value)
    assert str(caught.value).endswith("set TMPDIR to such a one")


def test_jobs_call_a_python_below_a_folder_with_a_blank_through_a_link(tmp_path, monkeypatch):
    """Snakemake writes its path into the commands of all jobs as it is."""
    assert surroundings.python() == sys.executable or not places.is_plain(sys.executable)
    odd = tmp_path / "mein Ordner ü/.venv"
    odd.parent.mkdir()
    odd.symlink_to(sys.prefix)
    python = odd / Path(sys.executable).relative_to(sys.prefix)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "prefix", str(odd))
    monkeypatch.setattr(sys, "executable", str(python))
    found = surroundings.python()
    assert places.is_plain(found) and Path(found).is_relative_to(tmp_path / "cache") and surroundings.python() == found
    asked = f"{found} -c 'import sys, numpy; print(sys.prefix)'"
    prefix = subprocess.run(asked, shell=True, capture_output=True, text=True, check=True).stdout.strip()
    assert Path(found).is_relative_to(prefix) and Path(prefix).resolve() == Path(odd).resolve()


# --- a GPU ------------------------------------------------------------------------------------------------------------
@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return a function that makes a machine: whether it has nvidia-smi, its torch, and what that, asked, answers."""

    def made(smi: bool, version: str | None, answer: int, visible: str | None = None) -> None:
        def installed(name: str) -> str:
            if version is None:
                raise importlib.metadata.PackageNotFoundError(name)
            return version

        program(tmp_path / "python", f"exit {answer}")
        if smi:
            program(tmp_path / "bin/nvidia-smi", f'[ "$*" = --list-gpus ] && exit {answer}; exit 5')
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        monkeypatch.setattr(importlib.metadata, "version", installed)
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    return made


@pytest.mark.parametrize(
    ("about", "wanted"),
    [
        ((False, "2.13.0", 0), False),  # no nvidia-smi: torch is not asked
        ((True, "2.13.0", 0), True),
        ((True, "2.13.0", 0, "0,1"), True),
        ((True, "2.13.0", 1), False),  # a driver that is too old for torch
        ((True, "2.13.0+cpu", 0), False),
        ((True, "2.13.0", 0, ""), False),
        ((True, "2.13.0", 0, "-1"), False),
        ((True, None, 0), True),  # torch is in an environment of conda
        ((True, None, 9), False),  # "couldn't communicate with the NVIDIA driver"
    ],
)
def test_a_gpu_is_one_that_torch_can_use(machine, about, wanted):
    machine(*about)
    assert devices.here() == wanted
    assert devices.gpu(tiny(device="auto"), {}, ["train"]) == wanted


def test_torch_that_does_not_answer_has_no_gpu(machine, monkeypatch, tmp_path):
    machine(True, "2.13.0", 0)
    program(tmp_path / "python", "exec sleep 9")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/bin{os.pathsep}/usr/bin")
    monkeypatch.setattr(devices, "PATIENCE", 0.1)
    assert not devices.here()
    (tmp_path / "python").unlink()
    assert not devices.here()


# --- all at once ------------------------------------------------------------------------------------------------------
@pytest.mark.long
def test_a_whole_run_in_a_hostile_environment_ends_with_the_same_bytes(finished, tmp_path):
    folder = copy_of_repository(tmp_path / "mein Ordner ü" / "repo")
    # Another compiler is for this run alone: what others have compiled does not serve it.
    environment = hostile(tmp_path) | HOSTILE_TO_SNAKEMAKE | {"CXX": "env g++ -O2"}
    done = make(folder, "reproduce", **environment)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    found, wanted = results(folder), results(finished)
    assert found.keys() == wanted.keys() and [name for name in wanted if found[name] != wanted[name]] == []
