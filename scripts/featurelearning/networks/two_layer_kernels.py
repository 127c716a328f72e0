"""Compiled C++ of two-layer ReLU networks of one output and the squared error, for CPUs.

It makes many steps of descent with a preconditioned first layer in one call, or gradients, Hessian products, outputs.
See two_layer_kernels.cpp for how.
"""

import contextlib
import ctypes
import functools
import hashlib
import os
import shlex
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from featurelearning.networks import compiler
from featurelearning.networks.dense import Params

SOURCE = Path(__file__).with_suffix(".cpp")
# Not -ffast-math: a NaN must reach the loss, which is how a diverged model is found.
FLAGS = ("-O3", "-march=native", "-fopenmp", "-fno-math-errno", "-fno-trapping-math", "-std=c++17", "-shared", "-fPIC")
TYPES = {torch.float32: "float", torch.float64: "double"}
# How many integers and pointers each compiled function takes.
ARGUMENTS = {"descend": (7, 10), "derive": (5, 7), "predict": (5, 3)}
ORDER = ("weight1", "bias1", "weight2", "bias2")
SHAPES = ("mdh", "m1h", "mh1", "m11")  # of these; m models, d inputs, h units


@functools.cache
def build(cache: Path) -> ctypes.CDLL | None:
    """Return the compiled library, built into the cache if it is not there; None, and a line, where it can't be."""
    instead = "the general step runs instead, slower"
    command = compiler.command()
    if command is None:
        print(f"compile: no C++ compiler (g++, clang++, $CXX): {instead}")
        return None
    key = digest(" ".join([SOURCE.read_text(encoding="utf-8"), *command, *FLAGS]).encode())
    try:
        return ctypes.CDLL(str(found(cache, f"{SOURCE.stem}-{key}") or make(cache, f"{SOURCE.stem}-{key}", command)))
    except subprocess.CalledProcessError as error:
        print(f"compile: {shlex.join(command)} failed ({compiler.last_line(error.stderr)}): {instead}")
    except OSError as error:
        print(f"compile: {cache}: the library cannot be written or loaded ({error}): {instead}")
    return None


def digest(content: bytes) -> str:
    """Return the hash of some bytes as file names carry it."""
    return hashlib.sha256(content).hexdigest()[:16]


def found(cache: Path, name: str) -> Path | None:
    """Return the library of a name, which ends in the hash of its bytes; one that was cut off or changed is removed.

    To load such a one may end the process without a word.
    """
    for path in cache.glob(f"{name}-*.so"):
        with contextlib.suppress(FileNotFoundError):  # another job has just removed it
            if path.stem == f"{name}-{digest(path.read_bytes())}":
                return path
            path.unlink()
    return None


def make(cache: Path, name: str, command: Sequence[str]) -> Path:
    """Build the library and return its path; raises CalledProcessError where the compiler fails, and OSError."""
    cache.mkdir(parents=True, exist_ok=True)
    temporary = cache / f"{name}.{uuid.uuid4()}.tmp"  # another job may build it at the same time
    try:
        line = [*command, *FLAGS, str(SOURCE), "-o", str(temporary)]
        subprocess.run(line, capture_output=True, text=True, errors="replace", check=True)
        path = cache / f"{name}-{digest(temporary.read_bytes())}.so"
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


@functools.cache
def entry(code: ctypes.CDLL, name: str, dtype: torch.dtype):
    """Return a compiled function for a floating-point type."""
    integers, pointers = ARGUMENTS[name]
    signature = ctypes.CFUNCTYPE(None, *[ctypes.c_int] * integers, *[ctypes.c_void_p] * pointers)
    return signature.in_dll(code, f"{name}_{TYPES[dtype]}")


@functools.cache
def shapes(letters: tuple[str, ...], **sizes: int) -> list[tuple[int, ...]]:
    """Return the shapes that are written in letters, the size of each letter being given."""
    return [tuple(sizes.get(letter, 1) for letter in each) for each in letters]


def sizes(x: Tensor, params: Sequence[Tensor], **others: tuple[Tensor, str]) -> tuple[int, int, int, int]:
    """Return m, n, d, h, by which compiled code reads and writes memory, whatever lies there.

    x [m, n, d], params in ORDER; others: by name, a tensor and its shape in these letters. Raises ValueError, naming
    the first that is of another shape, that is not on the CPU, or whose type is not that of x, one of TYPES.
    """
    (m, n, d), h = x.shape if x.ndim == 3 else (-1, -1, -1), params[0].shape[-1] if params[0].ndim else -1
    tensors = [x, *params, *[tensor for tensor, _ in others.values()]]
    wanted = shapes(("mnd", *SHAPES, *[letters for _, letters in others.values()]), m=m, n=n, d=d, h=h)
    dtype = x.dtype if x.dtype in TYPES else None
    fits = [
        one.shape == shape and one.dtype is dtype and one.is_cpu for one, shape in zip(tensors, wanted, strict=True)
    ]
    if not all(fits):
        at = fits.index(False)
        name, tensor = ["x", *ORDER, *others][at], tensors[at]
        raise ValueError(
            f"{name}: {list(tensor.shape)} of {tensor.dtype} on {tensor.device} given; allowed: "
            f"{[size if size >= 0 else 'any' for size in wanted[at]]} of {' or '.join(map(str, TYPES))}, that of x, on "
            "cpu; convert or reshape it"
        )
    return m, n, d, h


