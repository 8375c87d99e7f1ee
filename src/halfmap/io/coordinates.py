"""Atomic structures: mmCIF and PDB, plain or gzipped, through gemmi."""

from pathlib import Path

import gemmi
import numpy as np

from halfmap.errors import DataError
from halfmap.model.scattering import Atoms, Scatterers

DISPLACED_VOLUME_A3 = {
    "H": 5.15, "C": 16.44, "N": 2.49, "O": 9.13, "P": 5.73, "S": 19.86,
    "Na": 4.45, "Mg": 1.56, "K": 11.01, "Ca": 4.19, "Mn": 1.35, "Fe": 7.99, "Zn": 1.61,
}  # fmt: skip
"""Fraser et al. (1978) and, for the ions, Svergun et al. (1995), J. Appl. Cryst. 28, 768-773."""


def read_atoms(path: Path, keep_water: bool) -> Atoms:
    """Return the atoms of the first model of a structure.

    The asymmetric unit as it stands in the file: no assembly is generated. Alternative positions
    count with their occupancies; hydrogens count where the file has them.

    Parameters
    ----------
    path
        mmCIF or PDB, ``.gz`` or not.
    keep_water
        Count water molecules too. Otherwise they are solvent.

    Raises
    ------
    DataError
        The file is missing or unreadable, holds no atoms, or has elements without a form factor.
    """
    structure = _read(path)
    if not keep_water:
        structure.remove_waters()
    found = [site.atom for site in structure[0].all()] if len(structure) else []
    if not found:
        raise DataError(
            f"{path}: no atoms found in its first model. "
            "Expected the coordinates of a structure (mmCIF or PDB)."
        )
    names = sorted({atom.element.name for atom in found})
    index = {name: i for i, name in enumerate(names)}
    return Atoms(
        positions_A=np.array([atom.pos.tolist() for atom in found]),
        kind=np.array([index[atom.element.name] for atom in found]),
        occupancy=np.array([atom.occ for atom in found]),
        b_factor_A2=np.array([atom.b_iso for atom in found]),
        scatterers=_scatterers(path, names),
    )


def _read(path: Path) -> gemmi.Structure:
    if not path.is_file():
        raise DataError(f"{path}: no such file. Expected an mmCIF or PDB file, .gz or not.")
    try:
        return gemmi.read_structure(str(path))
    except (RuntimeError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read as mmCIF or PDB ({error}). "
            "Its name should end in .cif or .pdb, with .gz if it is compressed."
        ) from error


def _scatterers(path: Path, names: list[str]) -> Scatterers:
    """Look the form factors up; every element without one is named in one error."""
    tables = {name: gemmi.Element(name).c4322 for name in names}
    # gemmi lends "X", an element that it could not make out, the numbers of oxygen.
    unknown = [name for name in names if tables[name] is None or name == "X"]
    if unknown:
        raise DataError(
            f"{path}: atoms of {', '.join(unknown)} have no electron form factor. "
            "Correct the element column of these atoms, or remove them."
        )
    return Scatterers(
        names=tuple(names),
        amplitude_A=np.array([tables[name].a for name in names]),
        width_A2=np.array([tables[name].b for name in names]),
        displaced_volume_A3=np.array([DISPLACED_VOLUME_A3.get(name, 0.0) for name in names]),
    )
