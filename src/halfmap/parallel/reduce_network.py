"""Summing the integers of a half-set over the network."""

from jaxtyping import Int
from mpi4py import MPI
from numpy import ndarray as Array

from halfmap.model.sums import ExpectationSums
from halfmap.parallel.faults import cut
from halfmap.parallel.node_sums import SharedSums

CHUNK_VOXELS = 2 * 2**20
"""Voxels of three integers in one message: 48 MiB."""


def reduce_sums(shared: SharedSums, comm: MPI.Intracomm) -> ExpectationSums:
    """Return the sums over all ranks of ``comm``: of each class on the rank that makes its map.

    The classes are dealt to the ranks in turn; noise and directions are complete on rank 0. What
    is complete elsewhere has the local values here.

    Collective. In place. Integers: the result has the same bits for any number of ranks, of
    copies that they share, and any order the MPI library chooses.
    """
    keepers = comm.allgather(shared.keeper)
    speaking = sorted(set(keepers))
    own = comm if len(speaking) == comm.size else _cut(comm, shared)
    if own is not None:
        for k, volume in enumerate(shared.sums.volume):
            root = speaking.index(keepers[k % comm.size])
            for start in range(0, len(volume), CHUNK_VOXELS):
                _reduce(volume[start : start + CHUNK_VOXELS], own, root)
        _reduce(shared.sums.noise, own, 0)
        _reduce(shared.sums.directions, own, 0)
    comm.Barrier()  # who shares the copy of another now sees the total
    return shared.sums


def _cut(comm: MPI.Intracomm, shared: SharedSums) -> MPI.Intracomm | None:
    """Return the communicator of those who speak for a copy; None on the others. Collective."""
    own = cut(comm, 0 if shared.is_keeper else MPI.UNDEFINED, comm.rank)
    return own if shared.is_keeper else None


def _reduce(array: Int[Array, "..."], comm: MPI.Intracomm, root: int) -> None:
    flat = array.reshape(-1, copy=False)  # refuses an array it would have to copy
    if comm.rank == root:
        comm.Reduce(MPI.IN_PLACE, flat, op=MPI.SUM, root=root)
    else:
        comm.Reduce(flat, None, op=MPI.SUM, root=root)
