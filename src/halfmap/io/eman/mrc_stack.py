"""Images of an MRC stack, which says nothing of them but their pixel size."""

from pathlib import Path
from threading import Lock

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.eman.hdf_attributes import Value
from halfmap.io.eman.headers import PIXEL_SIZE_KEY
from halfmap.io.mrc import read_header
from halfmap.io.stacks import OpenStack


class MrcStack:
    """Sections of an MRC file.

    Parameters
    ----------
    path
        The file; its header is read at once.

    Raises
    ------
    DataError
        If it is not an MRC file.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.header = path, read_header(path)
        said: dict[str, Value | ValueError] = {PIXEL_SIZE_KEY: self.header.pixel_size_A}
        self.attributes = (said,) * len(self)
        self._open: OpenStack | None = None
        self._lock = Lock()

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.path,)

    def __len__(self) -> int:
        return self.header.shape[0]

    def shape(self, number: int) -> tuple[int, ...]:  # noqa: ARG002 - all have one
        """Return (y, x) of an image."""
        return self.header.shape[1:]

    def read(self, number: int) -> Float32[Array, "y x"]:
        """Read an image; safe to call from several threads.

        Raises
        ------
        DataError
            If it cannot be read, with its name.
        """
        raw = np.empty((1, *self.header.shape[1:]), self.header.dtype)
        try:
            with self._lock:
                if self._open is None:
                    self._open = OpenStack(str(self.path))
            self._open.fill(number, raw)
        except OSError as error:
            raise DataError(
                f"image {number} of {self.path} cannot be read: {error.strerror or error}. "
                "Copy the file again."
            ) from error
        return np.asarray(raw[0], np.float32)
