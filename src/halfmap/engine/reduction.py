"""The sums of a half, from all its ranks and from checkpoints: over the network, or from files."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from halfmap.engine.expectation import Found
from halfmap.engine.job import Job
from halfmap.engine.keeping.stored_parts import StoredPart
from halfmap.errors import DataError
from halfmap.io.parts import Part
from halfmap.io.sealed import DamagedError
from halfmap.model.sums import ExpectationSums
from halfmap.parallel.collectives import all_or_none
from halfmap.parallel.halves import Team
from halfmap.parallel.reduce_network import reduce_sums
from halfmap.parallel.reduce_scratch import add_stored

SECONDS_TO_APPEAR = 60.0
"""A network disc may show a file of another node only after a while."""
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class _Written:
    """What a rank has written of a half."""

    part: StoredPart | None
    """None if it had nothing to write, or could not."""
    failed: bool


def reduced(job: Job, found: Found) -> dict[int, ExpectationSums]:
    """Return the sums of each half: of each class on the rank that makes its map. Collective.

    The same bits, whichever way they come together. Where a rank cannot write its part, the sums
    of the half go over the network.
    """
    files: dict[int, list[StoredPart]] = {}
    for half, team in job.ranks.teams.items():
        files[half] = [part for part in found.kept.stored.parts if part.key.half == half]
        others = _through_files(job, found, half) if _wants_files(job, found, team) else None
        if others is None:
            reduce_sums(found.sums[half], team.comm)
        else:
            files[half] += others
    with all_or_none(job.ranks.world, "adding up the parts"):
        for half, team in job.ranks.teams.items():
            try:
                add_stored(found.sums[half].sums, _opened(files[half]), team.comm)
            except DamagedError as error:
                raise DataError(
                    f"{error}. Go on from the last iteration with --continue: what it held is "
                    "computed again"
                ) from error
    return {half: shared.sums for half, shared in found.sums.items()}


def _wants_files(job: Job, found: Found, team: Team) -> bool:
    wanted = job.options.reduction == "scratch" and team.comm.size > 1
    return wanted and found.kept.flushing.place is not None


def _through_files(job: Job, found: Found, half: int) -> list[StoredPart] | None:
    """Write this rank's part and return those of the others; None if one is missing. Collective."""
    flushing, team, shared = found.kept.flushing, job.ranks.teams[half], found.sums[half]
    flushing.flush()
    part = flushing.complete(half) if shared.is_keeper else None
    mine = _Written(part, failed=shared.is_keeper and part is None and bool(shared.units))
    written = team.comm.allgather(mine)
    if any(one.failed for one in written):
        if team.is_root:
            sys.stderr.write(
                f"halfmap: warning: the sums of half {half + 1} go over the network, because a "
                "part could not be written (--reduction scratch)\n"
            )
        return None
    others = [one for rank, one in enumerate(written) if rank != shared.keeper]
    return [one.part for one in others if one.part is not None]


def _opened(parts: list[StoredPart]) -> Iterator[Part]:
    for part in parts:
        _wait_for(part.path)
        yield part.open()


def _wait_for(path: Path) -> None:
    end = time.monotonic() + SECONDS_TO_APPEAR
    while not path.exists() and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
