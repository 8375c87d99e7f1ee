"""A direct reconstruction from the first to the last line, on every rank. Read this first."""

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from mpi4py import MPI
from threadpoolctl import threadpool_limits

from halfmap.config.reconstruction.options import ReconstructRequest
from halfmap.engine.process_memory import resident
from halfmap.engine.reconstruction.halves import agreement, joined
from halfmap.engine.reconstruction.maps import made_map
from halfmap.engine.reconstruction.passes import inserted
from halfmap.engine.reconstruction.record import leave_record
from halfmap.engine.reconstruction.results import (
    tell_end,
    tell_forecast,
    tell_plan,
    write_fsc,
    write_maps,
)
from halfmap.engine.reconstruction.task import Task, found_task
from halfmap.engine.telling.console import Console
from halfmap.parallel.collectives import all_or_none, from_root
from halfmap.parallel.halves import LEADER, Ranks, organise


def reconstruct(request: ReconstructRequest, world: MPI.Intracomm) -> None:
    """Make a map from projections of known orientation, and write it. Collective.

    Raises
    ------
    HalfmapError
        On all ranks, when any of them failed.
    """
    start, options = time.monotonic(), request.options
    console = Console(1 if world.rank == LEADER else 0, may_draw=options.verbosity > 0)
    for notice in request.notices:
        console.notice(notice)
    with threadpool_limits(1):  # threads are over units; BLAS must not add its own
        task = from_root(lambda: found_task(options), world, LEADER)
        ranks = organise(world, options.n_halves)
        tell_plan(console, task, ranks)
        if options.dry_run:
            tell_forecast(console, task, ranks)
            return
        reconstruct_task(task, ranks, console, start)
    tell_end(console, task, time.monotonic() - start)


def reconstruct_task(task: Task, ranks: Ranks, console: Console, start: float) -> None:
    """Insert all slices, make the maps, and write them. Collective.

    Parameters
    ----------
    task, ranks, console
        What is done, who does it, and where it is told.
    start
        When the reconstruction began, for the record.
    """
    times = [start, time.monotonic()]
    task, sums, reference = inserted(task, ranks, console)
    times.append(time.monotonic())
    with all_or_none(ranks.world, "making the half maps"):
        halves = {half: made_map(own, task) for half, own in sums.items() if ranks.n_halves > 1}
    fsc = agreement(halves, ranks)
    whole = joined(sums, ranks)
    peaks = ranks.world.allgather(resident().peak)
    with all_or_none(ranks.world, "making the map"):
        made = None if whole is None else made_map(whole, task, reference.get(0))
        write_maps(task, made, halves, Console())  # rank 0 need not be the one that makes it
        if fsc is not None and whole is not None:
            write_fsc(task, fsc)
        if made is not None:
            times.append(time.monotonic())
            leave_record(task, made.weight, fsc, _spent(times, [*peaks, resident().peak]))


PHASES = ("reading and planning", "inserting slices", "making and writing maps")


def _spent(times: Sequence[float], peaks: Sequence[int]) -> dict[str, Any]:
    """Return what the record says of time and memory; the last peak is that of this rank."""
    lasted = (end - begin for begin, end in pairwise(times))
    seconds = dict(zip(PHASES, lasted, strict=True))
    return {"seconds": seconds, "peak_bytes": max(peaks), "ranks": len(peaks) - 1}
