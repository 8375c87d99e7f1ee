"""A stack of images, or a map, in an HDF5 file of EMAN."""

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from jaxtyping import Float32
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.eman.hdf_attributes import BIT_KEYS, Value, from_json
from halfmap.io.eman.hdf_layout import StoredImage, read_image, stored_image
from halfmap.io.eman.hdf_scanner import HdfScanner
from halfmap.io.problems import refuse


class HdfStack:
    """Images whose places are known; the file is opened when the first is read.

    Parameters
    ----------
    path
        The file.
    images
        Where each image lies.
    attributes
        What is said of each, without ``EMAN.``; an exception where it cannot be read.
    """

    def __init__(
        self,
        path: Path,
        images: Sequence[StoredImage],
        attributes: Sequence[dict[str, Value | ValueError]],
    ) -> None:
        self.path, self.images, self.attributes = path, tuple(images), tuple(attributes)
        self._descriptor, self._lock = -1, Lock()

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.path, self.images, self.attributes)

    def __del__(self) -> None:
        if getattr(self, "_descriptor", -1) >= 0:
            os.close(self._descriptor)

    def __len__(self) -> int:
        return len(self.images)

    def shape(self, number: int) -> tuple[int, ...]:
        """Return the shape of an image, (y, x) or (z, y, x)."""
        return self.images[number].shape

    def read(self, number: int) -> Float32[Array, "..."]:
        """Read an image, (y, x) or (z, y, x); safe to call from several threads.

        Raises
        ------
        DataError
            If it cannot be read, with its name.
        """
        try:
            with self._lock:
                if self._descriptor < 0:
                    self._descriptor = os.open(self.path, os.O_RDONLY)
            return read_image(self._descriptor, self.images[number])
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(
                f"image {number} of {self.path} cannot be read: {reason}. Copy the file again."
            ) from error


def open_hdf(path: Path, keys: Sequence[str] | None, scanner: HdfScanner) -> HdfStack:
    """Find all images of an HDF5 file, and what is said of them.

    Parameters
    ----------
    path
        The file.
    keys
        Names of the attributes that are wanted, without ``EMAN.``; None: all.
    scanner
        Looks into the file.

    Raises
    ------
    DataError
        If it is not a file of EMAN's, or cannot hold what it promises; all images are looked at.
    """
    wanted = None if keys is None else [*keys, *BIT_KEYS, "is_complex"]
    found = scanner.scan(path, wanted)
    if not found:
        raise DataError(f"{path} has no images; expected at least one. Write it again.")
    size = path.stat().st_size
    problems: list[str] = []
    images, attributes = [], []
    for number, entry in enumerate(found):
        try:
            held = {key: _value(value) for key, value in entry["attributes"].items()}
            if held.get("is_complex"):
                raise ValueError("is a Fourier transform, expected real numbers")
            images.append(stored_image(entry, [_limit(held, key) for key in BIT_KEYS], size))
            attributes.append(held)
        except ValueError as error:
            problems.append(f"image {number} {error}. Write it again.")
    refuse(path, problems)
    return HdfStack(path, images, attributes)


def _value(held: Any) -> Value | ValueError:
    if isinstance(held, dict) and "unreadable" in held:
        return ValueError(str(held["unreadable"]))
    return from_json(held)


def _limit(attributes: dict[str, Value | ValueError], key: str) -> Value | None:
    value = attributes.get(key)
    if isinstance(value, ValueError):
        raise ValueError(f"has an unreadable {key} ({value})")
    return value
