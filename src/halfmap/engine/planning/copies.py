"""What copies of a run's images take on a node (docs/scratch.md): counted as they are laid out."""

import os
from pathlib import Path

from halfmap.engine.job import Job
from halfmap.engine.staging import SHARED_MEMORY, Sourced
from halfmap.io.mrc import read_header
from halfmap.io.scratch.copy import MARK
from halfmap.io.scratch.copying import wanted_stacks

LEFT_FREE = 0.5
"""Of the memory that is free when a run begins, so much is not filled with copies."""


def copied_bytes(job: Job) -> int:
    """Return what the copies of all images take: each image once, in the type of its copy."""
    return sum(_of_source(sourced) for sourced in job.staging.sourced)


def _of_source(sourced: Sourced) -> int:
    n_bytes, source = 0, sourced.source
    for wanted in wanted_stacks(sourced.stack, sourced.slice):
        header = read_header(source.paths[wanted.number])
        box, form = header.shape[2], source.form
        of_image = form.box(box) ** 2 * form.stored(header.dtype, box).itemsize
        n_bytes += len(wanted.slices) * of_image + header.shape[0] * MARK.itemsize
    return n_bytes


def bytes_on_disc(job: Job) -> int:
    """Return what ``--scratch_dir`` takes on the disc of a node; memory goes before a disc."""
    options = job.options
    return copied_bytes(job) if options.scratch_dir and not options.preread_images else 0


def bytes_in_memory(job: Job, node_bytes: int) -> int:
    """Return what ``--preread_images`` takes of the memory of a node; what is more stays in files.

    Parameters
    ----------
    node_bytes
        Memory of the node that is asked about. Its ``/dev/shm`` is taken to be like this one's.
    """
    if not job.options.preread_images:
        return 0
    room = LEFT_FREE * node_bytes
    if SHARED_MEMORY.is_dir():
        room = min(room, _size(SHARED_MEMORY) * max(1.0, node_bytes / _memory()))
    return int(min(copied_bytes(job), room))


def _size(folder: Path) -> float:
    status = os.statvfs(folder)
    return float(status.f_blocks) * status.f_frsize


def _memory() -> float:
    return float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")
