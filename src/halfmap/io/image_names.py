"""Image names of a particle table: ``000001@stack.mrcs`` as stack, slice and place on disc."""

from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy import ndarray as Array

from halfmap.io.star_columns import ColumnReader


def read_image_names(
    columns: ColumnReader, folder: Path, label: str = "rlnImageName"
) -> tuple[tuple[str, ...], Int[Array, " particle"], Int[Array, " particle"]]:
    """Read a column of image names.

    A stack is looked for relative to the working directory, as RELION does, then relative
    to the folder of the STAR file or the one above. One that is nowhere keeps its name.

    Returns
    -------
    stacks
        Paths, in the order of first appearance.
    stack
        Index into ``stacks`` of each particle.
    slice_
        Image of that stack, from zero.
    """
    names = columns.text(label)
    parts = [split_image_name(name) for name in names]
    slice_ = np.array([number for number, _ in parts], dtype=np.int64) - 1
    columns.note(label, slice_ < 0, "expected 000001@stack.mrcs, counted from 1")
    paths = [path for _, path in parts]
    index = {path: n for n, path in enumerate(dict.fromkeys(paths))}
    stacks = tuple(str(find_beside(path, folder)) for path in index)
    return stacks, np.array([index[path] for path in paths], dtype=np.int64), slice_


def find_beside(name: str, folder: Path) -> Path:
    """Return where a file is: as written, else relative to ``folder`` or the one above.

    A job of cryoSPARC writes into a folder of its project, and names files from the project.
    """
    places = (Path(name), folder / name, folder.parent / name)
    return next((place for place in places if place.exists()), places[0])


def split_image_name(name: str) -> tuple[int, str]:
    """Return the number (0 if it is not one) and the path of an image name.

    >>> split_image_name("000012@a/b.mrcs"), split_image_name("single.mrc")
    ((12, 'a/b.mrcs'), (1, 'single.mrc'))
    >>> split_image_name("x@a.mrcs")
    (0, 'a.mrcs')
    """
    number, at, path = name.partition("@")
    if not at:
        return 1, name.removesuffix(":mrcs")
    return (int(number) if number.isdecimal() else 0), path.removesuffix(":mrcs")
