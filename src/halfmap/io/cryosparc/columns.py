"""The columns that follow from the fields of a ``.cs`` file, as numbers and as words."""

import numpy as np
from numpy import ndarray as Array

from halfmap.io.cryosparc.files import Fields
from halfmap.io.cryosparc.link import Columns, decoded
from halfmap.io.cryosparc.links import links
from halfmap.io.star import TEXT


def columns_of(fields: Fields) -> tuple[Columns, Columns]:
    """Return the columns of the optics table and of the particles, one row a particle."""
    optics: Columns = {}
    particles: Columns = {}
    with np.errstate(all="ignore"):  # a run refuses absurd numbers, not the conversion
        for link in links(fields):
            (optics if link.optics else particles).update(link.columns(fields))
    if "rlnMicrographName" not in particles or not any(particles["rlnMicrographName"]):
        particles["rlnMicrographName"] = decoded(fields["blob/path"])
    return optics, particles


def written(column: Array) -> Array:
    """Return values as the words of a STAR file; numbers to the digits of single precision."""
    if column.dtype.kind == "f":
        with np.errstate(over="ignore"):
            column = column.astype(np.float32)
    return np.array(column.astype(str).tolist(), dtype=TEXT)
