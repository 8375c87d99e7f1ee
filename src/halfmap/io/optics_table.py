"""Optics groups: the optics table of RELION 3.1 and later, or what stands for it before."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.io.aberration_columns import read_aberrations, read_detectors
from halfmap.io.later_versions import note_unsupported_optics
from halfmap.io.star import TEXT, Table
from halfmap.io.star_columns import ColumnReader
from halfmap.model.optics import Optics

_MOVED = (
    "rlnAmplitudeContrast",
    "rlnBeamTiltX",
    "rlnBeamTiltY",
    "rlnSphericalAberration",
    "rlnVoltage",
    "rlnDetectorPixelSize",
    "rlnMagnification",
)
"""Columns of a 3.0 particle table that belong to the optics."""
PIXEL_SIZES = ("rlnImagePixelSize", "rlnMicrographPixelSize", "rlnMicrographOriginalPixelSize")
_MAG_MAT = {"00": 1.0, "01": 0.0, "10": 0.0, "11": 1.0}
_LARGEST_MAGNIFICATION = 0.5
"""Change of an image's area by a lens; more is a mistake in the table."""


def split_single_table(particles: ColumnReader) -> tuple[Table, Table]:
    """Make an optics table from a RELION 3.0 particle table.

    A group is a distinct combination of voltage, spherical aberration, amplitude contrast,
    beam tilt, detector pixel and magnification, numbered by first appearance.

    Returns
    -------
    optics, particles
        The particle table without the columns that moved and with ``rlnOpticsGroup``.
    """
    table = particles.table
    moved = [label for label in _MOVED if label in table]
    numbers = np.column_stack([np.zeros(particles.n), *(particles.floats(m) for m in moved)])
    _, first, group = np.unique(numbers, axis=0, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    first = np.sort(first)

    optics: Table = {
        "rlnOpticsGroup": np.arange(1, len(first) + 1),
        "rlnOpticsGroupName": np.array([f"opticsGroup{n + 1}" for n in range(len(first))], TEXT),
    }
    optics |= {label: table[label][first] for label in moved}
    if {"rlnDetectorPixelSize", "rlnMagnification"} <= optics.keys():
        detector_um = particles.floats("rlnDetectorPixelSize")[first]
        magnification = particles.floats("rlnMagnification")[first]
        pixels = 10_000.0 * detector_um / np.where(magnification > 0, magnification, np.inf)
        # All digits, as text: a continued run must read the same number again.
        optics["rlnImagePixelSize"] = np.array([repr(p) for p in pixels.tolist()], TEXT)
        del optics["rlnDetectorPixelSize"], optics["rlnMagnification"]
    rest = {label: column for label, column in table.items() if label not in moved}
    return optics, rest | {"rlnOpticsGroup": rank[group.ravel()] + 1}


def optics_rows(optics: ColumnReader, particles: ColumnReader) -> Int[Array, " particle"]:
    """Return the row of the optics table of each particle; 0 where there is none, and say so."""
    numbers = optics.integers("rlnOpticsGroup").tolist()
    wanted = particles.integers("rlnOpticsGroup")
    twice = sorted({number for number in numbers if numbers.count(number) > 1})
    if twice:
        optics.problems.append(f"{optics.name}: rlnOpticsGroup {twice[0]} is defined twice.")
    row_of = {number: row for row, number in enumerate(numbers)}
    rows = np.array([row_of.get(number, -1) for number in wanted.tolist()], dtype=np.int64)
    defined = ", ".join(map(str, numbers))
    particles.note("rlnOpticsGroup", rows < 0, f"{optics.name} defines only {defined}")
    return np.maximum(rows, 0)


def read_optics(columns: ColumnReader, folder: Path, *, ctf: bool) -> tuple[Optics, ...]:
    """Read the optics table, noting what is missing, impossible or not supported.

    Parameters
    ----------
    columns
        The optics table, ``rlnImageSize`` included.
    folder
        Of the STAR file, for the files that it names.
    ctf
        Whether the amplitude contrast is needed.
    """
    note_unsupported_optics(columns)
    default_contrast = None if ctf else 0.0
    contrast = columns.floats("rlnAmplitudeContrast", default_contrast)
    outside = (contrast < 0) | (contrast > 1)
    columns.note("rlnAmplitudeContrast", outside, "expected a fraction between 0 and 1")
    voltage = columns.floats("rlnVoltage")
    columns.note("rlnVoltage", voltage <= 0, "expected kV above 0")
    aberration = columns.floats("rlnSphericalAberration")
    pixel_A, box = _pixel_sizes(columns), columns.integers("rlnImageSize")
    columns.note("rlnImageSize", (box < 2) | (box % 2 == 1), "expected an even box, px")
    magnification = _magnification(columns)
    aberrations, detectors = read_aberrations(columns), read_detectors(columns, folder)
    premultiplied = columns.integers("rlnCtfDataAreCtfPremultiplied", 0) != 0
    corrected = columns.integers("rlnCtfDataAreCtfCorrected", 0) != 0
    names = columns.text("rlnOpticsGroupName", "")
    return tuple(
        Optics(
            name=names[g] or f"opticsGroup{g + 1}",
            voltage_kV=float(voltage[g]),
            spherical_aberration_mm=float(aberration[g]),
            amplitude_contrast=float(contrast[g]),
            pixel_size_A=float(pixel_A[g]),
            box=int(box[g]),
            ctf_premultiplied=bool(premultiplied[g]),
            magnification=magnification[g],
            aberrations=aberrations[g],
            detector=detectors[g],
            ctf_corrected=bool(corrected[g]),
        )
        for g in range(columns.n)
    )


def _pixel_sizes(columns: ColumnReader) -> Float[Array, " optics"]:
    label = next((label for label in PIXEL_SIZES if label in columns), None)
    if label is None:
        columns.problems.append(
            f"{columns.name}: no pixel size; expected rlnImagePixelSize (Å), or "
            "rlnDetectorPixelSize (µm) and rlnMagnification in a RELION 3.0 table."
        )
        return np.ones(columns.n)
    values = columns.floats(label)
    columns.note(label, values <= 0, "expected Å above 0")
    return values


def _magnification(columns: ColumnReader) -> list[tuple[float, float, float, float]]:
    """Read the magnification matrices; the identity where there is none."""
    parts = [columns.floats(f"rlnMagMat{ij}", own) for ij, own in _MAG_MAT.items()]
    columns.note(
        "rlnMagMat00",
        np.abs(parts[0] * parts[3] - parts[1] * parts[2] - 1.0) > _LARGEST_MAGNIFICATION,
        "with the other rlnMagMat columns it changes the area of an image by more than a half; "
        "expected a matrix near the identity",
    )
    return [(float(a), float(b), float(c), float(d)) for a, b, c, d in zip(*parts, strict=True)]
