"""From a STAR file to the fields of a ``.cs`` file; nothing is lost.

Fields that travelled in the STAR file come back to the last bit, unless the columns that say the
same were changed in the meantime: then these count, row by row.
"""

import numpy as np
from jaxtyping import Bool
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.cryosparc.carried import as_json, from_text, in_pieces
from halfmap.io.cryosparc.columns import columns_of, written
from halfmap.io.cryosparc.files import Fields
from halfmap.io.cryosparc.link import Columns, Link
from halfmap.io.cryosparc.links import links
from halfmap.io.cryosparc.made_fields import flat_columns, made_fields
from halfmap.io.cryosparc.restored import COLUMN_PREFIX, REST, ROW
from halfmap.io.cryosparc.to_star import BLOCK, PREFIX, particle_block, star_of
from halfmap.io.star import StarFile, Table

_RELATIVE, _ABSOLUTE = 1e-5, 2e-5
"""RELION rewrites numbers with six digits; what differs by less is not a change."""
_PLANE = ("rlnAngleRot", "rlnAngleTilt")


def fields_of(star: StarFile) -> Fields:
    """Return the fields that hold all that the tables hold.

    Raises
    ------
    DataError
        If there is no table of particles, or if it cannot be understood.
    """
    if "rlnImageName" not in star.tables.get(particle_block(star), {}):
        raise DataError(
            f"{star.path} has no rlnImageName: no particle table. Expected one to convert."
        )
    fields = _with_kept(star) if BLOCK in star.tables else made_fields(star)
    return fields if _same_star(star_of(fields, star.path), star) else fields | _text(star, fields)


def _with_kept(star: StarFile) -> Fields:
    """Return the fields that the STAR file names, each as it was unless it was changed."""
    block, particles = star.tables[BLOCK], star.tables[particle_block(star)]
    columns = flat_columns(star)
    names = [str(name) for name in block["hlfColumn"]]
    if _needs_3d(names, columns):
        names += [n for n in made_fields(star) if n.startswith("alignments3D/")]
    made = made_fields(star, names)
    fields: Fields = {}
    n = len(particles["rlnImageName"])
    for field, kind, kept, value in zip(*(block[k].tolist() for k in block), strict=True):
        if kept == "constant":
            fields[field] = np.repeat(from_text(np.array([value], object), kind), n, axis=0)
        elif PREFIX + field in particles:
            fields[field] = from_text(particles[PREFIX + field], kind)
    for link in links(names):
        changed = _changed(link, fields, columns)
        for name in link.fields:
            if name in fields and name in made and changed.any():
                fields[name] = _where(changed, made[name], fields[name])
    found = made | fields
    return {name: found[name] for name in names if name in found}


def _needs_3d(names: list[str], columns: Columns) -> bool:
    """Tell whether a set that was aligned in 2D has views now."""
    if "alignments3D/pose" in names or not columns.keys() >= set(_PLANE):
        return False
    return any(columns[label].astype(np.float64).any() for label in _PLANE)


def _changed(link: Link, kept: Fields, columns: Columns) -> Bool[Array, " particle"]:
    """Tell in which rows the columns no longer say what the kept fields say."""
    n = len(columns["rlnImageName"])
    changed = np.zeros(n, np.bool_)
    # Fields that were not kept follow from the columns, and count as unchanged.
    for label, old in link.columns(kept | _absent(link, kept, columns)).items():
        if label not in columns:
            continue
        new = columns[label]
        if old.dtype.kind in "fiu":
            new = new.astype(np.float64)
            changed |= ~np.isclose(new, old, _RELATIVE, _ABSOLUTE, equal_nan=True)
        else:
            changed |= old.astype(object) != new.astype(object)
    return changed


def _absent(link: Link, kept: Fields, columns: Columns) -> Fields:
    made = link.made(columns)
    for other in links((*link.fields, *link.uses)):
        made |= {k: v for k, v in other.made(columns).items() if k in link.uses}
    return {name: values for name, values in made.items() if name not in kept}


def _where(changed: Bool[Array, " particle"], new: Array, old: Array) -> Array:
    choose = changed.reshape(-1, *[1] * (old.ndim - 1))
    if old.dtype.kind == "S":
        return np.where(choose, new, old)
    return np.where(choose, new.astype(old.dtype), old)


def _text(star: StarFile, fields: Fields) -> Fields:
    """Return the texts of the tables that do not follow from the fields."""
    name = particle_block(star)
    particles = star.tables[name]
    n = len(particles["rlnImageName"])
    known = {label: written(column) for label, column in columns_of(fields)[1].items()}
    texts = {
        COLUMN_PREFIX + label: np.array([str(v).encode("utf-8") for v in column.tolist()])
        for label, column in particles.items()
        if label not in known or known[label].tolist() != column.tolist()
    }
    tables = {
        other: {label: column.tolist() for label, column in table.items()}
        for other, table in star.tables.items()
        if other != name
    }
    ordered = {other: tables.get(other, {}) for other in star.tables}
    rest = {"name": name, "labels": list(particles), "tables": ordered, "lists": star.lists}
    return texts | {ROW: np.arange(n, dtype=np.uint32), REST: in_pieces(as_json(rest), n)}


def _same_star(a: StarFile, b: StarFile) -> bool:
    return a.lists == b.lists and _texts(a.tables) == _texts(b.tables)


def _texts(tables: dict[str, Table]) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    return [(n, [(k, c.tolist()) for k, c in t.items()]) for n, t in tables.items()]
