"""Files that are written whole or not at all."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path


class WriteError(RuntimeError):
    """A file cannot be written; the message names it, the reason, the room that is left and the remedy."""


@contextlib.contextmanager
def whole(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary name in the folder of `path` to write to; it is renamed at the end, or removed on an error.

    Raises WriteError where the disk is full or the folder cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{uuid.uuid4()}.{path.name}")  # the ending stays: it tells formats apart
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:  # netCDF4 and torch raise RuntimeError on a full disk
        raise WriteError(
            f"{path}: cannot be written ({type(error).__name__}: {error}); {room(path)}; allowed: a folder that can be "
            "written, with room; make room or give the right to write, then run the same command again"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # of a folder that is not there or cannot be written
            temporary.unlink(missing_ok=True)


def room(path: Path) -> str:
    """Return how much room is left where a file is to be written."""
    folder = next(folder for folder in path.absolute().parents if folder.exists())
    return f"{shutil.disk_usage(folder).free / 2**20:.1f} MiB are free in {folder}"
