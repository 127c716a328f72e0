"""The profile for SLURM: which rules get a GPU, and what the environment says of partitions and accounts."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from featurelearning.preconditioning.studies import STUDIES
from repository import ROOT

READ = """import json, yte
with open("workflow/profiles/slurm/config.yaml", encoding="utf-8") as file:
    print(json.dumps(yte.process_yaml(file, require_use_yte=True)))
"""
TRAINING = {rule for study in STUDIES for rule in study.training}
TOY = """from featurelearning.evidence.studies import Study
STUDIES = (Study("one", "toy", "a title", "a reference", training=("train_toy",)),)
"""


def profile(folder, **names: str) -> dict:
    """Return the profile as Snakemake reads it in a checkout, with these variables set and no others of its own."""
    own = ("GPUS", "GPU_PARTITION", "CPU_PARTITION", "SBATCH_ACCOUNT")
    environment = {name: value for name, value in os.environ.items() if name not in own} | names
    done = subprocess.run([sys.executable, "-c", READ], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({}, {"gpu": 1, "slurm_partition": "gpu"}),
        ({"GPUS": "", "GPU_PARTITION": ""}, {"gpu": 1, "slurm_partition": "gpu"}),  # empty is not set
        ({"GPUS": "2", "GPU_PARTITION": "a100"}, {"gpu": 2, "slurm_partition": "a100"}),
        ({"GPUS": "0", "GPU_PARTITION": "a100"}, {"gpu": 0}),
    ],
)
def test_the_rules_that_train_get_what_the_environment_says(names, expected):
    assert profile(ROOT, **names)["set-resources"] == dict.fromkeys(TRAINING, expected)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({}, {}),
        ({"CPU_PARTITION": "", "SBATCH_ACCOUNT": ""}, {}),
        ({"CPU_PARTITION": "short", "SBATCH_ACCOUNT": "lab"}, {"slurm_partition": "short", "slurm_account": "lab"}),
    ],
)
def test_all_other_jobs_go_where_the_environment_says(names, expected):
    assert profile(ROOT, **names)["default-resources"] == {"tmpdir": "system_tmpdir", **expected}


def test_the_rules_of_a_new_study_get_a_gpu_without_an_edit(tmp_path):
    for part in ("workflow", "scripts"):
        shutil.copytree(ROOT / part, tmp_path / part)
    for place, text in {"workflow/toy/configuration.py": "", "scripts/featurelearning/toy/studies.py": TOY}.items():
        (tmp_path / place).parent.mkdir()
        (tmp_path / place).write_text(text)
    assert set(profile(tmp_path)["set-resources"]) == TRAINING | {"train_toy"}
