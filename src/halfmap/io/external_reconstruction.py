"""The files by which another program is asked for a map (RELION's ``--external_reconstruct``)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.mrc import read_map, write_map
from halfmap.io.problems import refuse
from halfmap.io.star import read_star, write_star
from halfmap.io.star_columns import ColumnReader

_PART = "external_reconstruct"
_SHELL = "rlnSpectralIndex"
TAU2, FSC = "rlnReferenceTau2", "rlnFourierShellCorrelation"


@dataclass(frozen=True, slots=True)
class ExternalNames:
    """Names that begin with ``root``, e.g. ``Refine3D/job001/run_it002_half1_class001``."""

    root: str

    @property
    def star(self) -> Path:
        """What the program is called with."""
        return self._path(".star")

    @property
    def arrays(self) -> tuple[Path, Path, Path]:
        """Real and imaginary part of the numerator, and the weight."""
        return (
            self._path("_data_real.mrc"),
            self._path("_data_imag.mrc"),
            self._path("_weight.mrc"),
        )

    @property
    def map(self) -> Path:
        """What the program must make."""
        return self._path(".mrc")

    @property
    def spectra(self) -> Path:
        """What the program may make."""
        return self._path("_out.star")

    @property
    def log(self) -> Path:
        """What the program said."""
        return self._path(".log")

    def _path(self, end: str) -> Path:
        return Path(f"{self.root}_{_PART}{end}")


def write_sums(path: Path, values: Float32[Array, "z y x"]) -> None:
    """Write one of the arrays; as in RELION's, a voxel is 1 Å wide."""
    write_map(path, values, 1.0)


def write_request(
    names: ExternalNames,
    general: Mapping[str, Any],
    signal_variance: Float[Array, " shell"],
    fsc: Float[Array, " shell"],
) -> None:
    """Write the STAR file with the names of all others, and remove results of an older call.

    Parameters
    ----------
    general
        What else stands beside the names, by label.
    signal_variance, fsc
        tau2 and the gold-standard FSC, shells 0 to box/2.
    """
    for old in (names.map, names.spectra):
        old.unlink(missing_ok=True)
    real, imaginary, weight = names.arrays
    files = {
        "rlnExtReconsDataReal": str(real),
        "rlnExtReconsDataImag": str(imaginary),
        "rlnExtReconsWeight": str(weight),
        "rlnExtReconsResult": str(names.map),
        "rlnExtReconsResultStarfile": str(names.spectra),
    }
    table = {
        _SHELL: np.arange(len(signal_variance)),
        TAU2: signal_variance,
        "rlnGoldStandardFsc": fsc,
    }
    write_star(names.star, {f"{_PART}_general": files | dict(general), f"{_PART}_tau2": table})


def read_result(names: ExternalNames, shape: tuple[int, int, int]) -> Float32[Array, "z y x"]:
    """Read the map that the program made.

    Parameters
    ----------
    shape
        That it must have: the box along each axis, one plane for a 2D reference.

    Raises
    ------
    DataError
        If there is none, or it is not a sound map of the box.
    """
    if not names.map.exists():
        raise DataError(
            f"the external program ended well, but found no {names.map}, expected the map. "
            f"What it said is in {names.log}"
        )
    volume, _ = read_map(names.map)
    if volume.shape != shape:
        found, expected = (" x ".join(map(str, each)) for each in (volume.shape, shape))
        raise DataError(
            f"{names.map}: found {found} px, expected {expected} px: the map must have the box of "
            "rlnOriginalImageSize, not the padded one. Correct the external program"
        )
    return volume


def read_spectrum(names: ExternalNames, n_shells: int) -> tuple[str, Float[Array, " shell"]] | None:
    """Read the spectrum that the program made, if it made one: the label, and its values.

    Shells that are not in the file are 0; rows beyond the last shell are passed over.

    Raises
    ------
    DataError
        If the file has neither of the two columns.
    """
    if not names.spectra.exists():
        return None
    table = next(iter(read_star(names.spectra).tables.values()), {})
    label = next((label for label in (TAU2, FSC) if label in table), None)
    if label is None or _SHELL not in table:
        raise DataError(
            f"{names.spectra}: found no {_SHELL} with {TAU2} or {FSC} in its first table, "
            "expected them. Correct the external program, or let it write no such file"
        )
    problems: list[str] = []
    columns = ColumnReader(table, str(names.spectra), problems)
    shells, values = columns.integers(_SHELL), columns.floats(label)
    columns.note(_SHELL, shells < 0, "expected a shell, 0 or more")
    columns.note(label, (values < 0.0) & (label == TAU2), "expected a power, 0 or more")
    refuse(names.spectra, problems)
    spectrum = np.zeros(n_shells)
    known = shells < n_shells
    spectrum[shells[known]] = values[known]
    return label, spectrum
