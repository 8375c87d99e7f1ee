"""Ranks of several hosts die or are stopped: the others go on, and say on which host it was."""

import os
from pathlib import Path

import pytest
from integration import fault_runs
from integration.fault_runs import DYING, SECONDS, cue, found, launched

from .hosts import Hosts
from .jobs import halfmap_here

SIMULATE = (
    *("simulate", "--phantom", "--n", "24", "--box", "24", "--angpix", "6", "--snr", "0.5"),
    *("--n_optics", "2", "--n_micrographs", "3", "--seed", "1", "--o", "particles"),
)
REFINE = (*fault_runs.REFINE, "--stall_seconds", "15")
ON_HOSTS = (*("--host", "n1:2,n2:1,n3:1"), "--map-by", "slot:oversubscribe")


@pytest.fixture(scope="module")
def undisturbed(hosts: Hosts) -> tuple[Path, dict[str, bytes]]:
    """A folder with particles, and what one process finds in them."""
    folder = hosts.folder / "undisturbed"
    folder.mkdir()
    halfmap_here(folder, *SIMULATE)
    halfmap_here(folder, *REFINE)
    return folder, found(folder)


@pytest.mark.timeout(SECONDS + 60.0)
@pytest.mark.parametrize(
    ("how", "host", "rank"),
    [
        pytest.param("SIGKILL", "n3", 3, id="a killed worker"),
        pytest.param("SIGKILL", "n1", 1, id="a killed half root"),
        pytest.param("SIGSTOP", "n2", 2, id="the only one of its host, stopped"),
    ],
)
def test_ranks_of_other_hosts_are_lost_and_named(
    hosts: Hosts,
    undisturbed: tuple[Path, dict[str, bytes]],
    how: str,
    host: str,
    rank: int,
) -> None:
    particles, expected = undisturbed[0] / "particles", undisturbed[1]
    folder = hosts.folder / f"{how}{rank}"
    folder.mkdir()
    (folder / "particles").symlink_to(particles)
    words = (cue(rank, "engine.expectation.run_unit", how=how), *REFINE)
    mpirun, *rest = launched(*words, n=4, program=DYING)
    agent = ("--prtemca", "plm_ssh_agent", str(hosts.folder / "agent"))
    known = [name for name in ("PYTHONPATH", "NUMBA_CACHE_DIR") if name in os.environ]
    passed = [word for name in known for word in ("-x", name)]
    network = ("--mca", "pml", "ob1", "--mca", "btl", "self,sm,tcp")

    said = hosts.on(
        "n1",
        *(mpirun, *agent, *ON_HOSTS, *network, *passed, *rest),
        cwd=folder,
        timeout_s=SECONDS,
    )

    assert f"rank {rank} on {host} was lost: the other 3 go on" in said
    assert found(folder) == expected
