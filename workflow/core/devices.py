"""Whether jobs that train get a GPU; without torch, which takes too long to import where rules are read."""

import shutil
from collections.abc import Mapping, Sequence

from workflow.core.configuration import Run


def gpu(cfg: Run, assigned: Mapping[str, Mapping], rules: Sequence[str]) -> bool:
    """Return whether the rules that train get a GPU.

    With `auto` they do where the profile gives them one (`assigned`: its resources by rule, as workflow/profiles/slurm
    sets them for jobs on other machines); where no profile says anything of it, where this machine has one.
    """
    if cfg.device != "auto":
        return cfg.device == "cuda"
    given = [assigned[rule]["gpu"] for rule in rules if "gpu" in assigned.get(rule, {})]
    return int(getattr(given[0], "value", given[0])) > 0 if given else shutil.which("nvidia-smi") is not None
