"""What the columns of a particle table say about each particle."""

import re

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array

from halfmap.io.star_columns import ColumnReader
from halfmap.model.optics import Defocus, Optics
from halfmap.model.particles import Poses

Priors = Float[Array, "particle axis"] | None

_JOB_PREFIX = re.compile(r"^(?:.*?/)?job\d{3,}/")
"""Of RELION's pipeline: ``MotionCorr/job002/a.mrc`` and ``a.mrc`` are one micrograph."""


def read_defocus(columns: ColumnReader, *, ctf: bool) -> Defocus:
    """Read the CTF parameters; without ``ctf`` what is absent is zero."""
    u_A = columns.floats("rlnDefocusU", None if ctf else 0.0)
    return Defocus(
        u_A=u_A,
        v_A=columns.floats("rlnDefocusV", u_A),
        angle_deg=columns.floats("rlnDefocusAngle", 0.0),
        phase_shift_deg=columns.floats("rlnPhaseShift", 0.0),
        b_factor_A2=columns.floats("rlnCtfBfactor", 0.0),
        scale=columns.floats("rlnCtfScalefactor", 1.0),
    )


def note_absent_ctf(
    columns: ColumnReader,
    optics: tuple[Optics, ...],
    group: Int[Array, " particle"],
    defocus: Defocus,
    *,
    ctf: bool,
) -> None:
    """Note particles whose CTF would be zero everywhere."""
    shared = np.array(
        [abs(o.spherical_aberration_mm) + abs(o.amplitude_contrast) < 1e-6 for o in optics]
    )
    absent = shared[group] & (np.abs(defocus.u_A) + np.abs(defocus.v_A) < 1e-6)
    if ctf and absent.any() and "rlnDefocusU" in columns:
        columns.note(
            "rlnDefocusU", absent, "all CTF parameters are zero. Leave out --ctf, or estimate them"
        )


def note_dark_images(
    columns: ColumnReader,
    optics: tuple[Optics, ...],
    group: Int[Array, " particle"],
    defocus: Defocus,
    *,
    ctf: bool,
) -> None:
    """Note dark particles (a CTF of the other sign) where nothing would turn them over."""
    squared = np.array([o.ctf_premultiplied for o in optics])[group]
    columns.note(
        "rlnCtfScalefactor",
        (defocus.scale < 0) & (squared | (not ctf)),
        "a number below 0 says that particles are dark, which --ctf turns over unless images are "
        "premultiplied. Add --ctf, or write a stack of bright ones: halfmap check --deep --fix",
    )


def read_scale_groups(columns: ColumnReader) -> tuple[tuple[str, ...], Int[Array, " particle"]]:
    """Read the scale groups (group names, else micrographs), in order of first appearance."""
    if "rlnGroupName" in columns:
        names = columns.text("rlnGroupName")
    else:
        micrographs = columns.text("rlnMicrographName", "")
        names = [_JOB_PREFIX.sub("", name) for name in micrographs]
    index = {name: n for n, name in enumerate(dict.fromkeys(names))}
    return tuple(index), np.array([index[name] for name in names], dtype=np.int64)


def read_halves(columns: ColumnReader, seed: int | None) -> Int[Array, " particle"]:
    """Return the half of each particle, from zero: as the table says, or drawn."""
    if seed is None:
        return np.zeros(columns.n, dtype=np.int64)
    subset = columns.integers("rlnRandomSubset", 0)
    drawn = not subset.any()
    if drawn:
        subset = np.random.default_rng(seed).integers(1, 3, columns.n)
    wrong: Bool[Array, " particle"] = (subset != 1) & (subset != 2)
    columns.note(
        "rlnRandomSubset", wrong, "expected 1 or 2 for all particles, or 0 for all to have it drawn"
    )
    for number in (1, 2):
        if not wrong.any() and not (subset == number).any():
            columns.problems.append(
                f"{columns.name}: no particle is in half {number}; both halves need some. "
                + ("Add" if drawn else "Remove the column rlnRandomSubset to have it drawn, or add")
                + " particles."
            )
    return np.asarray(subset - 1, dtype=np.int64)


def read_priors(columns: ColumnReader) -> tuple[Priors, Priors]:
    """Read where the priors on angles and offsets sit: None if the table does not say.

    Angles that it has no column for are NaN, offsets are zero.
    """
    angles = [f"rlnAngle{name}Prior" for name in ("Rot", "Tilt", "Psi")]
    offsets = [f"rlnOrigin{axis}PriorAngst" for axis in "XY"]
    return _priors(columns, angles, np.nan), _priors(columns, offsets, 0.0)


def _priors(columns: ColumnReader, labels: list[str], absent: float) -> Priors:
    if not any(label in columns for label in labels):
        return None
    nothing = np.full(columns.n, absent)
    return np.column_stack(
        [columns.floats(label) if label in columns else nothing for label in labels]
    )


def read_poses(columns: ColumnReader) -> Poses:
    """Take over what an earlier run found."""
    angles = [columns.floats(f"rlnAngle{name}", 0.0) for name in ("Rot", "Tilt", "Psi")]
    offsets = [columns.floats(f"rlnOrigin{axis}Angst", 0.0) for axis in "XY"]
    norm = columns.floats("rlnNormCorrection", 1.0)
    columns.note("rlnNormCorrection", norm <= 0, "expected a number above 0")
    return Poses(
        angles_deg=np.column_stack(angles),
        offset_A=np.column_stack(offsets),
        class_index=columns.integers("rlnClassNumber", 0) - 1,
        norm=norm,
        log_likelihood=columns.floats("rlnLogLikeliContribution", 0.0),
        max_probability=columns.floats("rlnMaxValueProbDistribution", 0.0),
        n_significant=columns.integers("rlnNrOfSignificantSamples", 0),
    )
