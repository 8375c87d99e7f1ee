"""Ranks on nodes: what was launched, or what is asked about."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from halfmap.config.options import RefineOptions
from halfmap.parallel.halves import LEADER, half_roots, halves_served


@dataclass(frozen=True, slots=True)
class Layout:
    """Who works where. Ranks are dealt to the nodes in blocks, as launchers do."""

    node: tuple[int, ...]
    """Of each rank."""
    n_halves: int
    n_threads: int
    cores: int
    """Of a node."""
    node_bytes: int
    """Memory of a node."""
    copies: int = 0
    """Of it, what copies of the images take."""

    @property
    def n_ranks(self) -> int:
        """Number of ranks."""
        return len(self.node)

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return max(self.node) + 1

    @property
    def served(self) -> tuple[tuple[int, ...], ...]:
        """Halves that each rank works for."""
        return _served(self.n_ranks, self.n_halves)

    @property
    def roots(self) -> tuple[int, ...]:
        """Rank that makes the maps of each half, or its first."""
        return half_roots(self.served, self.n_halves)

    def team(self, half: int) -> tuple[int, ...]:
        """Return the ranks that work for a half."""
        return tuple(rank for rank, halves in enumerate(self.served) if half in halves)

    def beside(self, rank: int, half: int) -> tuple[int, ...]:
        """Return the ranks of a half on the node of a rank."""
        return _of_nodes(self.node, self.n_halves)[half, self.node[rank]]

    def n_own_classes(self, rank: int, half: int, n_classes: int) -> int:
        """Return of how many classes a rank makes the maps."""
        team = self.team(half)
        return len(range(team.index(rank), n_classes, len(team))) if rank in team else 0

    def leads_only(self, rank: int) -> bool:
        """Whether a rank hands out work and does none."""
        return rank == LEADER and self.n_ranks > 1

    @property
    def n_working_threads(self) -> int:
        """Threads that compute at a time: no more than there are cores."""
        total = sum(self._n_at_once(node) for node in range(self.n_nodes))
        return max(1, total)

    @property
    def n_workspaces(self) -> int:
        """Units that may be under way: of each thread one of every half that it works for."""
        return self.n_threads * sum(len(halves) for halves in self.served)

    def threads_at_once(self, node: int) -> float:
        """Return how many threads of each working rank of a node compute at a time."""
        return self._n_at_once(node) / self._n_workers(node)

    def _n_at_once(self, node: int) -> int:
        return min(self.cores, self.n_threads * self._n_workers(node))

    def _n_workers(self, node: int) -> int:
        return sum(n == node and not self.leads_only(rank) for rank, n in enumerate(self.node))


_served = lru_cache(maxsize=64)(halves_served)


@lru_cache(maxsize=64)
def _of_nodes(node: tuple[int, ...], n_halves: int) -> dict[tuple[int, int], tuple[int, ...]]:
    """Return the ranks of each half on each node: a plan asks for them for every rank."""
    found: dict[tuple[int, int], tuple[int, ...]] = defaultdict(tuple)
    for rank, halves in enumerate(_served(len(node), n_halves)):
        for half in halves:
            found[half, node[rank]] += (rank,)
    return found


def asked_layout(
    options: RefineOptions, launched: Sequence[int], cores: int, n_bytes: int
) -> Layout:
    """Return the layout that is asked about: what is not said is as launched.

    Parameters
    ----------
    launched
        Node of each rank of this dry run.
    cores, n_bytes
        Of this node.
    """
    n_ranks = options.plan_ranks or len(launched)
    n_nodes = options.plan_nodes or (1 if options.plan_ranks else max(launched) + 1)
    as_launched = n_ranks == len(launched) and n_nodes == max(launched) + 1
    node = launched if as_launched else [rank * n_nodes // n_ranks for rank in range(n_ranks)]
    return Layout(
        node=tuple(node),
        n_halves=2 if options.split_random_halves else 1,
        n_threads=options.n_threads,
        cores=options.plan_cores or cores,
        node_bytes=int(options.plan_memory_GB * 1e9) or n_bytes,
    )
