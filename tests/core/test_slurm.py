"""The workflow on a real Slurm, which the tests start: a run past an outage, and jobs that fail in every way."""

import contextlib
import filecmp
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import slurm
from featurelearning.files import records
from repository import CACHE, TINY, copy_of_repository, hostile, require

# Jobs here are over in seconds, so their states are asked for sooner than the profile does.
PROFILE = ["-m", "snakemake", "--profile", "workflow/profiles/slurm", *TINY]
PROFILE += ["--slurm-init-seconds-before-status-checks", "4"]
# Two studies, which have all rules that train, with fewer arms: Snakemake is started twice for every job on Slurm.
STUDIES = ("noise", "ood")
SMALLER = [
    "ood={only: [sgd, sigma_power]}",
    "noise={snrs: [1], estimators: {population: [1], empirical: []}, only: []}",
]

PAPER = "results/preconditioning"
TRAINING = {"train_single_index", "tune_images", "train_images"}  # the rules that get a GPU
HERE = {"mnist", "plot_preconditioning", "judge", *STUDIES, *(f"aggregate_{study}" for study in STUDIES)}
SECONDS = 600  # that a run may take
TUNED = {arm: f"{PAPER}/ood/tune/mnist/{arm}.nc" for arm in ("adam", "momentum", "sgd")}

# Python imports a module of this name by itself. In a job's script it writes down which GPUs the job sees.
SITECUSTOMIZE = """\
import os
import sys

if "SLURM_JOB_ID" in os.environ and ".snakemake/scripts/" in sys.orig_argv[-1]:
    path = os.path.join(os.path.dirname(__file__), os.environ["SLURM_JOB_ID"] + ".gpus")
    with open(path, "w", encoding="utf-8") as file:
        file.write(os.environ.get("CUDA_VISIBLE_DEVICES", ""))
"""

# More memory than the first attempt has and less than the second; training to the end, after that of a fifth of the
# steps, which waits at each of its three records: Slurm ends the first attempt within the second wait, and the second
# one has time for what is left.
FAULTS = """\
    import time
    import numpy as np

    params = snakemake.params
    if params.arm["id"] == "adam":
        held = np.ones(int(1.8e9) // 8)
        time.sleep(6)
        del held
    if params.arm["id"] == "momentum":
        joblog.progress = lambda steps, _: lambda step: steps == 20 and job.checkpoint.stop.wait(50)
"""
# A job that does not end by itself while its run is not resumed.
WAITS = """\
    from pathlib import Path

    if not Path("resumed").exists():
        job.checkpoint.stop.wait(600)
"""
MINUTES = "attempt if wildcards.arm == 'momentum' else 60"
NEVER = "ood={methods: {sgd: {tune: {learning_rate: [1.0e+30, 1.0e+31]}}}}"  # every model diverges


class Ended(NamedTuple):
    """A run of Snakemake that has ended."""

    folder: Path
    returncode: int
    output: str
    jobs: list[dict[str, str]]  # what Slurm's accounting says of them

    def of(self, arm: str) -> list[dict[str, str]]:
        """Return the jobs that tuned an arm, in the order of their start."""
        return sorted(
            (job for job in self.jobs if job["Comment"] == f"rule_tune_images_wildcards_ood_mnist_{arm}"), key=number
        )

    def log(self, job: dict[str, str]) -> str:
        """Return what Slurm has written of a job that failed."""
        [path] = (self.folder / "results/logs/slurm").rglob(f"{job['JobID']}.log")
        return path.read_text(encoding="utf-8")


class Record(NamedTuple):
    """What is left of the cluster and its runs when both have ended."""

    through: Ended  # two studies, while the controller is restarted and a node is lost
    faults: Ended  # jobs that take too much memory, too much time, and that cannot succeed
    resumed: Ended  # `make resume` after Snakemake was killed beside a running job
    meanwhile: list[str]  # jobs that ran while the controller was away
    lost: str  # the job whose node was taken away
    gpus: dict[str, str]  # CUDA_VISIBLE_DEVICES as each job saw it
    left: list[int]  # processes


