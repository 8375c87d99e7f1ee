"""Writing a stack of images batch by batch: memory stays constant, the file is whole or absent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Float32
from mrcfile.dtypes import HEADER_DTYPE
from numpy import ndarray as Array

from halfmap import __version__
from halfmap.io.atomic import replacing

MODES = {"int16": 1, "float32": 2, "float16": 12}
"""MRC mode of each type of value."""
_FORMAT_VERSION = 20141

Write = Callable[[Float32[Array, "image y x"]], None]


@contextmanager
def stack_writer(path: Path, pixel_size_A: float, dtype: str) -> Iterator[Write]:
    """Write a stack (``.mrcs``) image by image, in the header that `write_stack` gives.

    Parameters
    ----------
    path
        File to be made or replaced when the block ends without an error.
    dtype
        ``float32``, ``float16`` or ``int16``. Integers are rounded; values beyond their range
        become the largest there is.

    Yields
    ------
    write
        Call it with the next images, all of one size.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    with replacing(path) as beside, beside.open("wb") as file:
        file.write(bytes(HEADER_DTYPE.itemsize))
        written = _Written(file, np.dtype(dtype).newbyteorder("<"))
        yield written.append
        file.seek(0)
        file.write(written.header(pixel_size_A, MODES[dtype]).tobytes())


@dataclass(slots=True)
class _Written:
    """The images so far: what the header must say about them."""

    file: BinaryIO
    dtype: np.dtype[Any]
    n_images: int = 0
    width: int = 0
    total: float = 0.0
    total_squared: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    def append(self, images: Float32[Array, "image y x"]) -> None:
        """Write some images."""
        stored = _converted(images, self.dtype)
        self.file.write(np.ascontiguousarray(stored).data)
        values = stored.astype(np.float64)
        self.n_images += len(images)
        self.width = images.shape[-1]
        self.total += float(values.sum())
        self.total_squared += float((values**2).sum())
        self.low = float(values.min(initial=self.low))
        self.high = float(values.max(initial=self.high))

    def header(self, pixel_size_A: float, mode: int) -> Any:
        """Return the header of a stack: space group 0, one label, no date."""
        header = np.zeros((), HEADER_DTYPE.newbyteorder("<"))
        sizes = (self.width, self.width, self.n_images)
        for axis, size in zip("xyz", sizes, strict=True):
            header[f"n{axis}"] = header[f"m{axis}"] = size
            header["cella"][axis] = size * pixel_size_A if axis != "z" else size
        header["mode"], header["nversion"] = mode, _FORMAT_VERSION
        header["cellb"]["alpha"] = header["cellb"]["beta"] = header["cellb"]["gamma"] = 90.0
        header["mapc"], header["mapr"], header["maps"] = 1, 2, 3
        n = max(1, self.n_images * self.width**2)
        mean = self.total / n
        header["dmin"], header["dmax"], header["dmean"] = self.low, self.high, mean
        header["rms"] = np.sqrt(max(0.0, self.total_squared / n - mean**2))
        header["map"], header["machst"] = b"MAP ", [68, 65, 0, 0]
        header["nlabl"] = 1
        header["label"][0] = f"halfmap {__version__}".encode()
        return header


def _converted(images: Float32[Array, "image y x"], dtype: np.dtype[Any]) -> Array:
    if dtype.kind != "i":
        return images.astype(dtype)
    limits = np.iinfo(dtype)
    return np.asarray(np.clip(np.rint(images), limits.min, limits.max).astype(dtype))
