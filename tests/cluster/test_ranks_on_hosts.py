"""Ranks of several hosts: they add up through a disc; those that die or stop are named."""

import os
from pathlib import Path

import pytest
from integration import fault_runs
from integration.fault_runs import DYING, SECONDS, cue, found, launched
from integration.test_birth import DYING_AT_IMPORT

from .hosts import Hosts
from .jobs import halfmap_here, results

SIMULATE = (
    *("simulate", "--phantom", "--n", "24", "--box", "24", "--angpix", "6", "--snr", "0.5"),
    *("--n_optics", "2", "--n_micrographs", "3", "--seed", "1", "--o", "particles"),
)
REFINE = (*fault_runs.REFINE, "--stall_seconds", "8")
ON_HOSTS = (*("--host", "n1:2,n2:1,n3:1"), "--map-by", "slot:oversubscribe")
pytestmark = pytest.mark.timeout(SECONDS + 60.0)


@pytest.fixture(scope="module")
def undisturbed(hosts: Hosts) -> Path:
    """A folder with particles, and what one process finds in them."""
    folder = hosts.folder / "undisturbed"
    folder.mkdir()
    halfmap_here(folder, *SIMULATE)
    halfmap_here(folder, *REFINE)
    return folder


def run_on_hosts(
    hosts: Hosts, folder: Path, *words: str, program: str = DYING, survives: bool = True
) -> str:
    """Refine on four ranks of three hosts, in a new folder; return what is said."""
    folder.mkdir()
    (folder / "particles").symlink_to(hosts.folder / "undisturbed" / "particles")
    mpirun, *rest = launched(*words, n=4, program=program, survives=survives)
    agent = ("--prtemca", "plm_ssh_agent", str(hosts.folder / "agent"))
    known = [name for name in ("PYTHONPATH", "NUMBA_CACHE_DIR") if name in os.environ]
    passed = [word for name in known for word in ("-x", name)]
    network = ("--mca", "pml", "ob1", "--mca", "btl", "self,sm,tcp")
    return hosts.on(
        "n1",
        *("sh", "-c", 'exec "$@" 2>&1', "sh"),
        *(mpirun, *agent, *ON_HOSTS, *network, *passed, *rest),
        cwd=folder,
        timeout_s=SECONDS,
    )


def test_the_only_rank_of_a_host_is_stopped_and_named(hosts: Hosts, undisturbed: Path) -> None:
    folder = hosts.folder / "stopped"
    stops = cue(2, "engine.expectation.run_unit", how="SIGSTOP")

    said = run_on_hosts(hosts, folder, stops, *REFINE)

    assert "rank 2 on n2 was lost: the other 3 go on" in said
    assert found(folder) == found(undisturbed)


@pytest.mark.usefixtures("undisturbed")
def test_a_host_that_lacks_a_library_is_named_before_mpi_is_up(hosts: Hosts) -> None:
    folder = hosts.folder / "lacking"
    program = DYING_AT_IMPORT.format(rank=3, how="raise ImportError('no such library')")

    said = run_on_hosts(hosts, folder, *REFINE, program=program)

    assert "no such library" in said
    assert said.count("before MPI was up") == 1
    assert "rank 3 on n3 ended before MPI was up" in said
    assert not (folder / "out").exists()


def test_hosts_that_share_a_disc_add_up_through_it(hosts: Hosts, undisturbed: Path) -> None:
    folder = hosts.folder / "through_the_disc"
    words = ("", *REFINE, "--reduction", "scratch")

    run_on_hosts(hosts, folder, *words, survives=False)

    assert results(folder / "out") == results(undisturbed / "out")
    rows = [r.split(",") for r in (folder / "out" / "run_timing.csv").read_text().splitlines()]
    wrote = {rank for _, rank, phase, s in rows if phase == "checkpoints" and float(s) > 0.0}
    assert wrote == {"1", "2", "3"}  # nobody writes checkpoints in so short a run
