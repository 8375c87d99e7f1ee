"""``halfmap doctor`` on several hosts."""

import json
from collections.abc import Mapping

import pytest

from .jobs import environment
from .slurm import Slurm

pytestmark = pytest.mark.timeout(120)


def examined(slurm: Slurm, launcher: str, *words: str) -> tuple[bool, Mapping[str, dict]]:
    """Return whether the nodes are fit, and findings by topic."""
    command = f"srun --nodes=3 --ntasks=3 --overlap {launcher} halfmap doctor --json"
    activate = environment(slurm.hosts.folder)["HALFMAP_VENV"] + "/bin/activate"
    said = slurm.run(
        *("bash", "-c", f'source {activate}; {command} "$@" || echo "code $?"', "bash", *words),
        env=environment(slurm.hosts.folder),
        cwd=slurm.hosts.folder,
    )
    found = json.loads(said.splitlines()[0])
    assert ("code 1" in said) == (not found["fit"]), said
    return found["fit"], {finding["topic"]: finding for finding in found["findings"]}


def test_nodes_of_a_job_are_examined_together(slurm: Slurm) -> None:
    disc = str(slurm.hosts.disc)
    fit, found = examined(slurm, "--mpi=pmix", "--scratch_dir", disc)

    assert fit
    assert found["MPI"]["numbers"]["nodes"] == 3
    assert found["folder of the results"]["verdict"] == "good"
    assert set(found["messages"]["numbers"]) == {"MB_per_s_to_n2_1", "MB_per_s_to_n3_2"}
    assert found[f"scratch {disc}"]["numbers"]["file_system"] == "tmpfs"


def test_results_on_the_disc_of_one_node_are_bad(slurm: Slurm) -> None:
    fit, found = examined(slurm, "--mpi=pmix", "--o", str(slurm.hosts.disc))

    assert not fit
    assert "is not the same, or is absent, on n2, n3" in found["folder of the results"]["found"]


def test_ranks_that_do_not_know_each_other_are_bad(slurm: Slurm) -> None:
    fit, found = examined(slurm, "--mpi=none")

    assert not fit
    assert found["MPI"]["found"].startswith("srun started 3 ranks, but MPI sees a world of one")
