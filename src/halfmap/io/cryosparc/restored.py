"""A STAR file that became a ``.cs`` file, as it was before, with what has changed since.

Texts of its columns travel as fields ``star/particles/<label>``; what is not of a particle, such
as the optics table, as one text that is cut into pieces, ``star/rest``, numbered by ``star/row``.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray as Array

from halfmap.io.cryosparc.columns import columns_of, written
from halfmap.io.cryosparc.files import Fields
from halfmap.io.cryosparc.link import Link
from halfmap.io.cryosparc.links import links
from halfmap.io.cryosparc.made_fields import made_fields
from halfmap.io.star import TEXT, StarFile, Table

STAR_PREFIX = "star/"
COLUMN_PREFIX = "star/particles/"
REST, ROW = "star/rest", "star/row"


def restored_star(fields: Fields, path: Path) -> StarFile | None:
    """Return the tables that a ``.cs`` file was made from.

    A value that was changed in the ``.cs`` file is taken from there. None if the file was not
    made from tables, or if they cannot be put together again: particles are missing, or their
    optics were changed.
    """
    rest = _rest(fields)
    if rest is None:
        return None
    _, fresh = columns_of(fields)
    particles: Table = {}
    for label in rest["labels"]:
        if COLUMN_PREFIX + label in fields:
            texts = [t.decode("utf-8") for t in fields[COLUMN_PREFIX + label].tolist()]
            particles[label] = np.array(texts, dtype=TEXT)
        elif label in fresh:
            particles[label] = written(fresh[label])
        else:
            return None
    star = _with_particles(rest, particles, path)
    again = made_fields(star, fields)
    for link in links(fields):
        changed = _changed(link, fields, again)
        if changed.any() and link.optics:
            return None
        if changed.any():
            _update(particles, {k: written(v) for k, v in link.columns(fields).items()}, changed)
    return star


def _rest(fields: Fields) -> Any:
    """Return what is not of a particle, or None if it is not there or not whole."""
    if REST not in fields or ROW not in fields:
        return None
    order = np.argsort(fields[ROW])
    if not np.array_equal(fields[ROW][order], np.arange(len(order))):
        return None
    return json.loads(b"".join(fields[REST][order].tolist()))


def _with_particles(rest: Any, particles: Table, path: Path) -> StarFile:
    tables: dict[str, Table] = {}
    for name, columns in rest["tables"].items():
        texts = {label: np.array(values, dtype=TEXT) for label, values in columns.items()}
        tables[name] = particles if name == rest["name"] else texts
    return StarFile(path, tables, rest["lists"])


def _changed(link: Link, fields: Fields, again: Fields) -> Bool[Array, " particle"]:
    """Tell which rows differ from what the tables say; a field of only one of them does not."""
    n = len(next(iter(fields.values())))
    changed = np.zeros(n, np.bool_)
    for name in link.fields:
        if name in fields and name in again:
            differ = fields[name] != again[name].astype(fields[name].dtype)
            changed |= differ.reshape(n, -1).any(axis=1)
    return changed


def _update(particles: Table, new: Table, changed: Bool[Array, " particle"]) -> None:
    for label, column in new.items():
        if label in particles:
            particles[label] = np.where(changed, column, particles[label])
        else:
            particles[label] = column
