"""The loss of ranks: every survivor hears of it, and they go on together in a smaller world.

It takes an MPI that reports dead ranks instead of ending all of them: Open MPI started by ``mpirun
--with-ft ulfm`` (User Level Failure Mitigation). There any call may raise because another rank has
died; who sees it first *revokes* every communicator that he knows, so that nobody waits in one of
them for ever. Agreements and the shrinking of a world work in spite of that.

After a loss nothing may be freed or finalised: that waits for all ranks, also the dead.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import reduce
from typing import Any

from mpi4py import MPI

UNDISTURBED, ALL_WELL = 1 << 9, 1 << 8
"""Bits of a verdict; those below are an exit code."""


class LostRanksError(Exception):
    """Other ranks have died, or one cannot go on; raised on every rank that hears of it."""


class Circle(MPI.Intracomm):
    """A communicator that knows all others that were cut from the same world."""

    family: list[MPI.Intracomm]

    @classmethod
    def of_world(cls, world: MPI.Comm) -> "Circle":
        """Return the world as the first of a family."""
        return cls._joined(world, [])

    @classmethod
    def _joined(cls, comm: MPI.Comm, family: list[MPI.Intracomm]) -> "Circle":
        assert isinstance(comm, MPI.Intracomm)
        circle = cls(comm)
        circle.family = family
        family.append(circle)
        return circle

    def Split(self, color: int = 0, key: int = 0) -> MPI.Comm:
        """Cut; see MPI. Collective."""
        return self._kept(super().Split(color, key))

    def Split_type(self, split_type: int, key: int = 0, info: MPI.Info = MPI.INFO_NULL) -> MPI.Comm:
        """Cut by what ranks share; see MPI. Collective."""
        return self._kept(super().Split_type(split_type, key, info))

    # A rank that waits for others is seen to wait here, in `parallel`, wherever it was called.

    def Barrier(self) -> None:
        """Wait for all; see MPI. Collective."""
        super().Barrier()

    def gather(self, sendobj: Any, root: int = 0) -> Any:
        """Collect small objects; see MPI. Collective."""
        return super().gather(sendobj, root)

    def allgather(self, sendobj: Any) -> Any:
        """Collect small objects on all; see MPI. Collective."""
        return super().allgather(sendobj)

    def allreduce(self, sendobj: Any, op: Any = MPI.SUM) -> Any:
        """Reduce small objects; see MPI. Collective.

        mpi4py would do it in a communicator of its own, which it hides: nobody could revoke that.
        """
        return reduce(op, self.allgather(sendobj))

    def bcast(self, obj: Any, root: int = 0) -> Any:
        """Tell all; see MPI. Collective."""
        return super().bcast(obj, root)

    def _kept(self, comm: MPI.Comm) -> MPI.Comm:
        known = isinstance(comm, MPI.Intracomm) and comm != MPI.COMM_NULL
        return Circle._joined(comm, self.family) if known else comm


def cut(comm: MPI.Intracomm, color: int, key: int) -> MPI.Intracomm:
    """Return those of one color; of the color MPI.UNDEFINED nothing to use. Collective."""
    part = comm.Split(color, key)
    assert isinstance(part, MPI.Intracomm)
    return part


def node_of(comm: MPI.Intracomm) -> MPI.Intracomm:
    """Return those who share this rank's memory. Collective."""
    part = comm.Split_type(MPI.COMM_TYPE_SHARED, comm.rank)
    assert isinstance(part, MPI.Intracomm)
    return part


def is_loss(error: BaseException) -> bool:
    """Whether a call was given up because a rank has died or the communicator was revoked."""
    kinds = (MPI.ERR_PROC_FAILED, MPI.ERR_PROC_FAILED_PENDING, MPI.ERR_REVOKED)
    return isinstance(error, MPI.Exception) and error.Get_error_class() in kinds


def revoke(world: MPI.Intracomm) -> None:
    """Wake up whoever waits for us in any communicator of this world."""
    for comm in getattr(world, "family", [world]):
        with suppress(MPI.Exception):
            comm.Revoke()


@contextmanager
def losses_known(world: MPI.Intracomm) -> Iterator[None]:
    """Raise `LostRanksError` where a call inside is given up, and let all others hear of it."""
    try:
        yield
    except MPI.Exception as error:
        if not is_loss(error):
            raise
        revoke(world)
        raise LostRanksError("other ranks were lost") from error


def agreed(world: MPI.Intracomm, verdict: int) -> int | None:
    """Return the verdicts of all ranks, bit by bit, or None if any rank is lost. Collective.

    All survivors get the same answer, whatever happens meanwhile; it may be called after `revoke`.
    """
    try:
        return int(world.Agree(verdict))
    except MPI.Exception as error:
        if not is_loss(error):
            raise
        return None


def survivors(world: MPI.Intracomm) -> Circle:
    """Return the world of those who live, in their old order. Collective over them."""
    revoke(world)
    return Circle.of_world(world.Shrink())
