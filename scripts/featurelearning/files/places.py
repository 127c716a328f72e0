"""Paths that a user gives, with ~ and environment variables, and paths that every tool takes."""

import os
import re
import stat
import tempfile
from pathlib import Path

VARIABLE = re.compile(r"\$(?:(\w+)|\{([^}]*)\})", re.ASCII)  # what os.path.expandvars takes for one

PLAIN = re.compile(r"[\w@%+=:,./-]+")  # what a shell, or a program that writes commands, takes for one word as it is


def expanded(path: str) -> str:
    """Return a path with ~, ~user and $VARIABLES expanded; a relative one stays relative.

    Raises ValueError, naming it, for a variable that is empty or not set, and for a user that there is none of.
    """
    names = [plain or braced for plain, braced in VARIABLE.findall(path)]
    missing = [f"the environment variable {name}" for name in names if not os.environ.get(name)]
    found = os.path.expanduser(os.path.expandvars(path))
    missing += ["the home folder " + found.split("/")[0]] if found.startswith("~") else []
    if missing:
        raise ValueError(
            f"names {', '.join(missing)}, which is not set here; allowed: a folder, or variables that every machine of "
            "the run sets; write the folder itself"
        )
    return found


def is_plain(path: str | os.PathLike) -> bool:
    """Return whether a path is one word in commands that are written without quotes."""
    return PLAIN.fullmatch(os.fspath(path)) is not None


def private() -> Path:
    """Return a folder of a plain path that belongs to this user alone: in their cache, or among temporary files.

    Raises OSError where there is no place for one.
    """
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    user = os.getuid() if hasattr(os, "getuid") else "user"
    candidates = dict.fromkeys([caches, tempfile.gettempdir(), "/tmp", "/var/tmp"])
    for place in filter(is_plain, candidates):
        folder = Path(place) / f"featurelearning-{user}"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = folder.lstat()
        except OSError:
            continue
        mine = user in (status.st_uid, "user") and stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o022
        if mine and os.access(folder, os.W_OK):
            return folder
    raise OSError(
        f"{', '.join(candidates)}: none of them can be used for a folder of your own; allowed: one that you can write, "
        "with a path of letters, digits and @%+=:,./-_; set TMPDIR to such a one"
    )
