"""``.cs`` files: numpy structured arrays, one row a particle, joined with what was passed through.

cryoSPARC leaves columns that a job did not touch in files beside its result
(``..._passthrough_particles.cs``); rows belong together by ``uid``.
"""

import math
import os
import re
from pathlib import Path
from typing import IO

import numpy as np
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.atomic import replacing

Fields = dict[str, Array]
"""Columns by name (``ctf/df1_A``), one row a particle; vectors have a second axis."""

SUFFIX = ".cs"
_NPY = b"\x93NUMPY"
_JOB = re.compile(r"P\d+_J\d+|J\d+")


def read_cs(path: Path) -> Fields:
    """Read a ``.cs`` file and what was passed through beside it.

    Raises
    ------
    DataError
        If the file is absent, truncated or not a table of particles.
    """
    fields = _read_one(path)
    for other in passthrough_files(path):
        fields = joined(fields, _read_one(other), other)
    return fields


def passthrough_files(path: Path) -> list[Path]:
    """Return the passthrough files of the job that a file belongs to, by their names."""
    job = _JOB.search(path.name)
    if job is None or "passthrough" in path.name:
        return []
    beside = sorted(path.parent.glob(f"*{SUFFIX}"))
    return [
        other
        for other in beside
        if "passthrough_particles" in other.name
        and job[0] in _JOB.findall(other.name)
        and other != path
    ]


def joined(fields: Fields, passed: Fields, path: Path) -> Fields:
    """Return the columns with those that another file has besides, row by row of one ``uid``.

    Raises
    ------
    DataError
        If the other file lacks some of the particles.
    """
    new = {name: values for name, values in passed.items() if name not in fields}
    if not new or "uid" not in fields or "uid" not in passed:
        return fields
    order = np.argsort(passed["uid"], kind="stable")
    place = np.searchsorted(passed["uid"], fields["uid"], sorter=order)
    rows = order[np.minimum(place, len(order) - 1)] if len(order) else place
    if len(fields["uid"]) and (not len(order) or (passed["uid"][rows] != fields["uid"]).any()):
        raise DataError(
            f"{path} does not have all particles (uid) of the file beside it; expected the "
            "passthrough file of the same job. Move it away, or take the right one."
        )
    return fields | {name: values[rows] for name, values in new.items()}


def write_cs(path: Path, fields: Fields) -> None:
    """Write a ``.cs`` file, whole or not at all.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    n = len(next(iter(fields.values())))
    kinds = [(name, values.dtype, values.shape[1:]) for name, values in fields.items()]
    table = np.empty(n, np.dtype(kinds))
    for name, values in fields.items():
        table[name] = values
    with replacing(path) as beside, beside.open("wb") as file:
        np.save(file, table)


def _read_one(path: Path) -> Fields:
    table = _load(path)
    names = table.dtype.names
    if names is None or table.ndim != 1:
        raise DataError(
            f"{path} holds no table of particles (found an array of {table.dtype}); expected the "
            "particles of a cryoSPARC job."
        )
    return {name: table[name] for name in names}


def _load(path: Path) -> Array:
    try:
        with path.open("rb") as file:
            start = file.read(len(_NPY))
            file.seek(0)
            if start != _NPY:
                raise DataError(
                    f"{path} is not a cryoSPARC file that can be read here: it begins with "
                    f"{start!r}; expected the numpy format. Export the particles from cryoSPARC."
                )
            return _rows(file, os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except DataError:
        raise
    except Exception as error:  # numpy parses the header as Python text, and fails in many ways
        raise DataError(
            f"{path} cannot be read ({error}). Is it whole? Export it from cryoSPARC again."
        ) from error


def _rows(file: IO[bytes], size: int) -> Array:
    """Read numpy's format, if the file is as long as its header says."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0
    shape, _, dtype = (read if version == (1, 0) else np.lib.format.read_array_header_2_0)(file)
    if dtype.hasobject:
        raise ValueError("it holds objects of Python, not numbers and text")
    promised = math.prod(shape) * dtype.itemsize
    if size - file.tell() < promised:
        raise ValueError(f"its header promises {promised:,} bytes of rows, it has {size:,} in all")
    return np.fromfile(file, dtype, math.prod(shape)).reshape(shape)
