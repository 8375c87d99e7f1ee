"""Values of one format as text of the other, so that what has no equivalent travels along."""

import json
from urllib.parse import quote, unquote_to_bytes

import numpy as np
from numpy import ndarray as Array

from halfmap.io.star import TEXT

_EMPTY = "%00"
"""Stands for an empty text; numpy drops trailing zeros of fixed-length bytes."""


def type_text(values: Array) -> str:
    """Return the type and the shape of a field: ``<f4``, ``<u4[2]``.

    >>> type_text(np.zeros((5, 3), "<f4"))
    '<f4[3]'
    """
    shape = ",".join(map(str, values.shape[1:]))
    return f"{values.dtype.str}[{shape}]" if shape else values.dtype.str


def to_text(values: Array) -> Array:
    """Return each row of a field as one word; vectors as ``[a,b]``."""
    if values.ndim == 1:
        return np.array(_words(values), dtype=TEXT)
    flat = values.reshape(len(values), -1)
    words = np.array(_words(flat.ravel()), dtype=object).reshape(flat.shape)
    return np.array([f"[{','.join(row)}]" for row in words.tolist()], dtype=TEXT)


def from_text(words: Array, kind: str) -> Array:
    """Return the field that `to_text` wrote; ``kind`` is its `type_text`."""
    code, _, shape = kind.rstrip("]").partition("[")
    sizes = tuple(int(size) for size in shape.split(",") if size)
    if not sizes:
        return _values([str(word) for word in words], np.dtype(code))
    parts = [part for word in words for part in str(word)[1:-1].split(",")]
    return _values(parts, np.dtype(code)).reshape(len(words), *sizes)


def in_pieces(text: str, n: int) -> Array:
    """Cut a text into as many pieces as there are particles."""
    raw = text.encode("ascii")
    width = max(1, -(-len(raw) // n))
    return np.array([raw[k * width : (k + 1) * width] for k in range(n)], dtype=f"S{width}")


def as_json(value: object) -> str:
    """Return plain data as ASCII text."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


def _words(values: Array) -> list[str]:
    if values.dtype.kind in "SU":
        texts = values.tolist()
        return [quote(t, safe="/@:+=,>()[]*?!&;") or _EMPTY for t in texts]
    found: list[str] = values.astype(str).tolist()
    return found


def _values(words: list[str], dtype: np.dtype[np.generic]) -> Array:
    if dtype.kind == "S":
        return np.array([unquote_to_bytes(word) for word in words], dtype=dtype)
    if dtype.kind == "U":
        texts = [unquote_to_bytes(word).decode("utf-8").rstrip("\0") for word in words]
        return np.array(texts, dtype=dtype)
    if dtype.kind == "b":
        return np.array([word == "True" for word in words], dtype=dtype)
    if dtype.kind == "f":
        return np.array([float(word) for word in words]).astype(dtype)
    return np.array([int(word) for word in words], dtype=dtype)
