"""From the fields of a ``.cs`` file to the tables of a STAR file; nothing is lost.

A field that could not be made again from the tables, to the last bit, becomes a column
``cs/<field>``, or a value of the block ``data_cryosparc`` where it is the same for all.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.cryosparc.carried import to_text, type_text
from halfmap.io.cryosparc.columns import columns_of, written
from halfmap.io.cryosparc.files import Fields, read_cs
from halfmap.io.cryosparc.made_fields import made_fields
from halfmap.io.cryosparc.neutral import UNUSED_IF_ZERO
from halfmap.io.cryosparc.restored import STAR_PREFIX, restored_star
from halfmap.io.star import TEXT, StarFile, Table

BLOCK = "cryosparc"
PREFIX = "cs/"
_NEEDED = ("blob/path", "blob/idx")


def read_cs_as_star(path: Path) -> StarFile:
    """Read a ``.cs`` file as if it were the STAR file it becomes.

    Raises
    ------
    DataError
        If it is no table of particles, or has none.
    """
    fields = read_cs(path)
    n = len(next(iter(fields.values()), ()))
    if not n:
        raise DataError(f"{path} has no particles; expected at least one.")
    absent = [name for name in _NEEDED if name not in fields]
    if absent:
        raise DataError(
            f"{path} has no {' and no '.join(absent)}: it does not say where the images are. Take "
            "the particles of the job, or put its passthrough file beside it."
        )
    return star_of(fields, path)


def star_of(fields: Fields, path: Path) -> StarFile:
    """Return the tables of a STAR file that hold all that the fields hold."""
    star = restored_star(fields, path) or _fresh_star(fields, path)
    again = made_fields(star, fields)
    table: dict[str, list[str]] = {"hlfColumn": [], "hlfType": [], "hlfKept": [], "hlfValue": []}
    name = particle_block(star)
    particles = dict(star.tables[name])
    for field, values in fields.items():
        if field.startswith(STAR_PREFIX):
            continue
        kept, value = _how_kept(values, again.get(field))
        table["hlfColumn"].append(field)
        table["hlfType"].append(type_text(values))
        table["hlfKept"].append(kept)
        table["hlfValue"].append(value)
        if kept == "column":
            particles[PREFIX + field] = to_text(values)
    made_from_star = any(field.startswith(STAR_PREFIX) for field in fields)
    if made_from_star and set(table["hlfKept"]) <= {"made"}:
        return star
    block = {label: np.array(values, TEXT) for label, values in table.items()}
    return StarFile(path, star.tables | {name: particles, BLOCK: block}, star.lists)


def unused_effects(particles: Table, others: Mapping[str, Table]) -> list[str]:
    """Name the fields that change images in a way that is not converted, if they are not zero.

    Parameters
    ----------
    particles, others
        The table of particles, and the tables besides: `BLOCK` among them, or nothing is said.
    """
    if BLOCK not in others:
        return []
    block = others[BLOCK]
    constant = dict(zip(block["hlfColumn"].tolist(), block["hlfValue"].tolist(), strict=True))
    return [
        f"{field} is not zero: {meaning}, which is not converted and not corrected"
        for field, meaning in UNUSED_IF_ZERO.items()
        if any(
            set(str(word)) - set("[]0.,-")
            for word in particles.get(PREFIX + field, np.array([constant.get(field, "-")]))
        )
    ]


def particle_block(star: StarFile) -> str:
    """Return the name of the table of particles."""
    return "particles" if "particles" in star.tables else next(iter(star.tables), "")


def _how_kept(values: Array, again: Array | None) -> tuple[str, str]:
    """Tell whether the tables hold a field already, or how else it is kept, and its value."""
    if again is not None and same(values, again):
        return "made", "-"
    first = values[:1]
    if len(values) > 1 and values.tobytes() == np.repeat(first, len(values), axis=0).tobytes():
        return "constant", str(to_text(first)[0])
    return "column", "-"


def same(a: Array, b: Array) -> bool:
    """Tell whether two fields are equal in type and in every bit."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def _fresh_star(fields: Fields, path: Path) -> StarFile:
    optics, particles = columns_of(fields)
    texts = {label: written(column) for label, column in optics.items()}
    first, group = _groups(texts, len(fields["blob/idx"]))
    numbers = np.arange(1, len(first) + 1)
    table: Table = {"rlnOpticsGroup": written(numbers)}
    table |= {label: column[first] for label, column in texts.items()}
    table["rlnOpticsGroupName"] = _unique_names(table, len(first))
    table["rlnImageDimensionality"] = written(np.full(len(first), 2))
    columns = {label: written(column) for label, column in particles.items()}
    columns["rlnOpticsGroup"] = written(numbers[group])
    return StarFile(path, {"optics": table, "particles": columns}, {})


def _groups(texts: Table, n: int) -> tuple[Int[Array, " optics"], Int[Array, " particle"]]:
    """Return the first row of each distinct combination, and the combination of each row."""
    codes = [np.unique(column.astype(object), return_inverse=True)[1] for column in texts.values()]
    rows = np.stack([np.zeros(n, np.int64), *codes], axis=1)
    _, first, group = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return np.sort(first), rank[group.ravel()]


def _unique_names(table: Table, n: int) -> Array:
    """Return the names of the groups, told apart where one exposure group became several."""
    names = [str(name) for name in table.get("rlnOpticsGroupName", ["opticsGroup"] * n)]
    total = {name: names.count(name) for name in names}
    seen: dict[str, int] = {}
    for k, name in enumerate(names):
        seen[name] = seen.get(name, 0) + 1
        names[k] = f"{name}_{seen[name]}" if total[name] > 1 else name
    return np.array(names, dtype=TEXT)
