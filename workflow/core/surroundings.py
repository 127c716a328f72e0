"""What a shell, a notebook or a cluster sets for other work must neither break a job nor change its result."""

import contextlib
import os
import sys
import zlib
from collections.abc import MutableMapping
from pathlib import Path

from featurelearning.files import places

# Variables that begin with one of these are kept from all jobs.
IGNORED = (
    # Python: checks that vanish, warnings that become errors, another encoding, other places of modules, a prompt
    *("PYTHONINSPECT", "PYTHONIOENCODING", "PYTHONOPTIMIZE", "PYTHONSAFEPATH", "PYTHONWARNINGS"),
    # how torch compiles, and with what arithmetic it and NumPy compute
    *("TORCHDYNAMO", "TORCHINDUCTOR", "TORCH_COMPILE", "TORCH_ALLOW_TF32", "NVIDIA_TF32", "PYTORCH_JIT"),
    *("ATEN_CPU", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG", "ONEDNN_", "DNNL_", "OPENBLAS_", "NPY_"),
    "TRITON_INTERPRET",
    # threads: Snakemake gives each job its number; bound to cores, several jobs would share one
    *("OMP_", "GOMP_", "KMP_AFFINITY", "MKL_NUM_THREADS", "MKL_DOMAIN_NUM_THREADS", "MKL_DYNAMIC"),
    # how HDF5 opens files, and how figures look
    *("HDF5_", "MPLBACKEND", "FREETYPE_PROPERTIES"),
)
# Text is UTF-8 in every locale. No file is written by two, and some file systems have no locks. An empty file takes the
# place of the user's matplotlibrc, of which some lines count, or fail, as soon as matplotlib is imported.
SET = {"PYTHONUTF8": "1", "HDF5_USE_FILE_LOCKING": "FALSE", "MATPLOTLIBRC": os.devnull}


def settle(environ: MutableMapping[str, str]) -> None:
    """Take out of an environment, which jobs inherit, what could break or change them, and set what they need."""
    for name in [name for name in environ if name.startswith(IGNORED)]:
        del environ[name]
    environ.update(SET)


def python() -> str:
    """Return the path of this Python as Snakemake may write it into commands, which it does without quotes.

    Where it is not one word, as below a checkout in a folder with a blank, it leads through a link to the environment.
    """
    if places.is_plain(sys.executable) or not Path(sys.executable).is_relative_to(sys.prefix):
        return sys.executable
    link = places.private() / f"environment-{zlib.crc32(os.fsencode(sys.prefix)):08x}"
    with contextlib.suppress(FileExistsError):
        link.symlink_to(sys.prefix)
    return str(link / Path(sys.executable).relative_to(sys.prefix))


def count(name: str, default: int) -> int:
    """Return the whole number in a variable, which, empty, counts as not set; raises ValueError for anything else."""
    given = os.environ.get(name, "").strip()
    if given and not (given.isascii() and given.isdigit()):
        raise ValueError(
            f"{name}: {given!r} given; allowed: a whole number, 0 or more; unset it for the default, {default}"
        )
    return int(given or default)
