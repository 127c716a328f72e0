"""What a file must carry of how it was made; the script that reads it refuses another, of other code or parameters."""

from collections.abc import Iterable, Mapping
from types import SimpleNamespace

UNRECORDED = ("expected", "machine", "threads", "code")  # parameters of a rule that its files do not record as such


def must_carry(params, wildcards: Mapping | None = None, arms: Iterable = (), models=None) -> dict:
    """Return the attributes `code_fingerprint` and `parameters` that files of a rule with these `params` must carry.

    wildcards: those of the job that makes the file. None: what the files of all of the rule's jobs have in common,
    which is the parameters that depend on no wildcard, and a code out of those of the arms. models: the params of the
    rule that trained what this one evaluates, or whose parameters are recorded as well. A file that was gathered from
    evaluated ones carries the parameters of these, too.
    """
    given = {key: value for key, value in params.items() if key not in UNRECORDED}
    code = dict(params.items())["code"]
    if wildcards is None:
        codes = {code(SimpleNamespace(arm=arm.id)) for arm in arms} if callable(code) else {code}
        result = {"code_fingerprint": sorted(codes)}
        parameters = {key: value for key, value in given.items() if not callable(value)}
        if models is not None:
            trained = must_carry(models, arms=arms)
            result["model_code_fingerprint"] = trained["code_fingerprint"]
            parameters = trained["parameters"] | parameters
        return result | {"parameters": parameters}
    labels = SimpleNamespace(**wildcards)
    resolved = {key: value(labels) if callable(value) else value for key, value in given.items()}
    filled = {key: value.format(**wildcards) if isinstance(value, str) else value for key, value in resolved.items()}
    gathered = dict(params.items()).get("expected", {})
    if isinstance(gathered, Mapping) and "evaluate" in gathered:
        filled |= gathered["evaluate"]["parameters"]
    return {"code_fingerprint": code(labels) if callable(code) else code, "parameters": filled}
