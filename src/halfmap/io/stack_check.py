"""Every stack of a particle table, looked at before the run starts: headers, no pixels."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from halfmap.errors import DataError
from halfmap.io.mrc import read_header
from halfmap.io.problems import refuse
from halfmap.model.particles import ImagePlaces, Particles

_THREADS = 8
"""Opening a file on a network file system is waiting."""


def check_stacks(particles: Particles) -> None:
    """Make sure that every image of a table exists, as far as headers tell.

    Raises
    ------
    DataError
        Lists every stack that is missing, truncated, of a mode without real numbers,
        of another box than its optics group says, of an odd box, or shorter than the table.
    """
    if particles.inserted is not None:
        check_stacks(_showing(particles, particles.inserted))
    last = np.full(len(particles.stacks), -1)
    row = np.zeros(len(particles.stacks), dtype=np.int64)
    in_order = np.lexsort((particles.slice, particles.stack))
    last[particles.stack[in_order]] = particles.slice[in_order]
    row[particles.stack[in_order]] = in_order

    def problem(stack: int) -> str | None:
        return _problem(particles, stack, int(last[stack]), int(row[stack]))

    with ThreadPoolExecutor(_THREADS) as threads:
        found = list(threads.map(problem, range(len(particles.stacks))))
    found.append(_two_boxes(particles))
    refuse("The particle stacks", [text for text in found if text])


def _showing(particles: Particles, places: ImagePlaces) -> Particles:
    """Return the particles with other images."""
    stacks, stack, slice_ = places.stacks, places.stack, places.slice
    return replace(particles, inserted=None, stacks=stacks, stack=stack, slice=slice_)


def _problem(particles: Particles, stack: int, last: int, row: int) -> str | None:
    """Say what is wrong with one stack; ``row`` is the table's row of its last image."""
    box = particles.optics[particles.optics_group[row]].box
    try:
        header = read_header(particles.stacks[stack])
    except DataError as error:
        return str(error)
    n, height, width = header.shape
    if (height, width) != (box, box):
        return (
            f"{header.path} holds images of {width} x {height} px; its optics group says "
            f"{box} x {box} (rlnImageSize). Correct the table, or extract the particles again."
        )
    if box % 2:
        return f"{header.path} has the odd box {box}; expected an even one. Crop the images."
    if last >= n:
        return (
            f"row {row + 1} points to image {last + 1} of {header.path}, which has {n}. "
            "Was the stack extracted again after the STAR file was written? Take the STAR file "
            "that belongs to it."
        )
    return None


def _two_boxes(particles: Particles) -> str | None:
    """Say whether optics groups of different boxes share a stack."""
    box = np.array([optics.box for optics in particles.optics])[particles.optics_group]
    small, large = np.full((2, len(particles.stacks)), 0)
    small[particles.stack], large[particles.stack] = box, box
    np.minimum.at(small, particles.stack, box)
    np.maximum.at(large, particles.stack, box)
    wrong = np.flatnonzero(small != large)
    if len(wrong) == 0:
        return None
    first = wrong[0]
    return (
        f"{particles.stacks[first]} holds particles of optics groups whose rlnImageSize is "
        f"{small[first]} and {large[first]}; a stack has one box. Correct the optics table."
    )
