"""The conda environments: what each yaml asks for, what its pin holds, and what the scripts that run in it import."""

import ast
import re
import sys
from pathlib import Path

import pytest
import yaml
from rattler import BuildString, MatchSpec, PackageRecord

from workflow.core import fingerprint

ROOT = Path(__file__).parents[2]
ENVS = ROOT / "envs"
SCRIPTS = ROOT / "scripts"
WORKFLOW = ROOT / "workflow"
NAMES = ["data", "train-cpu", "train-cuda", "analysis", "snakemake"]
CHANNELS = {name: ["conda-forge", "nodefaults"] for name in NAMES}
CHANNELS["snakemake"] = ["conda-forge", "bioconda", "nodefaults"]
# conda's name of a package where it is not the name of the module
PACKAGES = {"sklearn": "scikit-learn", "torch": "pytorch", "yaml": "pyyaml", "matplotlib": "matplotlib-base"}
PACKAGES |= {"netCDF4": "netcdf4", "snakemake": "snakemake-minimal"}
BEHIND = {"xarray": {"netcdf4"}}  # xarray imports its netCDF engine by name
LINE = re.compile(
    r"https://conda\.anaconda\.org/(?P<channel>[\w-]+)/(?P<subdir>linux-64|noarch)/"
    r"(?P<name>[^/]+)-(?P<version>[^-/]+)-(?P<build>[^-/]+)\.(conda|tar\.bz2)#(?P<md5>[0-9a-f]{32})"
)


def load(name: str) -> dict:
    return yaml.safe_load((ENVS / f"{name}.yaml").read_text(encoding="utf-8"))


def specs(name: str) -> list[MatchSpec]:
    return [MatchSpec(spec) for spec in load(name)["dependencies"]]


def asked(name: str) -> set[str]:
    return {spec.name.normalized for spec in specs(name)}


def pin(name: str) -> list[re.Match]:
    """Return the packages of an explicit list; a line without an md5 of 32 digits fails here."""
    lines = (ENVS / f"{name}.linux-64.pin.txt").read_text(encoding="utf-8").splitlines()
    content = [line for line in lines if not line.startswith("#")]
    assert content[0] == "@EXPLICIT"
    matches = [(line, LINE.fullmatch(line)) for line in content[1:]]
    assert [line for line, match in matches if match is None] == []
    return [match for _, match in matches]


def record(package: re.Match) -> PackageRecord:
    name, version, build = package["name"], package["version"], package["build"]
    return PackageRecord(name, version, BuildString(build), 0, package["subdir"])


