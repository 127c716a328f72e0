"""Where training runs: threads, device, and the cache of compiled code."""

import os
import platform
import subprocess
import zlib
from pathlib import Path

import torch

from featurelearning.files import places
from featurelearning.training import compiling


def configure(threads: int, device: str, cache: str | os.PathLike) -> torch.device:
    """Set the CPU threads and the compile cache of this process and return the device to train on.

    device: auto, cpu or cuda. Raises ValueError where cuda is asked for and absent.
    """
    torch.set_num_threads(threads)
    compiling.configure(cache_folder(cache))
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"device: 'cuda' was asked for, but torch {torch.__version__} finds no CUDA device; allowed here: "
            "'auto' (takes the CPU where there is no GPU) or 'cpu'; to use a GPU install a CUDA build of torch"
        )
    if device == "auto" and not torch.cuda.is_available():
        print("device: auto finds no CUDA device, training runs on the CPU")
    return torch.device("cpu" if device == "cpu" or not torch.cuda.is_available() else "cuda")


def cache_folder(cache: str | os.PathLike) -> Path:
    """Return the folder for compiled code: one per processor, since such code runs on its own model only.

    Environment variables and ~ are expanded here, where the job runs; raises ValueError for one that is not set.
    """
    try:
        return Path(places.expanded(str(cache))).resolve() / processor()
    except ValueError as error:
        raise ValueError(f"compile_cache: {str(cache)!r} {error}, such as the default, .cache/compile") from None


def processor() -> str:
    """Return a folder name for this machine's kind of processor."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.exists() else []
    facts = sorted({line for line in lines if line.startswith(("model name", "cpu family", "model\t", "flags"))})
    return f"{platform.machine()}-{zlib.crc32(' '.join(facts).encode()):08x}"


def name(device: torch.device) -> str:
    """Return what a result file says of the device."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"cpu: {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"


def memory(device: torch.device) -> int | None:
    """Return the bytes that training may take on a GPU, four fifths of what it has; None on a CPU: no bound.

    Not of what is free at the moment, so that a batch is cut the same way each time.
    """
    return torch.cuda.mem_get_info(device)[1] * 4 // 5 if device.type == "cuda" else None


def usage(device: torch.device) -> dict[str, str]:
    """Return what a result file says of how a GPU was used: its memory at most, and how busy it was at the end."""
    if device.type != "cuda":
        return {}
    peak = torch.cuda.max_memory_allocated(device) / 2**20
    return {"device_memory_peak": f"{peak:.0f} MiB", "device_utilization": utilization(device)}


def utilization(device: torch.device) -> str:
    """Return the share of the last second in which a GPU computed, as nvidia-smi says, or `unknown`."""
    which = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
    query = ["nvidia-smi", f"--id={which}", "--query-gpu=utilization.gpu", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
