import pytest

from halfmap.errors import OptionError
from halfmap.parallel.launcher import check_launcher

LIBRARY = "Open MPI v5.0.11"


@pytest.mark.parametrize("variable", ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"])
def test_singletons_started_by_a_launcher_are_refused(variable: str) -> None:
    with pytest.raises(OptionError, match=f"{variable}=4, world size 1"):
        check_launcher({variable: "4"}, 1, LIBRARY)


@pytest.mark.parametrize(
    ("environment", "size"),
    [
        ({}, 1),
        ({"OMPI_COMM_WORLD_SIZE": "4"}, 4),
        ({"PMI_SIZE": "1"}, 1),
        ({"SLURM_NTASKS": "8"}, 1),
        # salloc -N 3 mpirun -n 1: mpirun's daemons are three tasks of srun
        ({"OMPI_COMM_WORLD_SIZE": "1", "SLURM_STEP_NUM_TASKS": "3"}, 1),
        ({"PMI_SIZE": "1", "SLURM_STEP_NUM_TASKS": "3"}, 1),
    ],
)
def test_a_consistent_start_is_accepted(environment: dict[str, str], size: int) -> None:
    check_launcher(environment, size, LIBRARY)
