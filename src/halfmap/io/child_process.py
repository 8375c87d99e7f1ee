"""What processes need that we start and that are none of our ranks."""

from collections.abc import Mapping

OF_THE_LAUNCHER = ("OMPI_", "PMIX_", "PMI_", "PRTE_", "MPI_LOCALRANKID", "HYDI_")
"""How variables begin that would make another program believe that it is one of our ranks."""


def environment_without_ranks(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a program that is not one of our ranks.

    >>> environment_without_ranks({"PMIX_RANK": "1", "HOME": "/root"})
    {'HOME': '/root'}
    """
    return {k: v for k, v in environment.items() if not k.startswith(OF_THE_LAUNCHER)}
