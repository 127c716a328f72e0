"""The messages of the configuration: pydantic's errors in the words of a person who edits a YAML file."""

import difflib
import json
import re
from typing import Any

CUTOFF = 0.7  # of difflib: keeps the answer to gpu from being cpu


def dotted(loc: tuple) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc if part != "[key]"]
    return "".join(parts).removeprefix(".") or "config"


def shown(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)  # as YAML writes it: true, null
    return text if len(text) <= 120 else text[:117] + "..."


def nearest(key: str, keys: list[str]) -> str:
    for named in (known.rsplit(".*.", 1)[0] for known in keys if ".*." in known):
        key = re.sub(rf"^{re.escape(named)}\.[^.]+\.", f"{named}.*.", key)
    *section, name = key.split(".")
    siblings = {known.split(".")[-1]: known.split(".")[-1] for known in keys if known.split(".")[:-1] == section}
    everywhere = {known.split(".")[-1]: known for known in reversed(keys)}
    for known in (siblings, everywhere):
        if near := difflib.get_close_matches(name, known, 1, CUTOFF):
            return f"did you mean '{known[near[0]]}'?"
    return f"allowed here: {', '.join(siblings)}; remove it"


def example(loc: tuple, defaults: dict) -> str:
    value = defaults
    for part in loc:
        if isinstance(part, int):
            break
        if not isinstance(value, dict) or part not in value:
            return "config/README.md tells how to write it"
        value = value[part]
    return f"write for example the default, {shown(value)}"


def allowed(error: dict) -> str:
    words = {
        "tuple_type": "a list in brackets",
        "model_type": "a section of keys",
        "dict_type": "a section of keys",
        "too_short": "at least {min_length} of them",
        "bool_type": "true or false",
        "int_type": "an integer",
        "int_parsing": "an integer",
        "int_from_float": "an integer",
        "float_type": "a number",
        "float_parsing": "a number",
        "string_type": "text",
        "string_too_short": "text that is not empty",
        "string_pattern_mismatch": "a letter, then letters and digits only",
    }
    return words.get(error["type"], error["msg"].removeprefix("Input should be ")).format_map(error.get("ctx", {}))


def lines(error: dict, keys: list[str], defaults: dict) -> list[str]:
    """Return one of pydantic's errors as lines of key, value, what is allowed and how to mend it."""
    loc, key, given = error["loc"], dotted(error["loc"]), shown(error["input"])
    if error["type"] == "extra_forbidden":
        return [f"{key}: unknown key; {nearest(key, keys)} (given: {given})"]
    if error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]:
        return []  # pydantic counts the valid ones only; each of the others has its own line
    if error["type"] == "missing":
        return [f"{key}: missing; {example(loc, defaults)}"]
    if error["type"] == "value_error":
        return [f"{key}: {given} given; {problem}" for problem in str(error["ctx"]["error"]).split("\n")]
    choices = re.findall(r"'(\w+)'", error["msg"]) if error["type"] == "literal_error" else []
    near = difflib.get_close_matches(str(error["input"]), choices, 1, CUTOFF)
    remedy = f"did you mean '{near[0]}'?" if near else example(loc, defaults)
    return [f"{key}: {given} given; allowed: {allowed(error)}; {remedy}"]
