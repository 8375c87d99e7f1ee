"""From the tables of a STAR file to the fields of a ``.cs`` file that follow from them."""

from collections.abc import Collection

import numpy as np
from numpy import ndarray as Array

from halfmap.io.cryosparc.files import Fields
from halfmap.io.cryosparc.link import Columns, numbers
from halfmap.io.cryosparc.links import links
from halfmap.io.cryosparc.neutral import NEUTRAL_COLUMNS, NEUTRAL_FIELDS
from halfmap.io.optics_table import optics_rows, split_single_table
from halfmap.io.problems import refuse
from halfmap.io.star import StarFile
from halfmap.io.star_columns import ColumnReader


def made_fields(star: StarFile, names: Collection[str] = ()) -> Fields:
    """Return the fields that the tables determine, and neutral ones for what they do not say.

    Parameters
    ----------
    star
        With a table of particles, RELION 3.0 or later.
    names
        Fields that are asked for; they tell 2D from 3D alignments.

    Raises
    ------
    DataError
        If a column that is needed is not of numbers, or optics groups are not defined.
    """
    columns = flat_columns(star)
    fields: Fields = {}
    with np.errstate(all="ignore"):  # absurd numbers travel as text
        for link in links(names):
            fields |= link.made(columns)
    n = len(columns["rlnImageName"])
    for name, value in NEUTRAL_FIELDS.items():
        if name.startswith("alignments3D") and "alignments3D/pose" not in fields:
            continue
        fields[name] = np.repeat(np.asarray(value)[None], n, axis=0)
    return fields


def flat_columns(star: StarFile) -> Columns:
    """Return all columns, those of the optics too, one row a particle."""
    problems: list[str] = []
    if "optics" in star.tables:
        optics = star.tables["optics"]
        particles = star.table("particles")
    else:
        name = next(iter(star.tables))
        reader = ColumnReader(star.tables[name], f"data_{name}", problems)
        optics, particles = split_single_table(reader)
    of_optics = ColumnReader(optics, "data_optics", problems)
    of_particles = ColumnReader(particles, "data_particles", problems)
    group = optics_rows(of_optics, of_particles)
    columns: Columns = {label: column[group] for label, column in optics.items()}
    columns |= particles
    for label, value in NEUTRAL_COLUMNS.items():
        columns.setdefault(label, np.full(len(group), value))
    if "rlnOpticsGroupName" not in columns:
        columns["rlnOpticsGroupName"] = columns["rlnOpticsGroup"]
    _numbers_only(columns, problems)
    refuse(star.path, problems)
    _in_angstrom(columns)
    return columns


def _numbers_only(columns: Columns, problems: list[str]) -> None:
    """Note the columns that a link would take for numbers and that are none."""
    reader = ColumnReader(columns, "data_particles", problems)
    text = {"rlnImageName", "rlnMicrographName", "rlnOpticsGroupName"}
    for label in ("rlnOriginX", "rlnOriginY"):
        if label in columns:
            reader.floats(label)
    for link in links(()):
        for label in (*link.labels, *(u for u in link.uses if u.startswith("rln"))):
            if label in columns and label not in text and link.to_fields is not None:
                reader.floats(label)


def _in_angstrom(columns: Columns) -> None:
    """Give a table of RELION 3.0 its shifts in Å, which are in px."""
    for axis in "XY":
        label, old = f"rlnOrigin{axis}Angst", f"rlnOrigin{axis}"
        if label not in columns and {old, "rlnImagePixelSize"} <= columns.keys():
            pixel_A: Array = numbers(columns["rlnImagePixelSize"])
            columns[label] = numbers(columns[old]) * pixel_A
