"""Writing images and maps as EMAN2's HDF5.

The library writes to memory, since it can crash where a disc is full; the bytes then go beside the
name, which is replaced when all is there.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.io.atomic import replacing
from halfmap.io.eman.bit_reduction import reduce_bits
from halfmap.io.eman.hdf_attributes import BIT_KEYS, PREFIX, Value, encode
from halfmap.io.eman.hdf_scanner import HdfScanner
from halfmap.io.eman.hdf_stack import open_hdf
from halfmap.io.sealed import file_without_disc

PLAIN, LOSSLESS = -1, 0
"""Instead of a number of bits: values as they are; values as they are, packed."""
_DATATYPES = {np.dtype(np.float32): 7, np.dtype(np.uint16): 4, np.dtype(np.uint8): 2}
_ROWS_OF_PIECE = 8


@dataclass(frozen=True, slots=True)
class EmanImage:
    """An image or a map, and what is said of it."""

    values: Float[Array, "..."]
    """(y, x) or (z, y, x)."""
    pixel_size_A: float
    attributes: Mapping[str, Value]
    """Beside those that follow from the values."""


def write_hdf(
    path: Path, images: Sequence[EmanImage], bits: int = PLAIN, append: bool = False
) -> None:
    """Write images to a file, whole or not at all.

    Parameters
    ----------
    path
        The file, which is replaced.
    images
        In the order of their numbers.
    bits
        To which values are rounded, 2 to 16; `LOSSLESS` or `PLAIN`: not at all.
    append
        Keep what the file has, as it is stored there, and put the images behind it.

    Raises
    ------
    DataError
        If the file cannot be written, or what it has cannot be read.
    """
    import h5py

    first = _kept(path) if append else 0
    with file_without_disc() as memory:
        if first:
            with path.open("rb") as old:
                shutil.copyfileobj(old, memory)
        with h5py.File(memory, "r+" if first else "w") as file:
            group = file["MDF/images"] if first else file.create_group("MDF/images")
            for number, image in enumerate(images, first):
                _write(group, str(number), image, bits)
            last = np.array([first + len(images) - 1], np.int32)
            group.attrs.create("imageid_max", last, shape=(1,), dtype=np.int32)
        memory.seek(0)
        with replacing(path) as beside, beside.open("wb") as file:
            shutil.copyfileobj(memory, file)


def _kept(path: Path) -> int:
    """Return how many images a file has; a sound one, since the library will open it here."""
    if not path.exists():
        return 0
    with HdfScanner() as scanner:
        return len(open_hdf(path, None, scanner))


def _write(group: Any, name: str, image: EmanImage, bits: int) -> None:
    values = np.asarray(image.values, np.float32)
    said = {**_statistics(values), **_size(values), **_pixel_size(image), **image.attributes}
    stored: Array = values
    if bits > 0:
        reduced = reduce_bits(values, bits)
        stored = reduced.levels
        limits = (bits, reduced.low, reduced.high)
        said |= dict(zip(BIT_KEYS, limits, strict=True)) | {"stored_truncated": reduced.n_cut}
    said["datatype"] = _DATATYPES[stored.dtype]
    packing: dict[str, Any] = {}
    if bits >= 0:
        rows = (min(_ROWS_OF_PIECE, values.shape[-2]), values.shape[-1])
        packing = {"chunks": (1,) * (values.ndim - 2) + rows, "compression": 1}
    own = group.create_group(name)
    own.create_dataset("image", data=stored, **packing)
    for key, value in said.items():
        _write_attribute(own, PREFIX + key, encode(value))


def _write_attribute(group: Any, name: str, encoded: Array) -> None:
    """Write an attribute; EMAN wants strings that end in a zero, which numpy's do not."""
    import h5py

    if encoded.dtype.kind != "S":
        group.attrs.create(name, encoded, shape=encoded.shape, dtype=encoded.dtype)
        return
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(encoded.dtype.itemsize)
    kind.set_strpad(h5py.h5t.STR_NULLTERM)
    space = h5py.h5s.create(h5py.h5s.SCALAR)
    h5py.h5a.create(group.id, name.encode(), kind, space).write(encoded, kind)


def _size(values: Array) -> dict[str, Value]:
    depth, height, width = (1,) * (3 - values.ndim) + values.shape
    return {"nx": width, "ny": height, "nz": depth, "is_complex": 0, "is_complex_ri": 0}


def _pixel_size(image: EmanImage) -> dict[str, Value]:
    return {f"apix_{axis}": _single(image.pixel_size_A) for axis in "xyz"}


def _statistics(values: Float[Array, "..."]) -> dict[str, Value]:
    """Return what EMAN says of the values; deviations divide by the number less one."""
    flat = values.astype(np.float64).ravel()
    other = flat[flat != 0.0]
    numbers = {
        "minimum": flat.min(),
        "maximum": flat.max(),
        "mean": flat.mean(),
        "sigma": _deviation(flat),
        "square_sum": flat @ flat,
        "mean_nonzero": other.mean() if len(other) else 0.0,
        "sigma_nonzero": _deviation(other),
    }
    return {**{name: _single(number) for name, number in numbers.items()}, "changecount": 1}


def _single(number: float) -> float:
    return float(np.float32(number))


def _deviation(values: Float[Array, " value"]) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0
