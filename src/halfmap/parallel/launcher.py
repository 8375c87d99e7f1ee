"""The launcher and MPI must agree on how many ranks there are.

A program started by one MPI's ``mpirun`` but linked to another's library comes up as N
independent runs of one rank each, without a word: each would refine everything and all
would write the same files.
"""

import os
from collections.abc import Mapping

from halfmap.errors import OptionError

LAUNCHER_SIZES = {
    "OMPI_COMM_WORLD_SIZE": "Open MPI's mpirun",
    "PMI_SIZE": "mpiexec or srun (PMI)",
    "MV2_COMM_WORLD_SIZE": "MVAPICH's mpirun",
    "SLURM_STEP_NUM_TASKS": "srun",
}
"""Environment variables in which launchers state the number of ranks they started.

Inner ones first: on a cluster mpirun starts its daemons with srun, one on each node, and the
ranks inherit srun's number, that of the daemons. What mpirun says counts.

``SLURM_NTASKS`` is left out: it describes the allocation, and is also set in a batch script
that starts a single process. ``SLURM_STEP_NUM_TASKS`` is too, with value 1.
"""

FT_VARIABLE = "OMPI_MCA_mpi_ft_enable"
"""Set by Open MPI's ``mpirun --with-ft ulfm``."""
UNBOUND = 2**30
"""More cores than there are."""


def is_launched(environment: Mapping[str, str]) -> bool:
    """Whether this process was started by mpirun, mpiexec or srun."""
    return any(variable in environment for variable in LAUNCHER_SIZES)


def reports_losses(environment: Mapping[str, str]) -> bool:
    """Whether this MPI tells the living of the dead.

    >>> reports_losses({"OMPI_MCA_mpi_ft_enable": "1"}), reports_losses({})
    (True, False)
    """
    return environment.get(FT_VARIABLE, "").lower() in ("1", "true")


def bound_cores() -> int:
    """Return how many cores this process may use; `UNBOUND` if it may use all of the machine."""
    if not hasattr(os, "sched_getaffinity"):  # only Linux tells
        return UNBOUND
    allowed = len(os.sched_getaffinity(0))
    return UNBOUND if allowed >= (os.cpu_count() or 1) else allowed


def check_launcher(environment: Mapping[str, str], world_size: int, library: str) -> None:
    """Refuse to start N independent singletons.

    Parameters
    ----------
    environment
        The process's environment variables.
    world_size
        Size of MPI's world.
    library
        Version line of the MPI library in use.

    Raises
    ------
    OptionError
        When a launcher says it started more ranks than MPI knows of.
    """
    variable = next((v for v in LAUNCHER_SIZES if environment.get(v, "").isdigit()), None)
    if variable is None or world_size != 1 or int(environment[variable]) <= 1:
        return
    launcher, promised = LAUNCHER_SIZES[variable], environment[variable]
    name = library.splitlines()[0]
    raise OptionError(
        f"{launcher} started {promised} ranks, but MPI sees a world of one: these would be "
        f"{promised} independent runs writing the same files.\n"
        f"  found:    {variable}={promised}, world size 1, library {name}\n"
        "  expected: the launcher and the MPI library to be of one family\n"
        "  to do:    use the mpirun of the MPI that halfmap loads (in a virtual environment: "
        ".venv/bin/mpirun), or with srun the matching plug-in (--mpi=pmix for Open MPI, "
        "--mpi=pmi2 for MPICH); MPI4PY_LIBMPI names another library"
    )
