"""One short text for data of any size: dataclasses, arrays and plain values."""

import hashlib
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray as Array

from halfmap.model.particles import Particles

_PLAIN = (bool, int, float, str, bytes, type(None), Path, Enum)


def digest(value: Any) -> str:
    """Return the SHA-256 of dataclasses, arrays, sequences and plain values.

    >>> digest((1, "a")) == digest((1, "a")), digest((1, "a")) == digest((1.0, "a"))
    (True, False)
    """
    sums = hashlib.sha256()
    _add(sums, value)
    return sums.hexdigest()


def data_digest(particles: Particles) -> str:
    """Return what the particles and their stacks are recognised by; their folder may move.

    A stack is taken for another when its size or its time of change differs.
    """
    others = particles.inserted
    files = [*particles.stacks, *(others.stacks if others else ())]
    without_paths = replace(
        particles, stacks=(), inserted=replace(others, stacks=()) if others else None
    )
    return digest((without_paths, [_stamp(Path(file)) for file in files]))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return -1, -1  # whoever reads it will say so
    return found.st_size, found.st_mtime_ns


def _add(sums: Any, value: Any) -> None:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Array):
        sums.update(f"array {value.dtype.str} {value.shape} ".encode())
        sums.update(np.ascontiguousarray(value).data)
    elif is_dataclass(value):
        sums.update(f"{type(value).__name__} ".encode())
        _add(sums, [getattr(value, field.name) for field in fields(value)])
    elif isinstance(value, tuple | list):
        sums.update(f"list {len(value)} ".encode())
        for item in value:
            _add(sums, item)
    elif isinstance(value, _PLAIN):
        sums.update(f"{type(value).__name__} {value!r} ".encode())
    else:
        raise TypeError(f"found a {type(value).__name__}, which no digest covers")
