"""References by name: a map, a 2D reference, or one image of a stack of them."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.image_names import find_beside, split_image_name
from halfmap.io.mrc import read_header, read_map
from halfmap.io.stacks import ImageSource

STACK = ".mrcs"
"""Files that end so hold images, not the planes of a map."""


def read_reference(name: str) -> tuple[Float32[Array, "z y x"], float]:
    """Read a map or a 2D reference, which has one plane; ``3@stack.mrcs`` is the third image.

    Returns
    -------
    volume
        In float32, native byte order.
    pixel_size_A
        From the header; 0 if it does not say.

    Raises
    ------
    DataError
        If the file is not sound, or has no such image.
    """
    number, file = split_image_name(name)
    if "@" not in name:
        return read_map(file)
    header = read_header(file)
    if header.shape[1] != header.shape[2]:
        raise DataError(
            f"{file} has images of {header.shape[2]} x {header.shape[1]} pixels; expected square "
            "ones. Crop or pad them."
        )
    if not 1 <= number <= header.shape[0]:
        raise DataError(
            f"{name}: found {header.shape[0]} images in {file}, expected one of them, counted from "
            "1. Correct the number."
        )
    images = ImageSource((file,)).read(np.zeros(1, int), np.array([number - 1]), header.shape[2])
    if not np.isfinite(images).all():
        raise DataError(
            f"{name} has pixels that are NaN or infinite; expected numbers. Write it again."
        )
    return images, header.pixel_size_A


def images_of(path: Path) -> tuple[str, ...]:
    """Return the names of all images of a stack, or that of the only map of another file.

    ``3@stack.mrcs`` is one image already.
    """
    if path.suffix != STACK or split_image_name(str(path))[1] != str(path):
        return (str(path),)
    return tuple(f"{n + 1:06d}@{path}" for n in range(read_header(path).shape[0]))


def beside(name: str, folder: Path) -> str:
    """Return a name with the place where its file is: as written, or relative to ``folder``."""
    _, file = split_image_name(name)
    number, at, _ = name.rpartition("@")
    return f"{number}{at}{find_beside(file, folder)}"


def file_of(name: str) -> Path:
    """Return the file of a reference."""
    return Path(split_image_name(name)[1])
