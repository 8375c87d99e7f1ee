"""Attributes of EMAN's HDF5 files as plain values, and back.

A value is a number, a string, a list of numbers, or a `Transform`. In a file single values are
arrays of length one, whole numbers are int32, truths the letters T and F, and strings have a fixed
length.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy import ndarray as Array

PREFIX = "EMAN."
TRANSFORM_TYPE = np.dtype([(f"{row}{column}", "<f4") for row in range(3) for column in range(4)])
"""Rows of a 3 x 4 matrix: rotation, and translation in the last column."""
BIT_KEYS = ("stored_renderbits", "stored_rendermin", "stored_rendermax")
"""Attributes that say how whole numbers stand for values."""
LONGEST = 2**22
"""Bytes of one value; more is not an attribute."""
_TRUE, _FALSE = ord("T"), ord("F")


@dataclass(frozen=True, slots=True)
class Transform:
    """A 3 x 4 matrix, row by row."""

    elements: tuple[float, ...]


Value: TypeAlias = bool | int | float | str | list[float] | list[int] | Transform


def decode(stored: Array) -> Value:
    """Return what the array of an attribute stands for.

    Raises
    ------
    ValueError
        If that is nothing EMAN writes.
    """
    kind = stored.dtype.kind
    if kind == "V" and stored.dtype.names == TRANSFORM_TYPE.names and stored.size == 1:
        row = stored.reshape(-1)[0]
        return Transform(tuple(float(element) for element in row))
    if kind in "SO" and stored.size == 1:
        text = stored.reshape(-1)[0]
        return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    if kind not in "iuf" or stored.ndim > 1:
        raise ValueError(f"{stored.dtype} of shape {stored.shape}")
    if stored.dtype == np.int8 and stored.size == 1 and int(stored.reshape(-1)[0]) in _TRUTHS:
        return _TRUTHS[int(stored.reshape(-1)[0])]
    values: Any = stored.tolist()
    found: Value = values[0] if isinstance(values, list) and len(values) == 1 else values
    return found


_TRUTHS = {_TRUE: True, _FALSE: False}


def encode(value: Value) -> Array:
    """Return the array that an attribute is written as.

    Lists of numbers are float32 or int32. One number is float32 if that holds it exactly, else
    float64.
    """
    if isinstance(value, Transform):
        return np.array([value.elements], TRANSFORM_TYPE)
    if isinstance(value, bool):
        return np.array([_TRUE if value else _FALSE], np.int8)
    if isinstance(value, str):
        return np.array(value.encode() + b"\0", f"S{len(value.encode()) + 1}")
    if isinstance(value, float):
        exact = float(np.float32(value)) == value or not np.isfinite(value)
        return np.array([value], np.float32 if exact else np.float64)
    whole = isinstance(value, int) or all(isinstance(item, int) for item in value)
    return np.atleast_1d(np.asarray(value, np.int32 if whole else np.float32))


def to_json(value: Value) -> Any:
    """Return a value as JSON can hold it."""
    return {"transform": value.elements} if isinstance(value, Transform) else value


def from_json(held: Any) -> Value:
    """Return the value that `to_json` was given."""
    return Transform(tuple(held["transform"])) if isinstance(held, dict) else held
