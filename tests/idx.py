"""Files in the idx format of MNIST, written from its description."""

import struct
from pathlib import Path

import numpy as np


def write_idx(path: Path, array: np.ndarray, magic: bytes | None = None, cut: int | None = None) -> Path:
    """Write the idx format from its description: magic, big-endian sizes, bytes in C order."""
    magic = magic or bytes([0, 0, 8, array.ndim])
    path.write_bytes((magic + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes())[:cut])
    return path