def rules() -> dict[str, str]:
    """Return the text of every rule that runs a script by its name; those that `use` a rule run its script."""
    found = {}
    for path in sorted(WORKFLOW.rglob("*.smk")):
        _, *parts = re.split(r"^rule (\w+):$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        found |= dict(zip(parts[::2], parts[1::2], strict=True))
    return {name: text for name, text in found.items() if "    script:" in text}


def environments(rule: str) -> list[str]:
    """Return the names of the environments that a rule's `conda:` may mean."""
    value = re.search(r"^    conda:\s+(.+)$", rule, flags=re.MULTILINE)
    assert value, "every rule names its environment"
    return ["train-cpu", "train-cuda"] if value[1] == "TRAIN_ENV" else [Path(value[1].strip("\"'")).stem]


def files(rule: str) -> list[Path]:
    """Return the scripts and the modules loaded by name that a rule's text mentions; `{...}` stands for any name."""
    patterns = re.findall(r"[\"'](?:\.\./\.\./scripts/)?([\w/{}.\[\]]+\.py)[\"']", rule)
    return [path for pattern in patterns for path in sorted(SCRIPTS.glob(re.sub(r"\{.*?\}", "*", pattern)))]


def packages(paths: list[Path], root: Path) -> set[str]:
    """Return conda's names of what the files import, directly or through modules of ours."""
    texts = [text for path, text in fingerprint.sources(paths, root).items() if path.suffix == ".py"]
    modules = {name.split(".")[0] for text in texts for name in fingerprint.imported(ast.parse(text))}
    foreign = {name for name in modules - sys.stdlib_module_names if fingerprint.module_file(name, root) is None}
    return {PACKAGES.get(name, name) for name in foreign}.union(*(BEHIND.get(name, ()) for name in foreign))


def test_every_environment_is_listed_here():
    assert {path.stem for path in ENVS.glob("*.yaml")} == set(NAMES)
    assert {path.name.split(".")[0] for path in ENVS.glob("*.pin.txt")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_channels(name):
    assert set(load(name)) == {"channels", "dependencies"}
    assert load(name)["channels"] == CHANNELS[name]
    assert {package["channel"] for package in pin(name)} == set(CHANNELS[name]) - {"nodefaults"}


@pytest.mark.parametrize("name", NAMES)
def test_versions_are_exact(name):
    assert [str(spec) for spec in specs(name) if not str(spec.version).startswith("==")] == []


@pytest.mark.parametrize("name", NAMES)
def test_pin_meets_every_spec(name):
    records = [record(package) for package in pin(name)]
    assert len({entry.name.normalized for entry in records}) == len(records), "a package appears twice"
    assert [str(spec) for spec in specs(name) if not any(spec.matches(entry) for entry in records)] == []


def test_environments_share_one_version_of_what_they_share():
    versions = {}
    for name in NAMES:
        for spec in specs(name):
            versions.setdefault(spec.name.normalized, set()).add(str(spec.version))
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_torch_builds_differ_by_device():
    builds = {name: [p["build"] for p in pin(name) if p["name"] == "pytorch"] for name in ("train-cpu", "train-cuda")}
    assert builds["train-cpu"][0].startswith("cpu_") and builds["train-cuda"][0].startswith("cuda")


def test_rules_are_found():
    assert {"mnist", "train_single_index", "evaluate_noise", "aggregate_noise", "plot"} <= set(rules())


@pytest.mark.parametrize("rule", rules())
def test_environment_of_a_rule_has_what_its_script_imports(rule):
    text = rules()[rule]
    assert files(text), "the script of the rule does not exist"
    for name in environments(text):
        assert packages(files(text), SCRIPTS) - asked(name) == set(), f"{rule} runs in {name}"


def test_snakemake_environment_has_what_parsing_imports():
    parsed = sorted(WORKFLOW.rglob("*.py"))
    names = {name for path in parsed for name in fingerprint.imported(ast.parse(path.read_text(encoding="utf-8")))}
    ours = [fingerprint.module_file(name, SCRIPTS) for name in sorted(names)]
    ours += SCRIPTS.glob("featurelearning/*/studies.py")  # which are loaded by the name of the paper
    needed = packages(parsed, ROOT) | packages([*filter(None, ours)], SCRIPTS)
    assert "pydantic" in needed
    assert needed - {"workflow", "featurelearning"} - asked("snakemake") == set()


def test_every_environment_is_used():
    used = {name for text in rules().values() for name in environments(text)}
    assert used == set(NAMES) - {"snakemake"}


def test_both_ways_to_snakemake_bring_the_executor_of_the_slurm_profile():
    profile = yaml.safe_load((WORKFLOW / "profiles/slurm/config.yaml").read_text(encoding="utf-8"))
    plugin = f"snakemake-executor-plugin-{profile['executor']}"
    locked = (ENVS / "requirements.txt").read_text(encoding="utf-8")
    version = re.search(rf"^{plugin}==(.+)$", locked, flags=re.MULTILINE)
    assert [str(spec.version) for spec in specs("snakemake") if spec.name.normalized == plugin] == [f"=={version[1]}"]


def test_the_catalog_entry_offers_the_deployment_that_there_is():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))["usage"]
    assert usage["software-stack-deployment"] == {"conda": True, "apptainer": False, "apptainer+conda": False}
    assert usage["report"] is True and (ROOT / "config/README.md").is_file()


def test_pip_lock_is_complete():
    lines = (ENVS / "requirements.txt").read_text(encoding="utf-8").splitlines()
    locked = [line for line in lines if line and not line.lstrip().startswith("#")]
    assert [line for line in locked if not re.fullmatch(r"[\w-]+==[\w.]+( ; .+)?", line)] == []
    wanted = re.findall(r"^[\w-]+", (ENVS / "requirements.in").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(wanted) <= {line.split("==")[0] for line in locked}
    assert [line for line in locked if line.startswith(("nvidia-", "cuda-", "triton"))] == [], "CPU needs none of them"
