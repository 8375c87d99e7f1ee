"""``_optimisation_set.star``: the files of a project of subtomograms, named at once.

A list block without a name. RELION's tomography jobs hand it to each other; it serves single
particles as well, as long as it names no tilt series.
"""

from collections.abc import Mapping
from pathlib import Path

from halfmap.errors import DataError
from halfmap.io.image_names import find_beside
from halfmap.io.star import read_star, write_star

PARTICLES = "rlnTomoParticlesFile"
HALF_MAPS = ("rlnTomoReferenceMap1File", "rlnTomoReferenceMap2File")
MASK = "rlnTomoReferenceMaskFile"
FSC = "rlnTomoReferenceFscFile"
OF_TILT_SERIES = ("rlnTomoTomogramsFile", "rlnTomoTrajectoriesFile")


def read_optimisation_set(path: Path) -> dict[str, str]:
    """Return the entries of a set by label, as they are written; empty ones are left out.

    Raises
    ------
    DataError
        If it is not such a file, or names tomograms.
    """
    star = read_star(path)
    blocks = (*star.lists, *star.tables)
    if len(blocks) != 1:
        raise DataError(
            f"{path}: found {len(blocks)} blocks ({', '.join(f'data_{name}' for name in blocks)}), "
            "expected one with the entries of an optimisation set. Name such a set"
        )
    entries = {label: text for label, text in star.values(blocks[0]).items() if text}
    tilted = [label for label in OF_TILT_SERIES if label in entries]
    if tilted:
        raise DataError(
            f"{path}: found {tilted[0]} ({entries[tilted[0]]}), expected a set of single "
            "particles: subtomogram averaging is not in this version"
        )
    return entries


def files_of_set(path: Path) -> dict[str, str]:
    """Return what a set names, each file as written or, if it is not there, beside the set.

    Raises
    ------
    DataError
        As `read_optimisation_set`.
    """
    entries = read_optimisation_set(path)
    return {label: str(find_beside(name, path.parent)) for label, name in entries.items()}


def write_optimisation_set(
    path: Path, entries: Mapping[str, str], new: Mapping[str, Path | None]
) -> None:
    """Write a set with some entries replaced, or taken out where they are None.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    replaced = {label: str(name) for label, name in new.items() if name is not None}
    kept = {label: text for label, text in entries.items() if label not in new}
    write_star(path, {"": replaced | kept})
