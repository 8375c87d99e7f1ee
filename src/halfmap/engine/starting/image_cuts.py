"""``--scratch_crop_A``: how small images become that hold detail up to a resolution only."""

from collections.abc import Sequence

from halfmap.config.options import RefineOptions
from halfmap.errors import OptionError
from halfmap.model.cut_images import next_fast_box
from halfmap.model.fourier import resolution_shell
from halfmap.model.geometry import ImageGeometry

GUARD = 8
"""Shells of an image that are kept beyond. A mask mixes neighbours: without theirs the last pixels
that count would lack a part of their noise."""


def cuts_of(
    options: RefineOptions, geometries: Sequence[ImageGeometry]
) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Return up to which window of the map cut images will do, and the boxes that become smaller.

    Raises
    ------
    OptionError
        On all ranks, if none does.
    """
    limit_A, grid = options.scratch_crop_A, geometries[0]
    if limit_A <= 0.0:
        return 0, ()
    shell = resolution_shell(limit_A, grid.model_box, grid.model_pixel_size_A)
    boxes: dict[int, int] = {}
    for own in geometries:
        wanted = next_fast_box(own.window(2 * shell) + 2 * GUARD)
        boxes[own.box] = max(wanted, boxes.get(own.box, 0))
    smaller = tuple((box, cut) for box, cut in sorted(boxes.items()) if cut < box)
    if not smaller:
        box, cut = max(boxes.items())
        failure = OptionError(
            f"--scratch_crop_A {limit_A:g}: found images of {box} px, of which {cut} would be "
            "kept, expected a resolution that leaves fewer. Take a coarser one, or leave it out"
        )
        failure.everywhere = True
        raise failure
    return 2 * shell, smaller
