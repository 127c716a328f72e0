"""A real Slurm on this machine: munge, accounting, controller and three nodes, all on loopback and in one folder.

It needs root and the Debian packages munge, slurmctld, slurmd, slurm-client, slurmdbd and mariadb-server-core, and
no systemd: each daemon runs in the foreground as a child of the tests.
"""

import contextlib
import csv
import io
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd", "sbatch", "srun", "sacct", "sacctmgr")
ACCOUNTS = ("unpaid", "project")  # the first is the user's default
CPU_NODES, GPU_NODE, GPUS = ("n1", "n2"), "g1", 2
NODES = (*CPU_NODES, GPU_NODE)
SECONDS = 60  # that a daemon may take to answer
ALLOCATED = "JobID,Comment,Account,Partition,NodeList,State,ExitCode,Timelimit,ReqMem,AllocTRES,Start,End,Elapsed"

# Memory is watched by sampling and processes by their group, since control groups are not to be had everywhere. A
# requeued job waits for cred_expire. A node that was set down stays so until it is resumed: ReturnToService. Commands
# that find no controller try again for MessageTimeout, so a restart of it goes unnoticed however busy the machine is.
SLURM = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[slurmctld]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=10
CredType=cred/munge
{addresses}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
MailProg=/bin/true
SchedulerParameters=sched_interval=1,bf_interval=2,batch_sched_delay=0,requeue_delay=1
KillWait=5
MinJobAge=300
SlurmctldTimeout=10
SlurmdTimeout=30
MessageTimeout=30
ReturnToService=1
EnforcePartLimits=ALL
SlurmdParameters=config_overrides
GresTypes=gpu
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={ports[slurmdbd]}
AccountingStoragePass={folder}/munge/socket
AccountingStorageEnforce=associations,limits
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
{nodes}
PartitionName=cpu Nodes=n1,n2 Default=YES DefMemPerNode=500 DefaultTime=10 MaxTime=1-00:00:00
PartitionName=gpu Nodes=g1 DefMemPerNode=500 DefaultTime=10 MaxTime=1-00:00:00
"""
NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 Boards=1 SocketsPerBoard=1 "
    "CoresPerSocket=2 ThreadsPerCore=1 RealMemory=16000{gres}"
)
GPU = "AutoDetect=off\nNodeName={node} Name=gpu File={folder}/dev/gpu[0-{last}]\n"  # any character device will do
ACCOUNTING = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={ports[slurmdbd]}
{addresses}
SlurmUser=root
PidFile={folder}/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=accounting
"""
MARIADB = ("mariadbd", "--no-defaults", "--user=root", "--innodb-log-file-size=32M")
# Snakemake calls srun in a job without any SLURM_* variable but a few numbers, so srun is told where its cluster is.
SRUN = '#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {srun} "$@"\n'


def installed() -> bool:
    """Return whether this machine can run the cluster."""
    return os.geteuid() == 0 and all(map(shutil.which, PROGRAMS))


