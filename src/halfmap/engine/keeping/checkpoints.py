"""Checkpoints in the middle of an iteration: what is found, what is left behind, what is said.

The layer around the leasing of units. Whatever ends an expectation before all units are done (an
error, a signal, the loss of ranks) passes through here, and what this rank has summed is written
first.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from halfmap.config.options import RefineOptions
from halfmap.engine.job import Job
from halfmap.engine.keeping.fingerprint import fingerprint
from halfmap.engine.keeping.flushing import Flushing, Place
from halfmap.engine.keeping.stored_parts import Shapes, Stored, Wanted, find_stored
from halfmap.engine.summing import Summing
from halfmap.errors import DataError, HalfmapError, SignalledError
from halfmap.io.part_folder import empty_folder, part_folder
from halfmap.io.parts import PartKey
from halfmap.io.private_folder import private_folder
from halfmap.io.run_names import RunNames
from halfmap.model.schedule import Schedule
from halfmap.parallel.collectives import share
from halfmap.parallel.halves import LEADER
from halfmap.parallel.units import Unit


@dataclass(frozen=True, slots=True)
class Kept:
    """What an expectation finds on the disc, and how it leaves something there."""

    stored: Stored
    flushing: Flushing


NOTHING = Kept(Stored(), Flushing(None, {}, {}))
"""Of an expectation without checkpoints."""


def check_checkpoint_folder(options: RefineOptions) -> None:
    """Refuse a folder for checkpoints that is not there.

    Raises
    ------
    DataError
        Naming it.
    """
    folder = options.checkpoint_folder
    if folder is not None and not folder.is_dir():
        raise DataError(
            f"--checkpoint_dir {folder}: found no such folder, expected one on a disc that all "
            "nodes see. Create it, or leave the option out"
        )


def folder_of(job: Job) -> Path:
    """Return where the parts of a run are."""
    return part_folder(job.options.output_root, job.options.checkpoint_folder)


@contextmanager
def checkpointed(
    job: Job, schedule: Schedule, summing: Summing, units: Sequence[Unit]
) -> Iterator[Kept]:
    """Keep what is summed during a block, however it ends. Collective at the beginning only.

    Parameters
    ----------
    units
        Of the whole iteration.

    Raises
    ------
    SignalledError
        On all ranks, when any of them was asked to stop.
    """
    wanted = _wanted(job, schedule, summing, units)
    place = _place(job)
    stored = Stored() if place is None else find_stored(place.folder, wanted, job.ranks.world)
    for remark in stored.remarks:
        job.console.warning(remark)
    flushing = Flushing(place, summing.halves, wanted.keys)
    try:
        with flushing.at_intervals():
            yield Kept(stored, flushing)
        flushing.flush_at_end()
    except BaseException as error:
        flushing.flush()
        if isinstance(error, HalfmapError) and error.exit_code == SignalledError.exit_code:
            raise _stopped(job, schedule, error) from error
        raise


def remove_parts(job: Job) -> None:
    """Remove the parts: an iteration has been written. On the leader."""
    folder = folder_of(job)
    try:
        empty_folder(folder)
    except OSError as error:
        job.console.warning(f"{folder} could not be emptied ({error.strerror or error})")


def _wanted(job: Job, schedule: Schedule, summing: Summing, units: Sequence[Unit]) -> Wanted:
    """Agree on what the sums of each half depend on. Collective; only the roots have the maps."""
    mine: dict[int, tuple[str, Shapes]] = {}
    for half, team in job.ranks.teams.items():
        if team.is_root:
            search, held = summing.any_search[half], summing.halves[half]
            mark = fingerprint(job, search, summing.poses, units, schedule.iteration)
            mine[half] = mark, tuple(array.shape for array in held.sums.arrays())
    told = {h: found for one in job.ranks.world.allgather(mine) for h, found in one.items()}
    return Wanted(
        keys={half: PartKey(half, mark) for half, (mark, _) in told.items()},
        shapes={half: shapes for half, (_, shapes) in told.items()},
        units=tuple(units),
        n_classes=job.options.n_classes,
    )


def _place(job: Job) -> Place | None:
    """Make the folder of the parts; None where that is not possible. Collective."""
    folder, problem = folder_of(job), ""
    if job.ranks.leads:
        try:
            private_folder(folder)
        except DataError as error:
            problem = str(error)
            job.console.warning(f"the run goes on without checkpoints: {problem}")
    session, problem = share((secrets.token_hex(4), problem), job.ranks.world, LEADER)
    if problem:
        return None
    writer = f"{session}_rank{job.ranks.world.rank:03d}"
    return Place(folder, writer, 60.0 * job.options.checkpoint_minutes)


def _stopped(job: Job, schedule: Schedule, error: HalfmapError) -> SignalledError:
    before = RunNames(str(job.options.output_root)).optimiser(schedule.iteration - 1)
    how = (
        f", with\n  halfmap refine --continue {before}"
        if before.is_file()
        else ", by the same command"
    )
    said = SignalledError(
        f"{str(error).rpartition(': ')[2]} in iteration {schedule.iteration}. What was computed of "
        f"it is in {folder_of(job)}. Go on, on any number of ranks{how}"
    )
    said.everywhere = True
    return said
