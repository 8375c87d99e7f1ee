"""Those who make the maps of a half together: ranks of one node, each with its threads.

All run the same phases (`halfmap.steps.phases`) on arrays that they share, each rank its pieces,
and wait for each other between phases. A rank that works for both halves runs the phases of both in
step, so that nobody waits for it longer than for its pieces.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from jaxtyping import Int64
from mpi4py import MPI
from numpy import ndarray as Array
from numpy.typing import DTypeLike

from halfmap.engine.job import Job
from halfmap.parallel.collectives import all_or_none, wait_for_all
from halfmap.parallel.halves import Ranks
from halfmap.parallel.node_memory import NodeArrays
from halfmap.parallel.node_sums import SharedSums, copy_of
from halfmap.steps.phases import Phase, Phases, Run, threads

T = TypeVar("T")
NOTHING = Phase(0, lambda _: None)


@dataclass(frozen=True, slots=True)
class Crew:
    """The ranks that make some maps of a half together."""

    comm: MPI.Intracomm
    turns: tuple[int, ...]
    """To which rank pieces are dealt, in turn: one that has other maps to make gets fewer."""
    volumes: Mapping[int, Int64[Array, "voxel 3"]]
    """The sums of its classes, which all of its ranks see."""

    @classmethod
    def of(cls, node: MPI.Intracomm, n_crews: int) -> "Crew":
        """Deal the ranks of a node to some crews in turn, and return this rank's. Collective."""
        comm = node
        if n_crews == node.size:
            comm = MPI.COMM_SELF
        elif n_crews > 1:
            comm = MPI.Intracomm(node.Split(node.rank % n_crews, node.rank))
        return cls(comm, tuple(range(comm.size)), {})

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
        """Return an array that all see, not initialised. Collective."""
        memory = NodeArrays(self.comm)
        array, _ = memory.empty(shape, dtype)
        if self.comm.size > 1 and not memory.shares(array):
            raise MemoryError(f"{array.nbytes} bytes cannot be shared by the ranks of a node")
        return array

    def own_pieces(self, phase: Phase) -> Iterable[int]:
        """Return the numbers of this rank's pieces."""
        turns = self.turns
        return (i for i in range(phase.n_pieces) if turns[i % len(turns)] == self.comm.rank)


class _Making(Generic[T]):
    """What a rank does of one half, phase by phase."""

    def __init__(self, crew: Crew, phases: Phases[T]) -> None:
        self.crew, self._phases = crew, phases
        self._phase = NOTHING
        self.made: list[T] = []
        self.goes_on = True
        self.error: Exception | None = None

    def advance(self) -> None:
        """Find the next phase, or that all are done."""
        try:
            self._phase = next(self._phases)
        except StopIteration as end:
            self._phase = NOTHING
            self.made.append(end.value)
            self.goes_on = False
        except MPI.Exception:
            raise
        except Exception as error:  # the others are told, and all hear of it in `together`
            self._phase, self.error = NOTHING, error

    def do_pieces(self, run: Run) -> None:
        """Do the phase as far as it is ours."""
        try:
            run(self._phase.work, self.crew.own_pieces(self._phase))
        except Exception as error:
            self.error = error

    def wait(self) -> None:
        """Wait until the phase is done; if it failed anywhere, there is no next one. Collective."""
        comm = self.crew.comm
        if comm.size > 1:
            wait_for_all(comm)
            if comm.allreduce(self.error is not None, op=MPI.LOR):
                self.goes_on = False
        elif self.error is not None:
            self.goes_on = False


def together(job: Job, crews: Mapping[int, tuple[Crew, Phases[T]]]) -> dict[int, T]:
    """Run the phases of some halves, and return what was made. Collective over the world.

    Parameters
    ----------
    crews
        By half: that of this rank, and what it does. Empty on ranks that make no map.
    """
    makings = {half: _Making(crew, phases) for half, (crew, phases) in sorted(crews.items())}
    with all_or_none(job.ranks.world, "making the maps", asleep=True):
        for making in makings.values():
            making.wait()  # what was done to the sums before is there
        with threads(job.options.n_threads) as run:
            going = list(makings.values())
            while going:
                for making in going:
                    making.advance()
                for making in going:
                    making.do_pieces(run)
                for making in going:
                    making.wait()
                going = [making for making in going if making.goes_on]
        for making in makings.values():
            if making.error is not None:
                raise making.error
    return {half: making.made[0] for half, making in makings.items()}


def on_node(job: Job, crew: Crew, phases: Phases[T], what: str) -> T:
    """Run phases of one crew, and return what was made. Collective over the crew."""
    making = _Making(crew, phases)
    with all_or_none(crew.comm, what, asleep=True), threads(job.options.n_threads) as run:
        while making.goes_on:
            making.advance()
            making.do_pieces(run)
            making.wait()
        if making.error is not None:
            raise making.error
    return making.made[0]


def crew_of(ranks: Ranks, half: int, shared: SharedSums, n_classes: int) -> Crew | None:
    """Return those with whom this rank makes maps of a half; None if it makes none. Collective.

    As many maps are made at a time on a node as it has copies of the sums, or classes; where its
    ranks do not see each other's memory, each makes its own.
    """
    team, volumes = ranks.teams[half], shared.of_node
    node = team.node
    here, loads = (node.allgather(n) for n in (team.comm.rank, len(ranks.teams)))
    makers = {k: here.index(team.maker(k)) for k in range(n_classes) if team.maker(k) in here}
    if not makers:
        return None
    n_crews = min(len(volumes), len(set(makers.values()))) if volumes else node.size
    own = {
        k: (volumes[copy_of(maker, node.size, len(volumes))] if volumes else shared.sums.volume)[k]
        for k, maker in makers.items()
        if maker % n_crews == node.rank % n_crews
    }
    own_loads = loads[node.rank % n_crews :: n_crews]
    turns = [rank for rank, load in enumerate(own_loads) for _ in range(max(own_loads) // load)]
    crew = Crew.of(node, n_crews)
    return replace(crew, turns=tuple(turns), volumes=own) if own else None
