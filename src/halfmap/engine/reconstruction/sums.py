"""Units of slices computed by any thread of any rank, and their sums as integers."""

import threading
from dataclasses import dataclass, field
from math import prod
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex64, Int64
from mpi4py import MPI
from numpy import ndarray as Array

from halfmap.engine.reconstruction.task import Task
from halfmap.engine.telling.console import Console
from halfmap.errors import DataError
from halfmap.model.faint_sums import FaintSums
from halfmap.parallel.halves import Ranks, Team
from halfmap.parallel.leases import Accept, LocalDesk, RemoteDesk, lead, work
from halfmap.parallel.node_memory import NodeArrays
from halfmap.parallel.node_sums import SharedSums
from halfmap.parallel.reduce_network import reduce_sums
from halfmap.parallel.units import LeaseBook, Unit
from halfmap.steps.slice_preparation import prepared_slices

Grid = Array
Reference = dict[int, Complex64[Array, "z y x"]]
"""Of each half that this rank serves, the transform of the map of the last pass."""


@dataclass
class Summing:
    """Computes units, and adds what they yield to the sums of this rank."""

    task: Task
    sums: dict[int, SharedSums]
    """Of the halves that this rank serves."""
    reference: Reference = field(default_factory=dict)
    faint: dict[int, FaintSums] = field(default_factory=dict)
    _idle: list[Grid] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def compute(self, unit: Unit) -> None:
        """Insert the slices of a unit; called by several threads at once."""
        task = self.task
        rows = task.table.only(unit.rows)
        slices = prepared_slices(task.source.read(rows.row.tolist()), rows, task.preparation)
        if not np.isfinite(slices.signal).all():
            bad = np.flatnonzero(~np.isfinite(slices.signal).all(axis=(1, 2)))[0]
            raise DataError(
                f"{task.source.path}: image {rows.row[bad]} has pixels that are NaN or infinite; "
                "expected numbers. Write it again, or leave it out."
            )
        grid = self._grid()
        reference = self.reference.get(unit.half)
        task.backend.insert(slices, task.operators, task.kernel, grid, reference)
        self._add(unit, grid)

    def _grid(self) -> Grid:
        with self._lock:
            own = self._idle.pop() if self._idle else None
        return self.task.backend.empty_grid(self.task.kernel) if own is None else own

    def _add(self, unit: Unit, grid: Grid) -> None:
        task, shared = self.task, self.sums[unit.half]
        volume, fixed = shared.sums.volume[0], task.fixed_point(unit)
        with self._lock, shared.adding(unit.number):
            fits, faint = task.backend.flush(grid, task.kernel, fixed, volume)
            self._idle.append(grid)
            if len(faint.key):
                known = self.faint.get(unit.half, FaintSums.none())
                self.faint[unit.half] = (known + faint).without_bright(volume)
        if not fits:
            numbers = task.table.row[unit.rows]
            raise DataError(
                f"{task.source.path}: of images {numbers.min()} to {numbers.max()} one is "
                "thousands of times brighter than others. Normalise the images, or leave it out."
            )


class VolumeSums(NamedTuple):
    """All that was inserted of a half."""

    volume: Int64[Array, "z y x 3"]
    """Real part, imaginary part, weight; of a map that is fitted, those of `ExactSums`."""
    faint: FaintSums


def summed(
    task: Task, ranks: Ranks, console: Console, reference: Reference | None = None
) -> dict[int, VolumeSums]:
    """Insert all slices. Collective.

    Returns
    -------
    sums
        Of each half whose root this rank is.

    Raises
    ------
    CollectiveError
        On all ranks, when any of them failed.
    """
    summing = Summing(task, _zeros(task, ranks), reference or {})
    with console.progress(sum(len(u.rows) for u in task.units), "inserting slices") as step:

        def accept(unit: Unit, _: object) -> None:
            step(len(unit.rows))

        _lease(task, ranks, summing, accept)
    return {
        half: own
        for half, team in ranks.teams.items()
        if (own := _reduced(summing, team)) is not None
    }


def _reduced(summing: Summing, team: Team) -> VolumeSums | None:
    """Return the sums over all ranks of a half on its root; None elsewhere. Collective."""
    volume = reduce_sums(summing.sums[team.half], team.comm).volume[0]
    pieces = team.comm.gather(summing.faint.get(team.half, FaintSums.none()))
    if pieces is None:
        return None
    faint = sum(pieces, FaintSums.none()).without_bright(volume)
    return VolumeSums(volume.reshape(*summing.task.sums_shape), faint)


def _zeros(task: Task, ranks: Ranks) -> dict[int, SharedSums]:
    shapes = ((1, prod(task.sums_shape[:-1]), 3), (0, 0), (0, 0))
    return {
        half: SharedSums(shapes, len(task.units), NodeArrays(MPI.COMM_SELF), team.comm.rank)
        for half, team in ranks.teams.items()
    }


def _lease(task: Task, ranks: Ranks, summing: Summing, accept: Accept) -> None:
    """Compute all units: lease them to the workers, or work. Collective."""
    n_threads = task.options.n_threads
    if ranks.world.size == 1:
        desk = LocalDesk(LeaseBook(task.units), ranks.served[0], accept)
        work(desk, summing.compute, 0, n_threads)
    elif ranks.leads:
        lead(LeaseBook(task.units), ranks, accept)
    else:
        work(RemoteDesk(task.units, ranks.world), summing.compute, ranks.world.rank, n_threads)
