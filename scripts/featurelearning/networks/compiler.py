"""The C++ compiler of this machine, as $CXX names it."""

import os
import shlex
import shutil


def words() -> list[str]:
    """Return the words of $CXX, split as a shell does: `ccache g++`, `g++ -O2`; none where it is empty or not set."""
    given = os.environ.get("CXX", "")
    try:
        return shlex.split(given)
    except ValueError:  # a quote that is not closed
        return [given]


def command() -> list[str] | None:
    """Return the compiler's command, its program with the whole path: $CXX or g++, else clang++; None without any."""
    candidates = (words() or ["g++"], ["clang++"])
    found = ([shutil.which(program), *options] for program, *options in candidates)
    return next((each for each in found if each[0]), None)


def last_line(text: str) -> str:
    """Return the last line of what a compiler said that is not empty."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
