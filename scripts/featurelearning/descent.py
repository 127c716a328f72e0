"""The fast path on CPUs: many steps of preconditioned gradient descent in one call of compiled C++.

For the one problem that most of the workflow's time goes into: one hidden ReLU layer, one output, squared error,
sigma_power. Same values as the general path, `training.stepper`; see descent.cpp for how.
"""

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import uuid
from pathlib import Path

import torch
from torch import Tensor

from featurelearning.models import Params
from featurelearning.training import Advance, State, finite

SOURCE = Path(__file__).with_name("descent.cpp")
# Not -ffast-math: a NaN must reach the loss, which is how a diverged model is found.
FLAGS = ("-O3", "-march=native", "-fopenmp", "-fno-math-errno", "-fno-trapping-math", "-std=c++17", "-shared", "-fPIC")
ENTRIES = {torch.float32: "descend_float", torch.float64: "descend_double"}
ORDER = ("weight1", "bias1", "weight2", "bias2")


@functools.cache
def build(cache: Path) -> ctypes.CDLL | None:
    """Return the compiled library, built into the cache if it is not there; None, and a line, where it can't be."""
    compiler = shutil.which(os.environ.get("CXX", "g++")) or shutil.which("clang++")
    if compiler is None:
        print("compile: no C++ compiler (g++, clang++, $CXX): the general step runs instead, slower")
        return None
    key = hashlib.sha256(" ".join([SOURCE.read_text(encoding="utf-8"), compiler, *FLAGS]).encode()).hexdigest()[:16]
    path = cache / f"descent-{key}.so"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{uuid.uuid4()}.tmp")  # another job may build it at the same time
        built = subprocess.run([compiler, *FLAGS, str(SOURCE), "-o", str(temporary)], capture_output=True, text=True)
        if built.returncode:
            print(f"compile: {compiler} failed, the general step runs instead, slower:\n{built.stderr.strip()}")
            return None
        os.replace(temporary, path)
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        print(f"compile: {path} cannot be loaded ({error}), the general step runs instead, slower")
        return None


def entry(code: ctypes.CDLL, dtype: torch.dtype):
    """Return the compiled function for a floating-point type."""
    signature = ctypes.CFUNCTYPE(None, *[ctypes.c_int] * 7, *[ctypes.c_void_p] * 10)
    return signature.in_dll(code, ENTRIES[dtype])


def stepper(
    code: ctypes.CDLL, x: Tensor, y: Tensor, preconditioner: Tensor, rate: Tensor, weight_decay: float
) -> Advance:
    """Return the function that makes `count` updates of all models, like `training.stepper` for sigma_power.

    x [m, n, d], y [m, n], preconditioner [m, d] or [m, d, d], rate one number or [m]; CPU tensors of one type.
    """
    (m, n, d), dtype = x.shape, x.dtype
    descend = entry(code, dtype)
    fixed = [x, y, preconditioner, rate.reshape(-1).expand(m), torch.full((m,), weight_decay, dtype=dtype)]
    fixed = [value.contiguous() for value in fixed]

    def advance(params: Params, state: State, updates: Tensor, count: int) -> tuple[Params, State, Tensor]:
        new = {key: params[key].clone(memory_format=torch.contiguous_format) for key in ORDER}
        done = torch.zeros(m, dtype=torch.int32)
        pointers = [value.data_ptr() for value in [*fixed, *new.values(), done]]
        h, threads = new["weight1"].shape[2], torch.get_num_threads()
        descend(m, n, d, h, count, threads, preconditioner.ndim == 3, *pointers)
        # A model stops where its loss is not finite; if its parameters are not, its last update was not either.
        sound = finite(new)
        alive = sound & (done == count)
        new = {key: torch.where(alive[:, None, None], value, torch.nan) for key, value in new.items()}
        return new, state, updates + done - (~sound & (done > 0)).to(torch.int32)

    return advance
