"""A prior spectrum tau2 from a STAR file, such as a ``_model.star`` of RELION's or ours."""

from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.problems import refuse
from halfmap.io.star import Table, read_star
from halfmap.io.star_columns import ColumnReader

_SHELL, _TAU2 = "rlnSpectralIndex", "rlnReferenceTau2"


def read_tau2(path: Path) -> Float[Array, " shell"]:
    """Read tau2 from the first table that has it, in the order of its shells.

    Raises
    ------
    DataError
        If there is no such table, or it does not give each shell from 0 on once.
    """
    problems: list[str] = []
    columns = ColumnReader(_table(path), str(path), problems)
    shells, values = columns.integers(_SHELL), columns.floats(_TAU2)
    columns.note(_TAU2, values < 0.0, "expected a power, 0 or more")
    if not problems and sorted(shells) != list(range(len(shells))):
        problems.append(
            f"found the shells {_SHELL} {_shortened(shells.tolist())}, expected each from 0 on "
            "once. Take the table from a _model.star"
        )
    refuse(path, problems)
    return np.asarray(values[np.argsort(shells)])


def check_shells(path: Path, tau2: Float[Array, " shell"], box: int) -> None:
    """Refuse a spectrum that was made for another box.

    Raises
    ------
    DataError
        If the spectrum does not end with the shell at Nyquist.
    """
    if len(tau2) != box // 2 + 1:
        raise DataError(
            f"{path}: found tau2 in the shells 0 to {len(tau2) - 1}, expected 0 to {box // 2}, for "
            f"the box of {box} px. Take the spectrum from a run with that box and pixel size"
        )


def _table(path: Path) -> Table:
    tables = read_star(path).tables
    for table in tables.values():
        if _SHELL in table and _TAU2 in table:
            return table
    names = ", ".join(f"data_{name}" for name in tables) or "none"
    raise DataError(
        f"{path}: found no table with {_SHELL} and {_TAU2} (tables: {names}), expected one. "
        "Take a _model.star"
    )


def _shortened(shells: list[int]) -> str:
    shown = ", ".join(str(shell) for shell in shells[:5])
    return f"{shown}, ..." if len(shells) > 5 else shown