def descend(
    code: ctypes.CDLL,
    params: Params,
    x: Tensor,
    y: Tensor,
    preconditioner: Tensor,
    rate: Tensor,
    weight_decay: Tensor,
    count: int,
) -> tuple[Params, Tensor]:
    """Return the parameters after `count` steps of each model, and how many it made [m]: it stops at a loss not finite.

    x [m, n, d], y [m, n], preconditioner [m, d] or [m, d, d], rate and weight_decay [m]. The steps are those of
    `sigma_power` on the mean squared error, with weight decay on the weights. Raises as `sizes`.
    """
    full = preconditioner.ndim == 3
    named = {"y": (y, "mn"), "preconditioner": (preconditioner, "mdd" if full else "md")}
    named |= {"rate": (rate, "m"), "weight_decay": (weight_decay, "m")}
    m, n, d, h = sizes(x, [params[key] for key in ORDER], **named)
    fixed = [value.contiguous() for value in (x, y, preconditioner, rate, weight_decay)]
    new = {key: params[key].clone(memory_format=torch.contiguous_format) for key in ORDER}
    done = torch.zeros(m, dtype=torch.int32)
    pointers = [value.data_ptr() for value in [*fixed, *new.values(), done]]
    entry(code, "descend", x.dtype)(m, n, d, h, count, torch.get_num_threads(), full, *pointers)
    return new, done


torch.library.define(
    "featurelearning::derive", "(str folder, Tensor x, Tensor y, Tensor[] params, Tensor[] direction) -> Tensor[]"
)


@torch.library.register_fake("featurelearning::derive")
def empty(folder: str, x: Tensor, y: Tensor, params: Sequence[Tensor], direction: Sequence[Tensor]) -> list[Tensor]:
    """Return tensors of the shapes that `derive` returns: all that torch.compile needs to know of it."""
    like = [*params, *direction]
    return [x.new_empty(len(x)), *(torch.empty_like(each, memory_format=torch.contiguous_format) for each in like)]


@torch.library.impl("featurelearning::derive", "CPU")
def derive(folder: str, x: Tensor, y: Tensor, params: Sequence[Tensor], direction: Sequence[Tensor]) -> list[Tensor]:
    """Return the losses [m] and, in ORDER, their gradients and, where there is a direction, their Hessians times it.

    folder: of the compiled library. An operator of torch, so that a step around it is compiled as one graph. Raises as
    `sizes`.
    """
    along = {f"direction {key}": pair for key, *pair in zip(ORDER, direction, SHAPES, strict=True)} if direction else {}
    m, n, d, h = sizes(x, params, y=(y, "mn"), **along)
    new = empty(folder, x, y, params, direction)
    tensors = [value.contiguous() for value in (x, y, *params, *direction)] + new  # held until the call has ended
    places = [value.data_ptr() for value in tensors]
    loss = 2 + len(params) + len(direction)
    fours = (2, 6 if direction else None, loss + 1, loss + 5 if direction else None)  # where in places each four begins
    arrays = [None if at is None else (ctypes.c_void_p * 4)(*places[at : at + 4]) for at in fours]
    code = entry(build(Path(folder)), "derive", x.dtype)
    code(m, n, d, h, torch.get_num_threads(), *places[:2], *arrays[:2], places[loss], *arrays[2:])
    return new


def gradients(params: Params, folder: Path, x: Tensor, y: Tensor) -> tuple[Tensor, Params]:
    """Return what `two_layer_relu.mse_gradients` does, by the library that is built in a folder."""
    here = [params[key] for key in ORDER]
    losses, *found = torch.ops.featurelearning.derive(str(folder), x, y, here, [])
    return losses, dict(zip(ORDER, found, strict=True))


def predict(params: Params, x: Tensor, folder: Path) -> Tensor:
    """Return what `two_layer_relu.forward` does for networks of one output, by the library built in a folder.

    Raises as `sizes`.
    """
    m, n, d, h = sizes(x, [params[key] for key in ORDER])
    out = x.new_empty(m, n)
    tensors = [x.contiguous(), *(params[key].contiguous() for key in ORDER)]
    inputs, *here = (value.data_ptr() for value in tensors)
    code = entry(build(folder), "predict", x.dtype)
    code(m, n, d, h, torch.get_num_threads(), inputs, (ctypes.c_void_p * 4)(*here), out.data_ptr())
    return out[..., None]


def gradients_along(params: Params, v: Params, folder: Path, x: Tensor, y: Tensor) -> tuple[Tensor, Params, Params]:
    """Return what `dense.gradients_along` does for the mean squared error, by the library built in a folder."""
    here, direction = ([tensors[key] for key in ORDER] for tensors in (params, v))
    losses, *found = torch.ops.featurelearning.derive(str(folder), x, y, here, direction)
    return losses, dict(zip(ORDER, found[:4], strict=True)), dict(zip(ORDER, found[4:], strict=True))
