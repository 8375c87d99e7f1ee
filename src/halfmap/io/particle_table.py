"""The particle table: read, checked, sorted, and split into halves.

All problems of a table are collected and said at once. Rows are sorted stably by
``rlnMicrographName``, as RELION does, before anything is numbered or drawn.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.cryosparc.files import SUFFIX
from halfmap.io.cryosparc.to_star import BLOCK, read_cs_as_star
from halfmap.io.image_names import read_image_names
from halfmap.io.later_versions import note_unsupported_particles
from halfmap.io.mrc import read_header
from halfmap.io.optics_table import optics_rows, read_optics, split_single_table
from halfmap.io.particle_columns import (
    note_absent_ctf,
    note_dark_images,
    read_defocus,
    read_halves,
    read_poses,
    read_priors,
    read_scale_groups,
)
from halfmap.io.problems import refuse
from halfmap.io.star import StarFile, Table, as_numbers, read_star
from halfmap.io.star_columns import ColumnReader
from halfmap.model.optics import Optics
from halfmap.model.particles import ImagePlaces, Particles, Poses

_OTHER_IMAGES = "rlnReconstructImageName"
_PIXEL_ORIGINS = ("rlnOriginX", "rlnOriginY", "rlnOriginXPrior", "rlnOriginYPrior")


@dataclass(frozen=True, slots=True)
class ParticleTable:
    """The columns of the input, kept to be written again; sorted, optics renumbered."""

    particles: Table
    optics: Table
    attached: dict[str, Table] = field(default_factory=dict)
    """Tables that belong to the columns: what a cryoSPARC file said besides."""
    of_set: dict[str, str] | None = None
    """Entries of the optimisation set that goes with the table, if one does."""


def read_particles(
    path: Path, *, ctf: bool, half_seed: int | None
) -> tuple[Particles, Poses, ParticleTable]:
    """Read a particle STAR file of RELION 3.0, 3.1 or later, or a ``.cs`` file of cryoSPARC.

    Parameters
    ----------
    path
        The file. Stacks are looked for relative to the working directory, then relative
        to the folder of this file.
    ctf
        Whether CTF parameters are needed.
    half_seed
        Seed that assigns particles to halves where the table does not;
        None if the set is not to be split.

    Returns
    -------
    particles, poses, table
        Poses hold the angles, offsets, classes and norms of an earlier run, if any.

    Raises
    ------
    DataError
        Lists everything that is missing, impossible or not supported in the table.
    """
    return particles_of(read_particle_file(path), ctf=ctf, half_seed=half_seed)


def read_particle_file(path: Path) -> StarFile:
    """Read the tables of a STAR file, or of a ``.cs`` file as the STAR file it becomes."""
    return read_cs_as_star(path) if path.suffix == SUFFIX else read_star(path)


def particles_of(
    star: StarFile, *, ctf: bool, half_seed: int | None
) -> tuple[Particles, Poses, ParticleTable]:
    """Understand and check the tables of a particle file; as `read_particles`."""
    problems: list[str] = []
    optics, columns = _tables(star, problems)
    n_before = len(problems)
    stacks, stack, slice_ = read_image_names(columns, star.path.parent)
    group = optics_rows(optics, columns)
    if "rlnImageSize" not in optics and len(problems) == n_before:
        optics.table["rlnImageSize"] = _boxes(stacks, stack, group, optics)
    all_optics = read_optics(optics, star.path.parent, ctf=ctf)
    inserted = None
    if _OTHER_IMAGES in columns:
        inserted = ImagePlaces(*read_image_names(columns, star.path.parent, _OTHER_IMAGES))
    note_unsupported_particles(columns)
    _origins_in_angstrom(columns, all_optics, group)
    defocus = read_defocus(columns, ctf=ctf)
    note_absent_ctf(columns, all_optics, group, defocus, ctf=ctf)
    note_dark_images(columns, all_optics, group, defocus, ctf=ctf)
    scale_groups, scale_group = read_scale_groups(columns)
    half = read_halves(columns, half_seed)
    poses = read_poses(columns)
    prior_deg, prior_offset_A = read_priors(columns)
    refuse(star.path, problems)

    particles = Particles(
        stacks=stacks,
        stack=stack,
        slice=slice_,
        optics=all_optics,
        optics_group=group,
        scale_groups=scale_groups,
        scale_group=scale_group,
        half=half,
        defocus=defocus,
        prior_deg=prior_deg,
        prior_offset_A=prior_offset_A,
        inserted=inserted,
    )
    optics.table["rlnOpticsGroup"] = np.arange(1, optics.n + 1)
    columns.table["rlnOpticsGroup"] = group + 1
    kept = [{k: as_numbers(v) for k, v in r.table.items()} for r in (columns, optics)]
    attached = {BLOCK: star.tables[BLOCK]} if BLOCK in star.tables else {}
    return particles, poses, ParticleTable(kept[0], kept[1], attached)


def _tables(star: StarFile, problems: list[str]) -> tuple[ColumnReader, ColumnReader]:
    """Return the optics and the sorted particle table of a new or an old file."""
    new = "optics" in star.tables
    name = "particles" if new else _single_table(star)
    particles = star.table(name)
    _refuse_no_particles(star, name)
    if new:
        optics = star.tables["optics"]
    else:
        columns = ColumnReader(particles, f"data_{name}", problems)
        optics, particles = split_single_table(columns)
    order = np.arange(len(particles["rlnImageName"]))
    if "rlnMicrographName" in particles:
        order = np.argsort(particles["rlnMicrographName"], kind="stable")
    particles = {label: column[order] for label, column in particles.items()}
    return (
        ColumnReader(dict(optics), "data_optics", problems),
        ColumnReader(particles, f"data_{name}", problems, rows=order.tolist()),
    )


def _single_table(star: StarFile) -> str:
    """Return the name of the only table of a RELION 3.0 file."""
    if not star.tables:
        raise DataError(f"{star.path} has no table; expected data_optics and data_particles.")
    name = next(iter(star.tables))
    if "rlnOpticsGroup" in star.tables[name]:
        raise DataError(
            f"{star.path} has rlnOpticsGroup in data_{name} but no table data_optics. "
            "Was it cut off? Copy data_optics from the file this one was made of."
        )
    return name


def _refuse_no_particles(star: StarFile, name: str) -> None:
    table = star.tables[name]
    if "rlnImageName" not in table:
        raise DataError(f"{star.path} has no rlnImageName in data_{name}: no particle table.")
    if not len(table["rlnImageName"]):
        raise DataError(f"{star.path} has no particles in data_{name}; expected at least one.")
    optics = star.tables.get("optics")
    if optics is not None and not len(next(iter(optics.values()))):
        raise DataError(f"{star.path} has no rows in data_optics; expected at least one.")


def _boxes(
    stacks: tuple[str, ...],
    stack: Int[Array, " particle"],
    group: Int[Array, " particle"],
    optics: ColumnReader,
) -> Int[Array, " optics"]:
    """Take the box of each group from its first stack, where the table does not say."""
    boxes = np.full(optics.n, 2)
    for g in np.unique(group).tolist():
        first = stacks[stack[np.argmax(group == g)]]
        try:
            _, height, width = read_header(first).shape
        except DataError as error:
            optics.problems.append(f"{optics.name}: no rlnImageSize, and {error}")
            continue
        boxes[g] = width
        if height != width:
            optics.problems.append(f"{first}: images of {width} x {height} px; expected squares.")
    return boxes


def _origins_in_angstrom(
    columns: ColumnReader, optics: tuple[Optics, ...], group: Int[Array, " particle"]
) -> None:
    """Replace origins in pixels (RELION 3.0) by origins in Å."""
    pixel_A = np.array([o.pixel_size_A for o in optics])[group]
    renamed: Table = {}
    for label, column in columns.table.items():
        in_angstrom = f"{label}Angst"
        if label not in _PIXEL_ORIGINS or in_angstrom in columns.table:
            renamed[label] = column
        else:
            renamed[in_angstrom] = columns.floats(label) * pixel_A
    columns.table = renamed