@contextlib.contextmanager
def snakemake(folder: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen]:
    """Run Snakemake with the profile of Slurm in the background; leaving ends it."""
    with open(folder / "output.txt", "wb") as output:
        process = subprocess.Popen(
            [sys.executable, *PROFILE, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def output(folder: Path) -> str:
    return (folder / "output.txt").read_text(encoding="utf-8", errors="replace")


def ended(process: subprocess.Popen, folder: Path, cluster: slurm.Cluster) -> Ended:
    """Wait for a run's end; one that goes on for too long fails with what it said last."""
    try:
        process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        pytest.fail(f"Snakemake has not ended within {SECONDS} s:\n{output(folder)[-6000:]}")
    jobs = [job for job in cluster.accounting() if job["WorkDir"] == str(folder)]
    return Ended(folder, process.returncode, output(folder), jobs)


def running(cluster: slurm.Cluster, folder: Path) -> list[dict[str, str]]:
    """Return the jobs of a run that are running, the latest started first."""
    return [job for job in cluster.queue("--states=running") if job["WORK_DIR"] == str(folder)]


def restart_the_controller(cluster: slurm.Cluster, folder: Path, begun: Callable[[], set[str]]) -> list[str]:
    """Stop and start the controller while jobs of a run are at work; return those.

    A job that is about to call srun just then is delayed by a minute, so each must be past that.
    """

    def at_work():
        jobs = {job["JOBID"] for job in running(cluster, folder)}
        return jobs if jobs <= begun() else None

    jobs = slurm.wait(at_work, "jobs that are at work", 120)
    cluster.restart_controller(pause=5)
    return sorted(jobs)


def lose_a_node(cluster: slurm.Cluster, folder: Path, name: str) -> str:
    """Take the node away on which a job of a rule has just begun, until that runs on another one; return the job."""

    def begun():
        return [job for job in running(cluster, folder) if job["COMMENT"].startswith(f"rule_{name}_")]

    [job, *_] = slurm.wait(begun, f"a running job of {name}", 300)
    cluster.down(job["NODELIST"])

    def elsewhere():
        again = [each for each in running(cluster, folder) if each["JOBID"] == job["JOBID"]]
        return again and again[0]["NODELIST"] != job["NODELIST"]

    slurm.wait(elsewhere, "the job on another node", 120)
    cluster.resume(job["NODELIST"])
    return job["JOBID"]


def kill_and_resume(cluster: slurm.Cluster, folder: Path, environment: dict[str, str]) -> Ended:
    """Kill Snakemake, not its job, as soon as the job runs; go on as `make resume` does; return how that ended."""
    words = ["--rerun-triggers", "mtime", "--config", CACHE, "--", TUNED["sgd"]]
    with snakemake(folder, *words, **environment) as killed:
        slurm.wait(lambda: running(cluster, folder), "a running job", 300)  # others wait for the same GPUs
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
    (folder / "resumed").touch()
    command = [sys.executable, "-m", "workflow.core.resume", *PROFILE[2:], *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS)
    jobs = [job for job in cluster.accounting() if job["WorkDir"] == str(folder)]
    return Ended(folder, done.returncode, done.stdout + done.stderr, jobs)


def rule(job: dict[str, str]) -> str:
    """Return the rule of a job by the comment that the plugin gives it."""
    return re.match(r"rule_(\w+?)(_wildcards_|$)", job["Comment"])[1]


def number(job: dict[str, str]) -> int:
    return int(job["JobID"])


def output_of(job: str, text: str) -> str:
    """Return the file that a job of Slurm makes, from the output of Snakemake."""
    own = re.search(rf"^Job (\d+) has been submitted with SLURM jobid {job} ", text, re.MULTILINE)[1]
    return re.search(rf"^    output: (\S+)\n(?:    .*\n)*?    jobid: {own}$", text, re.MULTILINE)[1]


def shard_files(folder: Path) -> list[Path]:
    """Return the files of all studies but the aggregated ones."""
    return sorted(path for study in STUDIES for path in (folder / PAPER / study).rglob("*.nc"))


def same(path: str | Path, one: Path, other: Path) -> bool:
    """Return whether two folders have the same file at a path, byte for byte."""
    return filecmp.cmp(one / path, other / path, shallow=False)


def alike(path: str, one: Path, other: Path) -> bool:
    """Return whether two folders have the same values at a path; what a job says of itself may differ."""
    found, wanted = (records.read(folder / path).drop_attrs() for folder in (one, other))
    return found.identical(wanted)


@pytest.fixture(scope="session")
def installed():
    programs = ", ".join(slurm.PROGRAMS)
    require(slurm.installed(), f"a cluster of our own needs root and, from Debian's packages of Slurm, {programs}")


def unfinished(finished: Path, folder: Path, before: str) -> Path:
    """Copy a finished run without the files of three jobs, which now do something before their work."""
    shutil.copytree(finished, folder, symlinks=True)
    for path in TUNED.values():
        (folder / path).unlink()
    script, first = folder / "scripts/preconditioning/tune_images.py", "    image_training.tune("
    text = script.read_text(encoding="utf-8")
    assert first in text
    script.write_text(text.replace(first, before + first), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def runs(installed, request, tmp_path_factory):
    """A run that is disturbed from outside, and one whose jobs fail by themselves.

    The former's environment has whatever a shell, a notebook or a cluster may have set for other work. It waits more
    than it computes, so it begins while others make the finished copy that all else here needs.
    """
    folder = tmp_path_factory.mktemp("slurm")
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE, encoding="utf-8")
    fresh = copy_of_repository(folder / "through")
    resources = [f"tune_images:runtime={MINUTES}", "tune_images:gpu=1", "tune_images:slurm_partition=gpu"]
    three = ["--rerun-triggers", "mtime", "--set-resources", *resources]
    three += ["--config", CACHE, NEVER, "--", *TUNED.values()]
    with slurm.Cluster() as cluster:
        environment = cluster.environment | {"PYTHONPATH": str(folder)}
        unfriendly = environment | hostile(folder) | {"SBATCH_ACCOUNT": "project"}
        unfriendly["PYTHONPATH"] += f"{os.pathsep}{folder}"
        with contextlib.ExitStack() as stack:
            whole = ["--jobs", "12", "--config", CACHE, *SMALLER, "--", *STUDIES]
            through = stack.enter_context(snakemake(fresh, *whole, **unfriendly))
            meanwhile = restart_the_controller(cluster, fresh, lambda: {path.stem for path in folder.glob("*.gpus")})
            lost = lose_a_node(cluster, fresh, "evaluate_noise")
            finished = request.getfixturevalue("finished")
            copy = unfinished(finished, folder / "faults", FAULTS)
            faults = stack.enter_context(snakemake(copy, "--jobs", "3", *three, **environment))
            resumed = kill_and_resume(cluster, unfinished(finished, folder / "killed", WAITS), environment)
            through, faults = ended(through, fresh, cluster), ended(faults, copy, cluster)
        table = cluster.table(re.search(r"SLURM run ID: (\S+)", through.output)[1])
    (folder / "sacct.txt").write_text(table, encoding="utf-8")
    print(table)
    gpus = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.gpus")}
    return Record(through, faults, resumed, meanwhile, lost, gpus, cluster.survivors + cluster.processes())


def test_every_job_of_a_run_is_a_job_of_slurm(runs):
    through = runs.through
    assert through.returncode == 0, through.output[-6000:]
    planned = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", through.output, re.MULTILINE)}
    expected = {name: count for name, count in planned.items() if name not in {*HERE, "total"}}
    done = {job["Comment"]: rule(job) for job in through.jobs if job["State"] == "COMPLETED"}
    assert Counter(done.values()) == expected and sum(expected.values()) > 20
    assert {job["Account"] for job in through.jobs} == {"project"}


def test_training_gets_one_gpu_and_the_other_jobs_none(runs):
    trained = [job for job in runs.through.jobs if rule(job) in TRAINING]
    others = [job for job in runs.through.jobs if rule(job) not in TRAINING]
    assert trained and {job["Partition"] for job in trained} == {"gpu"}
    assert all("gres/gpu=1," in job["AllocTRES"] for job in trained)
    assert {runs.gpus[job["JobID"]] for job in trained} == {"0", "1"}
    assert others and {job["Partition"] for job in others} == {"cpu"}
    assert not any("gpu" in job["AllocTRES"] for job in others)
    assert {runs.gpus[job["JobID"]] for job in others} == {""}


def test_files_are_those_of_a_local_run_byte_for_byte(runs, finished):
    shards = [path.relative_to(runs.through.folder) for path in shard_files(runs.through.folder)]
    assert len(shards) == len({job["Comment"] for job in runs.through.jobs})
    assert [path for path in shards if not same(path, runs.through.folder, finished)] == []
    judged = {path.parent.name for path in (runs.through.folder / PAPER).glob("*/claims.csv")}
    assert judged == set(STUDIES)


def test_a_restart_of_the_controller_is_survived(runs):
    states = {job["JobID"]: job["State"] for job in runs.through.jobs}
    assert runs.meanwhile and {states[job] for job in runs.meanwhile} == {"COMPLETED"}
    assert max(map(number, runs.through.jobs)) > max(map(int, runs.meanwhile))  # others came after it


def test_a_job_whose_node_is_lost_is_run_on_another_and_not_submitted_again(runs, finished):
    jobs = runs.through.jobs
    [comment] = {job["Comment"] for job in jobs if job["JobID"] == runs.lost}
    rows = [job for job in jobs if job["Comment"] == comment]
    assert [(job["JobID"], job["State"]) for job in rows] == [(runs.lost, "NODE_FAIL"), (runs.lost, "COMPLETED")]
    assert {job["NodeList"] for job in rows} == {"n1", "n2"}
    assert same(output_of(runs.lost, runs.through.output), runs.through.folder, finished)


def test_a_job_that_needs_more_memory_is_killed_and_gets_it(runs):
    first, second = runs.faults.of("adam")
    assert first["State"] == "FAILED" and first["ReqMem"] == "1500M"
    assert "exceeded memory limit" in runs.faults.log(first)
    assert second["State"] == "COMPLETED" and second["ReqMem"] == "3000M"


def test_a_job_that_needs_more_time_saves_its_state_and_gets_it_for_the_rest(runs, finished):
    first, *others, last = runs.faults.of("momentum")  # on a busy machine the second may need more, too
    assert [job["State"] for job in (first, *others)] == ["TIMEOUT"] * (1 + len(others))
    assert last["State"] == "COMPLETED"
    limits = [job["Timelimit"] for job in (first, *others, last)]
    assert limits == ["00:01:00", "00:02:00", "00:03:00"][: len(limits)]
    assert "DUE TO TIME LIMIT" in runs.faults.log(first)
    log = (runs.faults.folder / "results/logs/preconditioning/ood/tune/mnist/momentum.log").read_text(encoding="utf-8")
    reached = re.findall(r"^training goes on after step (\d+), saved in results/state/", log, re.MULTILINE)
    assert "4" in reached and {"4"} < set(reached) <= {str(step) for step in range(1, 20)}
    assert alike(TUNED["momentum"], runs.faults.folder, finished)


def test_a_job_that_cannot_succeed_fails_and_says_why_and_the_others_go_on(runs):
    faults = runs.faults
    assert faults.returncode == 1
    assert [job["State"] for job in faults.of("sgd")] == ["FAILED"] * 3
    assert {arm for arm, path in TUNED.items() if (faults.folder / path).exists()} == {"adam", "momentum"}
    why = "every model diverged, the first in step 2: sgd on mnist learning rate 1e+30 seed 1000, sgd on mnist learning"
    assert "Logfile results/logs/preconditioning/ood/tune/mnist/sgd.log:" in faults.output and why in faults.output


def test_what_a_killed_run_left_in_the_queue_is_cancelled_before_it_goes_on(runs, finished):
    resumed = runs.resumed
    assert resumed.returncode == 0, resumed.output[-3000:]
    # The cluster's nodes are this machine, so that a job whose script has begun is stopped here first, and then fails.
    assert re.search("resume: stopping ([01] jobs here and 1|1 jobs here and 0) in SLURM's queue", resumed.output)
    first, second = resumed.of("sgd")
    assert first["State"].startswith(("CANCELLED", "FAILED")) and second["State"] == "COMPLETED"
    assert first["End"] <= second["Start"]
    assert alike(TUNED["sgd"], resumed.folder, finished)


def test_nothing_is_left_running(runs):
    assert runs.left == []


def test_a_cluster_that_cannot_start_says_why_and_leaves_nothing_running(installed, monkeypatch):
    monkeypatch.setattr(slurm, "SLURM", slurm.SLURM.replace("={host}(", "=elsewhere("))
    cluster = slurm.Cluster()
    with pytest.raises(RuntimeError, match="slurmctld has ended:(.|\n)*not a valid controller"), cluster:
        pass
    assert cluster.survivors + cluster.processes() == [] and not cluster.folder.exists()


@pytest.mark.parametrize(("gpus", "partition"), [("2", "a100"), ("0", "short")])
def test_partition_account_and_gpu_count_come_from_the_environment(tmp_path, gpus, partition):
    names = {"CPU_PARTITION": "short", "GPU_PARTITION": "a100", "SBATCH_ACCOUNT": "lab", "GPUS": gpus}
    folder = copy_of_repository(tmp_path / "repository")
    with snakemake(folder, "--dry-run", "--config", CACHE, **os.environ | names) as process:
        assert process.wait(SECONDS) == 0, output(folder)[-3000:]
    asked = dict(re.findall(r"^rule (\w+):\n(?:    .*\n)*?    resources: (.*)$", output(folder), re.MULTILINE))
    assert asked.keys() > TRAINING
    for name, resources in asked.items():
        found = dict(each.split("=", 1) for each in resources.split(", "))
        assert found["slurm_account"] == "lab"
        expected = (partition, gpus) if name in TRAINING else ("short", None)
        assert (found["slurm_partition"], found.get("gpu")) == expected