def wait(condition: Callable[[], object], what: str, seconds: float = SECONDS) -> object:
    """Return the condition's value as soon as it is true; raises TimeoutError where it does not come true."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.1)
    return value


def free_ports(number: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody uses."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def resolves_to_loopback(host: str) -> bool:
    """Return whether daemons that listen on the address of the host's name are out of the network's reach."""
    with contextlib.suppress(OSError):
        return socket.gethostbyname(host).startswith("127.")
    return False


class Cluster:
    """A Slurm cluster as a context manager: nodes n1, n2 in the partition cpu, the default, and g1 with GPUs in gpu.

    `environment` is what its commands need. Raises RuntimeError with its log where a daemon does not start. Leaving
    ends jobs and daemons; what had to be killed for that is in `survivors`, which should be empty.
    """

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # a socket's path must be short
        self.daemons, self.survivors = {}, []
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM", "SBATCH", "SRUN"))}
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        self.environment = inherited | {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}

    def __enter__(self):
        # Whoever ends the tests by a signal, as CI does at its time limit, shall not leave a cluster behind.
        self.handler = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            self._configure()
            self._start_accounting()
            self._start_controller()
            for node in NODES:
                self._start(f"slurmd-{node}", "slurmd", "-D", "-N", node)
            self._wait_for_nodes(*NODES)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            if self._runs("slurmctld"):
                self._cancel_jobs()
        finally:
            for name in reversed(self.daemons):
                self._end(name)
            with contextlib.suppress(TimeoutError):
                wait(lambda: not self.processes(), "the end of all processes", 10)
            self.survivors = self.processes()
            for process in self.survivors:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            shutil.rmtree(self.folder)
            signal.signal(signal.SIGTERM, self.handler)

    def run(self, *command: str) -> str:
        """Return what a command of Slurm prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=SECONDS)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def queue(self, *options: str) -> list[dict[str, str]]:
        """Return the jobs that wait or run, the latest started first."""
        return self._rows("squeue", "--sort=-S", "--format=%i|%P|%T|%N|%k|%Z", *options)

    def accounting(self) -> list[dict[str, str]]:
        """Return a row for each job that ever was, and one more for each time that it was requeued."""
        return self._rows("sacct", *self._all_jobs(), "--parsable2", f"--format={ALLOCATED},JobName,WorkDir")

    def table(self, name: str) -> str:
        """Return the accounting of the jobs of one name for a person to read."""
        wide = "JobID%5,Comment%-92,Partition%9,NodeList%8,State%10,AllocTRES%-45,Elapsed"
        return self.run("sacct", *self._all_jobs(), f"--name={name}", f"--format={wide}")

    def restart_controller(self, pause: float) -> None:
        """Stop slurmctld for a while and start it again."""
        self._end("slurmctld")
        time.sleep(pause)
        self._start_controller()
        self._wait_for_nodes(*NODES)

    def down(self, node: str) -> None:
        """Take a node away; its jobs go back to the queue."""
        self.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")

    def resume(self, node: str) -> None:
        """Give a node back that was taken away."""
        self.run("scontrol", "update", f"nodename={node}", "state=resume")
        self._wait_for_nodes(node)

    def processes(self) -> list[int]:
        """Return the ids of the processes that belong to the cluster or to its jobs, by the folder that they name."""
        found, mark = [], str(self.folder).encode()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (process / "cmdline").read_bytes() + (process / "environ").read_bytes():
                    found.append(int(process.name))
        return found

    def _configure(self):
        """Write every file that the daemons read."""
        self.folder.chmod(0o755)  # munge refuses a socket that not everybody can reach
        for name in ("bin", "dev", "log", "munge", "run", "spool", "state"):
            (self.folder / name).mkdir()
        (self.folder / "key").mkdir(mode=0o700)
        self._write("key/munge.key", secrets.token_bytes(128), 0o600)
        host = socket.gethostname().split(".")[0]
        ports = dict(zip(("slurmctld", "slurmdbd", *NODES), free_ports(2 + len(NODES)), strict=True))
        # A name of another address would send the daemons there; munge's new key then keeps everybody else out.
        addresses = ("NoInAddrAny", "NoCtldInAddrAny") if resolves_to_loopback(host) else ()
        gres = {GPU_NODE: f" Gres=gpu:{GPUS}"}
        nodes = [NODE.format(name=n, host=host, port=ports[n], gres=gres.get(n, "")) for n in NODES]
        values = {"folder": self.folder, "host": host, "ports": ports, "nodes": "\n".join(nodes)}
        listen = {n: f"CommunicationParameters={','.join(addresses[:n])}" if addresses else "" for n in (1, 2)}
        self._write("slurm.conf", SLURM.format(**values, addresses=listen[2]))
        self._write("slurmdbd.conf", ACCOUNTING.format(**values, addresses=listen[1]), 0o600)
        self._write("gres.conf", GPU.format(folder=self.folder, node=GPU_NODE, last=GPUS - 1))
        for number in range(GPUS):
            (self.folder / f"dev/gpu{number}").symlink_to("/dev/null")
        self._write("cgroup.conf", "CgroupAutomount=no\n")
        self._write("bin/srun", SRUN.format(folder=self.folder, srun=shutil.which("srun")), 0o755)

    def _write(self, name, content, mode=0o644):
        path = self.folder / name
        path.touch(mode)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def _start_accounting(self):
        """Start munge and the database, and tell it who may use the cluster."""
        key, sockets, run = self.folder / "key", self.folder / "munge", self.folder / "run"
        munge = [f"--key-file={key}/munge.key", f"--seed-file={key}/seed", f"--pid-file={run}/munged.pid"]
        self._start("munged", "munged", "--foreground", f"--socket={sockets}/socket", *munge)
        self._wait_for("munged", (sockets / "socket").exists)
        self._make_database()
        data = self.folder / "data"
        options = [
            f"--datadir={data}",
            f"--socket={data}/socket",
            f"--pid-file={run}/mariadbd.pid",
            "--skip-networking",
        ]
        tuned = [
            "--innodb-buffer-pool-size=64M",
            "--innodb-lock-wait-timeout=900",
            "--innodb-flush-log-at-trx-commit=2",
        ]
        self._start("mariadbd", *MARIADB, *options, *tuned)
        self._wait_for("mariadbd", (data / "socket").exists)
        self._start("slurmdbd", "env", f"MYSQL_UNIX_PORT={data}/socket", "slurmdbd", "-D")
        self._wait_for("slurmdbd", lambda: self._answers("sacctmgr", "--noheader", "show", "cluster"))
        accounts = ",".join(ACCOUNTS)
        self.run("sacctmgr", "-iQ", "add", "cluster", "loopback")
        self.run("sacctmgr", "-iQ", "add", "account", accounts, "cluster=loopback")
        user = ["root", f"account={accounts}", f"defaultaccount={ACCOUNTS[0]}", "cluster=loopback"]
        self.run("sacctmgr", "-iQ", "add", "user", *user)

    def _make_database(self):
        """Make MariaDB's own tables as mariadb-install-db does, which needs the client's package as well."""
        data, log = self.folder / "data", self.folder / "log/bootstrap.log"
        data.mkdir(mode=0o700)
        tables = ("system_tables", "performance_tables", "system_tables_data")
        found = [next(Path("/usr/share").glob(f"m[ya][sr]*/m[ya][sr]*_{name}.sql")) for name in tables]
        # Root of the machine is root of the database, by the identity of the socket's peer.
        script = ["create database mysql;", "use mysql;", "set @auth_root_socket='root';"]
        script += [path.read_text(encoding="utf-8") for path in found]
        command = [*MARIADB, "--bootstrap", f"--datadir={data}", "--log-warnings=0"]
        with open(log, "wb") as output:
            done = subprocess.run(
                command, input="\n".join(script).encode(), stdout=output, stderr=subprocess.STDOUT, timeout=SECONDS
            )
        if done.returncode != 0:
            raise RuntimeError(f"mariadbd --bootstrap failed:\n{self._tail('bootstrap')}")

    def _start_controller(self):
        self._start("slurmctld", "slurmctld", "-D")
        self._wait_for("slurmctld", lambda: self._answers("scontrol", "ping"))

    def _start(self, name, *command):
        with open(self.folder / f"log/{name}.log", "ab") as log:
            self.daemons[name] = subprocess.Popen(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # control-C is for the tests, which end the daemons in their order
            )

    def _runs(self, name):
        return name in self.daemons and self.daemons[name].poll() is None

    def _answers(self, *command):
        with contextlib.suppress(RuntimeError):
            return bool(self.run(*command)) or True
        return False

    def _wait_for(self, name, ready):
        """Wait until a daemon is ready; one that ends, or never is, is named with its log."""
        try:
            wait(lambda: not self._runs(name) or ready(), "an answer")
        except TimeoutError as error:
            raise RuntimeError(f"{name} does not answer: {error}\n{self._tail(name)}") from None
        if not self._runs(name):
            raise RuntimeError(f"{name} has ended:\n{self._tail(name)}")

    def _wait_for_nodes(self, *nodes):
        states = (" idle", " mix", " alloc")
        for node in nodes:
            lines = ["sinfo", "--noheader", "--Node", "--format=%N %t", f"--nodes={node}"]
            self._wait_for(f"slurmd-{node}", lambda command=lines: self.run(*command).rstrip().endswith(states))

    def _tail(self, name):
        return (self.folder / f"log/{name}.log").read_text(errors="replace")[-3000:]

    def _all_jobs(self):
        return "--allocations", "--duplicates", "--allusers", "--starttime=now-2days"

    def _rows(self, *command):
        return list(csv.DictReader(io.StringIO(self.run(*command)), delimiter="|"))

    def _cancel_jobs(self):
        """End every job and wait until it has: what runs a job outlives the daemon of its node."""
        self.run("scancel", "--user=root")
        wait(lambda: not self.queue(), "the end of the jobs that were cancelled")

    def _end(self, name):
        """Ask a daemon to end, and make it."""
        process = self.daemons[name]
        process.terminate()
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
