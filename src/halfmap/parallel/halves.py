"""Who works for which half, and who may talk to whom.

Rank 0 leads; the others work. A half's code gets the half's own communicator and nothing
that reaches the other half; only the council (the leader and the two half roots) joins
them, for the FSC and for decisions. One rank alone leads, works and serves both halves.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from mpi4py import MPI
from numpy import ndarray as Array

from halfmap.parallel.collectives import broadcast
from halfmap.parallel.faults import cut, node_of

LEADER = 0


def halves_served(n_ranks: int, n_halves: int) -> tuple[tuple[int, ...], ...]:
    """Return, for each rank, the half-sets that it works for.

    Workers are dealt to the halves in turn; an odd one out serves both, so that no number
    of ranks leaves a half behind.

    >>> halves_served(1, 2)
    ((0, 1),)
    >>> halves_served(2, 2)
    ((), (0, 1))
    >>> halves_served(5, 2)
    ((), (0,), (1,), (0,), (1,))
    >>> halves_served(4, 2)
    ((), (0,), (1,), (0, 1))
    """
    every = tuple(range(n_halves))
    if n_ranks == 1:
        return (every,)
    n_workers = n_ranks - 1
    dealt = n_workers - n_workers % n_halves
    own = [(worker % n_halves,) for worker in range(dealt)]
    floating = [every] * (n_workers - dealt)
    return ((), *own, *floating)


@dataclass(frozen=True, slots=True)
class Team:
    """The ranks that work for one half-set."""

    half: int
    comm: MPI.Intracomm
    node: MPI.Intracomm
    """Those of them that share this rank's memory."""
    holders: MPI.Intracomm | None
    """The first rank of each node, which alone holds the maps; None on all other ranks."""

    @property
    def is_root(self) -> bool:
        """Whether this rank sums up and speaks for the half."""
        return self.comm.rank == 0

    def classes(self, n_classes: int) -> range:
        """Return the classes whose maps this rank makes: they are dealt to the ranks in turn."""
        return range(self.comm.rank, n_classes, self.comm.size)

    def maker(self, class_index: int) -> int:
        """Return the rank, within the team, that makes the map of a class."""
        return class_index % self.comm.size


@dataclass(frozen=True, slots=True)
class Ranks:
    """The whole run as one rank sees it."""

    world: MPI.Intracomm
    node: MPI.Intracomm
    """All that share this rank's memory."""
    n_halves: int
    served: tuple[tuple[int, ...], ...]
    teams: dict[int, Team]
    """The teams this rank belongs to, by half."""
    council: MPI.Intracomm | None
    """The leader and the half roots, for decisions; None on all other ranks."""
    meeting: MPI.Intracomm | None
    """The half roots, for the FSC; None on all other ranks."""
    roots: tuple[int, ...]
    """World rank of each half's root."""

    def makes_maps(self, n_classes: int) -> bool:
        """Whether this rank makes the map of any class of any half."""
        return any(team.classes(n_classes) for team in self.teams.values())

    @property
    def leads(self) -> bool:
        """Whether this rank hands out the work and writes the tables."""
        return self.world.rank == LEADER

    @property
    def n_workers(self) -> int:
        """Number of ranks that work."""
        return sum(1 for halves in self.served if halves)


def half_roots(served: tuple[tuple[int, ...], ...], n_halves: int) -> tuple[int, ...]:
    """Return the world rank of each half's root, the first that works for it."""
    return tuple(
        next(rank for rank, halves in enumerate(served) if half in halves)
        for half in range(n_halves)
    )


def organise(world: MPI.Intracomm, n_halves: int) -> Ranks:
    """Split the world into teams. Collective."""
    served = halves_served(world.size, n_halves)
    teams = {}
    for half in range(n_halves):
        comm = _circle(world, half in served[world.rank])
        if comm is not None:
            mates = node_of(comm)
            teams[half] = Team(half, comm, mates, _circle(comm, mates.rank == 0))
    roots = half_roots(served, n_halves)
    council = _circle(world, world.rank in (LEADER, *roots))
    meeting = _circle(world, world.rank in roots)
    return Ranks(world, node_of(world), n_halves, served, teams, council, meeting, roots)


def _circle(comm: MPI.Intracomm, belongs: bool) -> MPI.Intracomm | None:
    """Cut out those that belong, in their order; None on the others. Collective.

    All ranks take part: where one is lost meanwhile, all of them hear of it.
    """
    circle = cut(comm, 0 if belongs else MPI.UNDEFINED, comm.rank)
    return circle if belongs else None


def place(ranks: Ranks, circle: MPI.Intracomm, half: int) -> int:
    """Return the rank of a half's root within the council or the meeting."""
    root = ranks.roots[half]
    member: int = MPI.Group.Translate_ranks(ranks.world.Get_group(), [root], circle.Get_group())[0]
    return member


def meet(ranks: Ranks, own: Mapping[int, Array]) -> dict[int, Array]:
    """Show both half roots the arrays of both halves. Collective over the half roots.

    The one door between the halves: what may pass is what the FSC and the joining of the
    halves need, and every call to this function can be read as such.

    Parameters
    ----------
    own
        By half, of the halves whose root this rank is.
    """
    assert ranks.meeting is not None
    shown = {}
    for half in range(ranks.n_halves):
        root, mine = place(ranks, ranks.meeting, half), own.get(half)
        frame = ranks.meeting.bcast(None if mine is None else (mine.shape, mine.dtype), root=root)
        shown[half] = np.empty(*frame) if mine is None else np.ascontiguousarray(mine)
        broadcast(shown[half], ranks.meeting, root)
    return shown
