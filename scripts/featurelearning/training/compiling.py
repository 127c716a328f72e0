"""torch.compile, wherever the checkout lies and whatever compiler there is: its cache, its compiler, and a trial."""

import contextlib
import os
import shutil
import struct
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from featurelearning.files import places
from featurelearning.networks import compiler

Compiled = TypeVar("Compiled")
SPLITTING = set(" \t\n\r\f\v\"'\\")  # torch writes its compiler's command as one line without quotes, and splits it
ELF = b"\x7fELF\x02\x01"  # the first bytes of a library, of 64 bits with the lowest byte first
SETTLED = 60  # seconds after which nobody is still writing a file of compiled code
ADVICE = ("Set TORCH", "For even more")  # what torch ends its messages with


def configure(cache: Path) -> None:
    """Have torch compile into a folder, or into one of the user's own where its path cannot be.

    What a killed job has left half written there is removed.
    """
    folder = cache
    if not takes(cache):
        with contextlib.suppress(OSError):  # then torch.compile fails, and says so
            folder = places.private() / cache.name
            print(f"compile: torch cannot compile in {str(cache)!r}, with a blank or a quote in it: {folder} is used")
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # one small kernel: starting a pool costs more than it saves
    # A header that is compiled beforehand lies below the folder for temporary files, and needs the program openssl.
    beforehand = takes(tempfile.gettempdir()) and shutil.which("openssl")
    os.environ["TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS"] = "1" if beforehand else "0"
    if "CXX" in os.environ and len(compiler.words()) != 1:  # torch takes it for one word
        from torch._inductor import config  # takes long, and is seldom needed

        config.cpp.cxx = (None, program())
    for library in filter(cut_off, folder.rglob("*.so")):
        with contextlib.suppress(OSError):  # another job has done it, or the folder cannot be written
            library.unlink()


def takes(path: str | os.PathLike) -> bool:
    """Return whether torch can compile in a folder of this path."""
    return not SPLITTING & set(str(path))


def cut_off(library: Path) -> bool:
    """Return whether a library in ELF ends before its last part, the table of sections: loading it may crash."""
    with contextlib.suppress(OSError), library.open("rb") as file:
        head, status = file.read(64), os.fstat(file.fileno())
        if time.time() - status.st_mtime < SETTLED or not ELF.startswith(head[: len(ELF)]):
            return False
        if len(head) < 64:
            return True
        (table,), (size, count) = struct.unpack_from("<Q", head, 40), struct.unpack_from("<HH", head, 58)
        return status.st_size < table + size * count
    return False


def program() -> str:
    """Return the one word that torch calls as the C++ compiler: the last program in $CXX, or its own default."""
    words = compiler.words() or ["clang++" if sys.platform == "darwin" else "g++"]
    return next(filter(shutil.which, reversed(words)), words[0])


def possible(device: torch.device) -> bool:
    """Return whether torch.compile has what it needs to build code for the device, and say in one line what it has not.

    On the CPU it needs a C++ compiler and the headers of Python; Triton, on a GPU, needs the like of both.
    """
    headers = Path(sysconfig.get_path("include"), "Python.h")
    missing = "" if headers.exists() else f"{headers} (package python3-dev)"
    missing = missing if shutil.which(program()) else f"the C++ compiler {program()!r} ($CXX names another)"
    if missing:
        print(f"compile: {device.type} code cannot be compiled here without {missing}: the eager step runs, slower")
    return not missing


def attempt(make: Callable[[], Compiled]) -> Compiled | None:
    """Return what a function makes and calls of compiled code; None, and why in one line, where that fails.

    Whatever it is, the compiler, a tool that torch calls, or the folder of the cache: the same code runs uncompiled.
    """
    try:
        return make()
    except Exception as error:
        said = "\n".join(line for line in str(error).splitlines() if not line.startswith(ADVICE))
        print(f"compile: torch.compile failed ({compiler.last_line(said)}): the eager step runs, slower")
        return None
