"""Summing the integers of a half-set over the network."""

from jaxtyping import Int
from mpi4py import MPI
from numpy import ndarray as Array

from halfmap.model.sums import ExpectationSums

CHUNK_VOXELS = 2 * 2**20
"""Voxels of three integers in one message: 48 MiB."""


def reduce_sums(sums: ExpectationSums, comm: MPI.Intracomm) -> ExpectationSums:
    """Return the sums over all ranks of ``comm``: of each class on the rank that makes its map.

    The classes are dealt to the ranks in turn; noise and directions are complete on rank 0. What
    is complete elsewhere has the local values here.

    Collective. In place. Integers: the result has the same bits for any number of ranks and
    any order the MPI library chooses.
    """
    for k, volume in enumerate(sums.volume):
        for start in range(0, len(volume), CHUNK_VOXELS):
            _reduce(volume[start : start + CHUNK_VOXELS], comm, k % comm.size)
    _reduce(sums.noise, comm, 0)
    _reduce(sums.directions, comm, 0)
    return sums


def _reduce(array: Int[Array, "..."], comm: MPI.Intracomm, root: int) -> None:
    flat = array.reshape(-1, copy=False)  # refuses an array it would have to copy
    if comm.rank == root:
        comm.Reduce(MPI.IN_PLACE, flat, op=MPI.SUM, root=root)
    else:
        comm.Reduce(flat, None, op=MPI.SUM, root=root)
