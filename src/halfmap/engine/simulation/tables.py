"""The tables of a simulated data set: as a user has them, and the truth beside it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.errors import DataError, OptionError
from halfmap.io.problems import refuse
from halfmap.io.star import Table, read_star
from halfmap.io.star_columns import ColumnReader
from halfmap.model.particles import Particles, Poses

Block = dict[str, Any]
ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
OFFSETS = ("rlnOriginXAngst", "rlnOriginYAngst")
OFFSETS_PX = ("rlnOriginX", "rlnOriginY")


def optics_block(particles: Particles) -> Block:
    """Return the optics table."""
    optics = particles.optics
    return {
        "rlnOpticsGroup": np.arange(1, len(optics) + 1),
        "rlnOpticsGroupName": [group.name for group in optics],
        "rlnVoltage": np.array([group.voltage_kV for group in optics]),
        "rlnSphericalAberration": np.array([g.spherical_aberration_mm for g in optics]),
        "rlnAmplitudeContrast": np.array([group.amplitude_contrast for group in optics]),
        "rlnImagePixelSize": np.array([group.pixel_size_A for group in optics]),
        "rlnImageSize": np.array([group.box for group in optics]),
        "rlnImageDimensionality": np.full(len(optics), 2),
    }


def particles_block(particles: Particles, split: bool) -> Block:
    """Return the particle table as it is before any refinement."""
    block: Block = {
        "rlnImageName": [particles.name(row) for row in range(len(particles))],
        "rlnMicrographName": [particles.scale_groups[i] for i in particles.scale_group],
        "rlnOpticsGroup": particles.optics_group + 1,
        "rlnDefocusU": particles.defocus.u_A,
        "rlnDefocusV": particles.defocus.v_A,
        "rlnDefocusAngle": particles.defocus.angle_deg,
    }
    if split:
        block["rlnRandomSubset"] = particles.half + 1
    return block


def truth_block(poses: Poses) -> Block:
    """Return the columns that a refinement should find."""
    angles = dict(zip(ANGLES, poses.angles_deg.T, strict=True))
    offsets = dict(zip(OFFSETS, poses.offset_A.T, strict=True))
    return angles | offsets | {
        "rlnClassNumber": poses.class_index + 1,
        "rlnNormCorrection": poses.norm,
    }  # fmt: skip


def groups_block(particles: Particles, scale: Float[Array, " group"]) -> Block:
    """Return the scale groups as a ``_model.star`` has them."""
    n = len(particles.scale_groups)
    return {
        "rlnGroupNumber": np.arange(1, n + 1),
        "rlnGroupName": list(particles.scale_groups),
        "rlnGroupNrParticles": np.bincount(particles.scale_group, minlength=n),
        "rlnGroupScaleCorrection": scale,
    }


def read_poses(path: Path, n: int | None) -> Poses:
    """Return the poses of the first ``n`` particles of a STAR file, or of all.

    Raises
    ------
    DataError
        No angles, or columns that are not numbers.
    OptionError
        Fewer particles than ``n``.
    """
    problems: list[str] = []
    columns = ColumnReader(_particle_table(path), "the table", problems)
    angles_deg = np.column_stack([columns.floats(label) for label in ANGLES])
    offset_A = np.column_stack([columns.floats(label, 0.0) for label in OFFSETS])
    if any(label in columns for label in OFFSETS_PX):
        problems.append(
            "the table: offsets are in pixels (rlnOriginX), expected rlnOriginXAngst. "
            "Convert it with relion_convert_star."
        )
    refuse(path, problems)
    found = columns.n
    if n is not None and n > found:
        raise OptionError(
            f"--n {n} particles wanted, but {path} has {found} poses. Choose --n {found} or less."
        )
    n = found if n is None else n
    return replace(
        Poses.unknown(n),
        angles_deg=angles_deg[:n],
        offset_A=offset_A[:n],
        class_index=np.zeros(n, np.int64),
    )


def _particle_table(path: Path) -> Table:
    """Return the table called particles, or the only one there is."""
    star = read_star(path)
    if "particles" not in star.tables and len(star.tables) == 1:
        return next(iter(star.tables.values()))
    try:
        return star.table("particles")
    except DataError as error:
        raise DataError(f"{error} --poses needs a table with {', '.join(ANGLES)}.") from error
