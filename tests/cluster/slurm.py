"""A real Slurm on pretend hosts, from Debian's packages, without systemd and control groups."""

import os
import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from .hosts import Hosts

NEEDED = {
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "sbatch": "slurm-client",
    "munged": "munge",
}
"""Programs and Debian's packages that have them (slurm-wlm-basic-plugins beside them)."""
PLUGINS = Path("/usr/lib/x86_64-linux-gnu/slurm-wlm")
SYSTEM_PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL")
DEADLINE_S = 20.0

CONFIGURATION = """
ClusterName=pretended
SlurmctldHost={head}({head_address})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
TmpFS={folder}/disc
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=bf_interval=1,sched_min_interval=100000,batch_sched_delay=0,sched_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
MpiDefault=none
ReturnToService=2
KillWait=3
SlurmctldTimeout=10
SlurmdTimeout=5
MessageTimeout=3
TCPTimeout=1
InactiveLimit=0
PropagateResourceLimits=NONE
SlurmdParameters=config_overrides
CommunicationParameters=NoAddrCache
{nodes}
PartitionName=main Nodes=ALL Default=YES PriorityTier=1 GraceTime=20 State=UP
PartitionName=urgent Nodes=ALL PriorityTier=2 PreemptMode=OFF State=UP
"""


def why_not() -> str | None:
    """Return why there can be no Slurm here, or None if there can."""
    path = f"{os.environ['PATH']}:{SYSTEM_PATH}"
    missing = [package for name, package in NEEDED.items() if shutil.which(name, path=path) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (.ci/run installs it on Debian)"
    if not PLUGINS.joinpath("select_cons_tres.so").exists():
        return "not installed: slurm-wlm-basic-plugins (.ci/run installs it on Debian)"
    if not Path("/sys/fs/cgroup").is_dir():
        return "no /sys/fs/cgroup, without which slurmd does not start"
    return None


class Slurm:
    """A Slurm that is led by the first host and runs jobs on the others; a context."""

    def __init__(self, hosts: Hosts, cores: int = 4) -> None:
        self.hosts = hosts
        self.head, *self.nodes = hosts.names
        self._cores = cores
        self.environment = {
            "PATH": SYSTEM_PATH,
            "HOME": os.environ.get("HOME", "/root"),
            "SLURM_CONF": str(hosts.folder / "slurm.conf"),
        }

    def __enter__(self) -> "Slurm":
        folder = self.hosts.folder
        for name in ("state", "munge"):
            folder.joinpath(name).mkdir(mode=0o755)
        nodes = [
            f"NodeName={node} NodeAddr={self.hosts.address(node)} CPUs={self._cores} "
            "RealMemory=4000 State=UNKNOWN"
            for node in self.nodes
        ]
        text = CONFIGURATION.format(
            head=self.head,
            head_address=self.hosts.address(self.head),
            folder=folder,
            nodes="\n".join(nodes),
        )
        folder.joinpath("slurm.conf").write_text(text)
        self._start_munge(folder / "munge")
        self._start(self.head, "slurmctld", "-D", "-c")
        for node in self.nodes:
            self.start_node(node)
        self.wait_for(lambda: self.states() == dict.fromkeys(self.nodes, "idle"), "idle nodes")
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing: the daemons end with their hosts."""

    def _start_munge(self, folder: Path) -> None:
        key = folder / "key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        self.hosts.inside(
            *("munged", "--force", f"--key-file={key}", f"--socket={folder}/socket"),
            *(f"--pid-file={folder}/pid", f"--log-file={folder}/log", f"--seed-file={folder}/seed"),
            env=self.environment,
        )

    def _start(self, host: str, *command: str) -> None:
        log = self.hosts.folder / f"{host}.log"
        on = str(self.hosts.folder / "on")
        self.hosts.start(on, host, *command, log=log, env=self.environment)

    def start_node(self, node: str) -> None:
        """Start the daemon of a node, after its host was switched on."""
        self.hosts.folder.joinpath(f"spool.{node}").mkdir(mode=0o755, exist_ok=True)
        self._start(node, "slurmd", "-D", "-c", "-N", node)

    # --- commands

    def run(
        self, *command: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> str:
        """Run a command of Slurm on the head, and return what it says."""
        environment = self.environment | dict(env or {})
        return self.hosts.on(self.head, *command, env=environment, cwd=cwd).strip()

    def states(self) -> dict[str, str]:
        """Return the state of each node."""
        try:
            lines = self.run("sinfo", "-h", "-N", "-p", "main", "-o", "%N %t").splitlines()
        except RuntimeError:  # it does not answer yet
            return {}
        return dict(line.split() for line in lines)

    def job(self, number: str) -> dict[str, str]:
        """Return what Slurm knows of a job."""
        words = self.run("scontrol", "-o", "show", "job", number).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def wait_for(self, condition, what: str, seconds: float = DEADLINE_S):  # type: ignore[no-untyped-def]
        """Return the result of a condition when it is true."""
        end = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > end:
                raise TimeoutError(f"{what} did not come within {seconds:g} s; {self.logs()}")
            time.sleep(0.05)
        return found

    def wait_for_state(self, number: str, *states: str, seconds: float = 60.0) -> dict[str, str]:
        """Wait until a job is in one of some states; return what Slurm knows of it."""

        def there() -> dict[str, str] | None:
            found = self.job(number)
            return found if found["JobState"] in states else None

        found: dict[str, str] = self.wait_for(there, f"job {number} {'|'.join(states)}", seconds)
        return found

    def wait_until_over(self, number: str, seconds: float = 60.0) -> dict[str, str]:
        """Wait for the end of a job, good or bad."""
        return self.wait_for_state(number, *OVER, seconds=seconds)

    def start_now(self, number: str, *changes: str) -> None:
        """Start a requeued job at once, which Slurm would put off for two minutes."""
        self.wait_for_state(number, "PENDING")
        self.run("scontrol", "update", f"JobId={number}", "StartTime=now", *changes)

    def logs(self) -> str:
        """Return the last lines of all daemons."""
        files = sorted(self.hosts.folder.glob("slurm*.log"))
        return "\n".join(f"{f.name}:\n{f.read_text(errors='replace')[-800:]}" for f in files)
