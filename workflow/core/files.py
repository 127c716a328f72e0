"""Files in YAML as a person means them: what YAML 1.1 would take for something else without a word is a fault."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the former needs a library in C, and is ten times as fast
TAG = "tag:yaml.org,2002:"
DIGITS = re.compile(r"[-+]?[0-9]+(_[0-9]+)*")


def read(path: Path) -> tuple[Any, list[str]]:
    """Return what a file holds, None where it cannot be read, and a line for each fault, with that of the file.

    A file in JSON, which Snakemake reads as well, is one in YAML but for its tabs.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return None, [
            f"line {line}: the byte {error.object[error.start]:#04x} is no UTF-8; allowed: text in UTF-8; "
            "save the file in that encoding"
        ]
    except OSError as error:
        return None, [f"{error.strerror}; allowed: a file that can be read; give its path"]
    try:
        value = json.loads(text)
        return value, parse(text.replace("\t", " "))[1]
    except ValueError:
        return parse(text)


def section(path: Path) -> tuple[dict, list[str]]:
    """Return the keys of a file of configuration, and a line for each fault, with the file's name."""
    value, found = read(path)
    if not found and not isinstance(value, dict):
        given = "nothing" if value is None else f"{type(value).__name__} {str(value)[:60]!r}"
        found = [f"{given} given; allowed: keys with their values, such as `seeds: 20`; write one, or leave it out"]
    return value, [f"{path}: {fault}" for fault in found]


def given(entries: Iterable[str]) -> list[str]:
    """Return a line for each fault of what follows --config, NAME=VALUE each: a key that is given twice."""
    pairs = [entry.split("=", 1) for entry in entries if "=" in entry]
    values = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    found = [f"--config {name}: {fault}" for name, value in pairs for fault in parse(value, yaml.BaseLoader)[1]]
    twice = [name for name, told in values.items() if len(told) > 1 and not all(map(_is_section, told))]
    return found + [
        f"--config {name}: {', '.join(values[name])} given, and the last would win; allowed: each key once; write one"
        for name in twice
    ]


def _is_section(text: str) -> bool:
    return text.lstrip().startswith("{")  # two of them merge


def parse(text: str, loader: type = LOADER) -> tuple[Any, list[str]]:
    """Return what a text in YAML says, and a line for each fault."""
    try:
        reader = loader(text)
        node = reader.get_single_node()
        found = list(dict.fromkeys(_faults(node, ()))) if node else []
        return (reader.construct_document(node) if node and not found else None), found
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return None, [f"line {mark.line + 1}: {_told(error, text.splitlines()[mark.line : mark.line + 1])}"]
    except yaml.YAMLError as error:
        return None, [f"{' '.join(str(error).split())}; allowed: text in YAML; remove that character"]
    except ValueError as error:  # such as a date of 30 February
        return None, [f"{error}; allowed: text in YAML; write it in quotes"]


def _told(error: yaml.MarkedYAMLError, line: list[str]) -> str:
    problem = " ".join((error.problem or error.context or "no YAML").split())
    if any("\t" in text[: len(text) - len(text.lstrip())] for text in line):
        return f"{problem}; allowed: blanks before a key; replace the tabs by blanks"
    if "document" in problem:
        return f"{problem}; allowed: one document; remove the line `---` and what is not to be read"
    return f"{problem}; allowed: text in YAML; mend that line"


def _faults(node: yaml.Node, above: tuple[yaml.Node, ...]) -> Iterator[str]:
    line = node.start_mark.line + 1
    if node in above:
        yield f"line {line}: an alias stands for what it is in; allowed: an alias of something else; write it out"
    elif isinstance(node, yaml.ScalarNode):
        yield from (f"line {line}: {fault}" for fault in _misread(node))
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _faults(each, (*above, node))
    else:
        yield from _keys(node)
        for _, value in node.value:
            yield from _faults(value, (*above, node))


def _keys(node: yaml.MappingNode) -> Iterator[str]:
    first: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            yield f"line {line}: a list or a section stands for a key; allowed: text; write a name"
            continue
        kind = key.tag.removeprefix(TAG)
        if kind not in ("str", "merge"):
            yield f"line {line}: the key '{key.value}' is read as {kind}; allowed: text; write it in quotes"
        if key.value in first:
            yield (
                f"line {line}: {key.value} stands already in line {first[key.value]}, and the last would win; allowed: "
                "each key once; put both together, or remove one"
            )
        first.setdefault(key.value, line)


def _misread(node: yaml.ScalarNode) -> Iterator[str]:
    text, kind = node.value, node.tag.removeprefix(TAG)
    if kind == "timestamp":
        yield f"{text} is read as a date; allowed: a number or text; write '{text}'"
    elif kind in ("int", "float") and ":" in text:
        value = yaml.load(text, LOADER)
        yield f"{text} is read to base 60, as {value}; allowed: a number in decimals; write {value}, or '{text}'"
    elif kind == "int" and DIGITS.fullmatch(text) and (value := yaml.load(text, LOADER)) != int(text):
        yield f"{text} is read to base 8, as {value}; allowed: no 0 before a number; write {int(text)} or {value}"
