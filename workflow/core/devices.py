"""Whether jobs that train get a GPU; without torch, which takes too long to import where rules are read."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

from workflow.core.configuration import Run

PATIENCE = 120  # seconds for an answer


def gpu(cfg: Run, assigned: Mapping[str, Mapping], rules: Sequence[str]) -> bool:
    """Return whether the rules that train get a GPU.

    With `auto` they do where the profile gives them one (`assigned`: its resources by rule, as workflow/profiles/slurm
    sets them for jobs on other machines); where no profile says anything of it, where this machine has one.
    """
    if cfg.device != "auto":
        return cfg.device == "cuda"
    given = [assigned[rule]["gpu"] for rule in rules if "gpu" in assigned.get(rule, {})]
    return int(getattr(given[0], "value", given[0])) > 0 if given else here()


def here() -> bool:
    """Return whether this machine has a GPU that torch can use.

    Torch itself is asked, which takes seconds, only where there may be one; where this environment has none, as with
    conda, nvidia-smi is.
    """
    if shutil.which("nvidia-smi") is None or os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    try:
        if importlib.metadata.version("torch").endswith("+cpu"):
            return False
        command = [sys.executable, "-c", "import sys, torch; sys.exit(not torch.cuda.is_available())"]
    except importlib.metadata.PackageNotFoundError:
        command = ["nvidia-smi", "--list-gpus"]
    try:
        return subprocess.run(command, capture_output=True, timeout=PATIENCE).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False
