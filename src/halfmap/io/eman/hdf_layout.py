"""Where the values of one image of an HDF5 file lie, and reading them without the library.

The places come from the library (`halfmap.io.eman.hdf_scan`) and are believed only after a look at
the size of the file. Reading past the library is safe in threads, and costs no opening of groups.
"""

import os
import zlib
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array

from halfmap.io.eman.hdf_attributes import Value

DEFLATE, SHUFFLE = 1, 2
MOST_PACKED = 1040
"""Bytes that deflate can make of one."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A box of values that lies in one place."""

    first: tuple[int, ...]
    """Index of its first value."""
    offset: int
    """Into the file, bytes."""
    n_bytes: int


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image or a map in a file."""

    shape: tuple[int, ...]
    """(y, x) or (z, y, x)."""
    dtype: np.dtype[Any]
    pieces: tuple[Piece, ...]
    piece_shape: tuple[int, ...]
    """Of each piece; those at the end reach over the edge."""
    filters: tuple[int, ...]
    """In the order in which they were applied: deflate, or shuffle and deflate."""
    scale: tuple[float, float] | None = None
    """(factor, offset) that turns whole numbers into values."""


def stored_image(layout: dict[str, Any], limits: list[Value | None], size: int) -> StoredImage:
    """Return the place of an image, checked.

    Parameters
    ----------
    layout
        Of `halfmap.io.eman.hdf_scan`.
    limits
        Values of `BIT_KEYS`, None where there is none.
    size
        Of the file, bytes.

    Raises
    ------
    ValueError
        If the file cannot hold such an image, or in a form that we do not read.
    """
    shape = tuple(layout["shape"])
    if not 1 <= len(shape) <= 3 or min(shape) < 1:
        raise ValueError(f"has the shape {shape}, expected (y, x) or (z, y, x)")
    try:
        dtype = np.dtype(layout["dtype"])
    except TypeError:
        raise ValueError(f"holds {layout['dtype']}, expected real numbers") from None
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise ValueError(f"holds {dtype}, expected real numbers")
    filters = tuple(layout["filters"])
    if filters not in ((), (DEFLATE,), (SHUFFLE, DEFLATE)):
        raise ValueError(f"is packed by HDF5's filters {filters}, expected deflate (1) or none")
    pieces = tuple(Piece(tuple(p[:-2]), p[-2], p[-1]) for p in layout["places"])
    chunk = tuple(layout["chunk"] or shape)
    scale = None if dtype.kind == "f" else _scale(limits)
    image = StoredImage(shape, dtype, pieces, chunk, filters, scale)
    _check_places(image, size)
    return image


def _check_places(image: StoredImage, size: int) -> None:
    steps = [-(-n // m) for n, m in zip(image.shape, image.piece_shape, strict=True)]
    if len(image.pieces) != prod(steps) or len({p.first for p in image.pieces}) != prod(steps):
        raise ValueError(f"lacks values: {len(image.pieces)} of {prod(steps)} pieces are there")
    for piece in image.pieces:
        where = zip(piece.first, image.piece_shape, image.shape, strict=True)
        if not all(0 <= at < n and at % step == 0 for at, step, n in where):
            raise ValueError(f"lacks values: a piece begins at {piece.first}")
    full = prod(image.piece_shape) * image.dtype.itemsize
    most = MOST_PACKED if image.filters else 1
    for piece in image.pieces:
        if piece.offset < 0 or piece.offset + piece.n_bytes > size or piece.n_bytes * most < full:
            raise ValueError("is truncated: the file is too short for it")


def _scale(limits: list[Value | None]) -> tuple[float, float] | None:
    """Return how whole numbers become values, None if they are what they are."""
    bits, low, high = limits
    if not isinstance(bits, int) or bits <= 0 or low is None or high is None:
        return None
    if not (isinstance(low, int | float) and isinstance(high, int | float) and bits <= 32):
        raise ValueError(f"has the limits {low}, {high} of {bits} bits, expected numbers")
    if not np.isfinite([low, high]).all():
        raise ValueError(f"has the limits {low}, {high}, expected finite numbers")
    return (high - low) / (2**bits - 1), low


def read_image(descriptor: int, image: StoredImage) -> Float32[Array, "..."]:
    """Read an image.

    Raises
    ------
    OSError
        If the disc fails or the file has become shorter.
    ValueError
        If packed values are damaged.
    """
    dtype = image.dtype
    values = np.empty(image.shape, np.float32)
    for piece in image.pieces:
        packed = _read(descriptor, piece)
        raw = np.frombuffer(_unpacked(packed, image), dtype).reshape(image.piece_shape)
        inside = tuple(
            slice(a, min(a + m, n))
            for a, m, n in zip(piece.first, image.piece_shape, image.shape, strict=True)
        )
        part = values[inside]
        part[...] = raw[tuple(slice(0, n) for n in part.shape)]
    if image.scale is not None:
        factor, offset = image.scale
        values *= np.float32(factor)
        values += np.float32(offset)
    return values


def _read(descriptor: int, piece: Piece) -> bytearray:
    buffer = bytearray(piece.n_bytes)
    view, done = memoryview(buffer), 0
    while done < len(view):  # a system call returns at most 2 GiB
        n = os.preadv(descriptor, [view[done:]], piece.offset + done)
        if n == 0:
            raise OSError("the file has become shorter since it was opened")
        done += n
    return buffer


def _unpacked(packed: bytearray, image: StoredImage) -> bytes | bytearray:
    full = prod(image.piece_shape) * image.dtype.itemsize
    if not image.filters:
        if len(packed) != full:
            raise ValueError(f"a piece has {len(packed)} bytes, expected {full}")
        return packed
    unpacker = zlib.decompressobj()
    try:
        values = unpacker.decompress(packed, full)
    except zlib.error as error:
        raise ValueError(f"packed values are damaged ({error})") from error
    if len(values) != full:
        raise ValueError(f"a piece has {len(values)} bytes, expected {full}")
    if SHUFFLE in image.filters:
        values = np.frombuffer(values, np.uint8).reshape(image.dtype.itemsize, -1).T.tobytes()
    return values
