"""Whether a plan fits, and what to change when it does not."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from halfmap.engine.planning.layout import Layout

GIBIBYTE = 2**30
MARGIN = 0.15
"""The forecast of memory may be off by so much."""
TIME_MARGIN = 1.5
"""Wanted from Slurm: so many times the time forecast."""
NodePeak = Callable[[Layout], int]
"""Bytes of the fullest node."""


@dataclass(frozen=True, slots=True)
class Disc:
    """Bytes on disc."""

    results: int
    checkpoints: int
    scratch: int
    """On each node."""
    free: int
    """Where the results go."""
    kept_free: int = 0
    """On each node's disc, beside the copies."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What to ask of Slurm."""

    nodes: int
    ntasks: int
    cpus_per_task: int
    mem_GiB: int
    """Of a node."""
    minutes: int
    tmp_GiB: int
    """On a node's disc; 0 where nothing is put there."""

    def lines(self) -> list[str]:
        """Return the lines of a job script."""
        hours, minutes = divmod(self.minutes, 60)
        values = {
            "nodes": self.nodes,
            "ntasks": self.ntasks,
            "cpus-per-task": self.cpus_per_task,
            "mem": f"{self.mem_GiB}G",
            "time": f"{hours}:{minutes:02d}:00",
        }
        if self.tmp_GiB:
            values["tmp"] = f"{self.tmp_GiB}G"
        return [f"#SBATCH --{name}={value}" for name, value in values.items()]


def submission(layout: Layout, node_peak: int, seconds: float, disc: Disc) -> Submission:
    """Return what to ask for, with margins."""
    minutes = 10 * math.ceil(TIME_MARGIN * seconds / 600.0)
    return Submission(
        nodes=layout.n_nodes,
        ntasks=layout.n_ranks,
        cpus_per_task=layout.n_threads,
        mem_GiB=math.ceil(node_peak * (1.0 + MARGIN) / GIBIBYTE),
        minutes=minutes,
        tmp_GiB=math.ceil((disc.scratch + disc.kept_free) / GIBIBYTE),
    )


def advice(layout: Layout, peak_of: NodePeak, disc: Disc, *, padding: float) -> Iterator[str]:
    """Yield what does not fit, each with what to change.

    Parameters
    ----------
    peak_of
        Forecast for a layout.
    padding
        Of the transforms.
    """
    peak = peak_of(layout)
    if peak > layout.node_bytes:
        needed, there = _gibibytes(peak), _gibibytes(layout.node_bytes)
        yield (
            f"memory: a node needs {needed}, expected at most {there}. "
            + _for_memory(layout, peak_of, padding)
        )
    n_workers = max(1, layout.n_ranks - 1)
    wanted = layout.n_threads * -(-n_workers // layout.n_nodes)
    if wanted > layout.cores:
        yield (
            f"cores: {wanted} threads would work on the {layout.cores} cores of a node, and wait "
            "for each other. Take fewer ranks, or fewer threads (--j)"
        )
    needed_on_disc = disc.results + disc.checkpoints
    if needed_on_disc > disc.free:
        yield (
            f"disc: the run writes {_gibibytes(needed_on_disc)} and {_gibibytes(disc.free)} are "
            "free. Free some space, or choose another folder with --o"
        )


def _for_memory(layout: Layout, peak_of: NodePeak, padding: float) -> str:
    """Say what makes a plan fit, most useful first: one rank less of each node at a time."""
    threads = layout.cores
    for n_ranks in range(layout.n_ranks - 1, 0, -layout.n_nodes):
        n_workers = max(1, n_ranks - 1)
        threads = max(1, layout.cores * layout.n_nodes // n_workers)
        fewer = _with(layout, n_ranks, layout.n_nodes, threads)
        if peak_of(fewer) <= layout.node_bytes:
            return (
                f"Start {n_ranks} rank{'s' * (n_ranks > 1)} with --j {threads}: "
                f"{_gibibytes(peak_of(fewer))} a node, {threads * n_workers} threads at work"
            )
    slim = _with(layout, min(layout.n_ranks, 3), layout.n_nodes, 1)
    if peak_of(slim) <= layout.node_bytes:
        return f"Start {slim.n_ranks} ranks with --j 1: {_gibibytes(peak_of(slim))} a node"
    spread = _with(layout, 1 + 2 * layout.n_halves, 2 * layout.n_halves, layout.n_threads)
    if peak_of(spread) <= layout.node_bytes:
        return f"Start one worker on each of {spread.n_nodes} nodes: {_gibibytes(peak_of(spread))}"
    smaller = "Take --pad 1, which needs an eighth for transforms and sums" if padding > 1.0 else ""
    return smaller or "Take nodes with more memory, or particles in a smaller box"


def _with(layout: Layout, n_ranks: int, n_nodes: int, n_threads: int) -> Layout:
    n_nodes = min(n_nodes, n_ranks)
    node = tuple(rank * n_nodes // n_ranks for rank in range(n_ranks))
    return replace(layout, node=node, n_threads=n_threads)


def _gibibytes(n_bytes: float) -> str:
    return f"{n_bytes / GIBIBYTE:.1f} GiB"
