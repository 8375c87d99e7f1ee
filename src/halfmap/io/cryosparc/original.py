"""A STAR file whose block ``data_cryosparc`` was lost, as RELION loses it, gets it back."""

import numpy as np

from halfmap.errors import DataError
from halfmap.io.cryosparc.to_star import BLOCK, PREFIX, particle_block
from halfmap.io.star import StarFile

UID = f"{PREFIX}uid"


def is_orphaned(star: StarFile) -> bool:
    """Tell whether a table has columns of cryoSPARC and not the block that explains them."""
    particles = star.tables.get(particle_block(star), {})
    return BLOCK not in star.tables and any(label.startswith(PREFIX) for label in particles)


def with_original(star: StarFile, original: StarFile) -> StarFile:
    """Return a STAR file with what a ``.cs`` file says besides, particle by particle (``uid``).

    Parameters
    ----------
    original
        The ``.cs`` file that the set came from, as `read_cs_as_star` gives it.

    Raises
    ------
    DataError
        If particles cannot be told apart, or are not in the ``.cs`` file.
    """
    name = particle_block(star)
    particles, known = star.tables[name], original.tables["particles"]
    for table, path in ((particles, star.path), (known, original.path)):
        if UID not in table:
            raise DataError(
                f"{path} has no {UID}: its particles cannot be found in the other file. Take the "
                "STAR file that was converted from the .cs file."
            )
    row_of = {uid: row for row, uid in enumerate(known[UID].tolist())}
    rows = [row_of.get(uid, -1) for uid in particles[UID].tolist()]
    if min(rows) < 0:
        raise DataError(
            f"{star.path}: row {rows.index(-1) + 1} has the uid {particles[UID][rows.index(-1)]}, "
            f"which {original.path} does not have. Take the .cs file that the set came from."
        )
    carried = {
        label: column[np.array(rows)]
        for label, column in known.items()
        if label.startswith(PREFIX) and label not in particles
    }
    tables = {**star.tables, name: particles | carried, BLOCK: original.tables[BLOCK]}
    return StarFile(star.path, tables, star.lists)
