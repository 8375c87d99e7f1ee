"""Maps in HDF5 or MRC, by the ending of their names."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.eman.hdf_attributes import Value
from halfmap.io.eman.hdf_scanner import HdfScanner
from halfmap.io.eman.hdf_stack import open_hdf
from halfmap.io.eman.hdf_writing import PLAIN, EmanImage, write_hdf
from halfmap.io.eman.headers import PIXEL_SIZE_KEY, pixel_size_A
from halfmap.io.eman.projections import HDF_SUFFIXES
from halfmap.io.mrc import read_volume as read_mrc
from halfmap.io.mrc import write_map


def read_volume(path: Path) -> tuple[Float32[Array, "z y x"], float]:
    """Read a map of any size, and its pixel size in Å (0 if the file does not say).

    Raises
    ------
    DataError
        If the file is not a sound map of finite values.
    """
    if path.suffix.lower() not in HDF_SUFFIXES:
        return read_mrc(path)
    with HdfScanner() as scanner:
        stack = open_hdf(path, [PIXEL_SIZE_KEY], scanner)
    if len(stack) > 1 or len(stack.shape(0)) == 1:
        raise DataError(f"{path} holds {len(stack)} images, expected one map. Take it apart.")
    try:
        size = pixel_size_A(stack.attributes[0])
    except ValueError as error:
        raise DataError(f"{path} {error}. Correct it.") from error
    volume = stack.read(0)
    n_bad = volume.size - int(np.count_nonzero(np.isfinite(volume)))
    if n_bad:
        raise DataError(
            f"{path} has {n_bad:,} voxels that are NaN or infinite; expected numbers. "
            "Write the map again from its source."
        )
    return volume.reshape((1,) * (3 - volume.ndim) + volume.shape), size


def write_volume(
    path: Path,
    volume: Float32[Array, "z y x"],
    pixel_size_A: float,
    attributes: Mapping[str, Value],
    bits: int = PLAIN,
) -> None:
    """Write a map, whole or not at all.

    Parameters
    ----------
    path
        HDF5 or MRC, by its ending; an MRC file is float32 and holds no attributes.
    volume
        Of any size.
    pixel_size_A
        Of the map.
    attributes
        What EMAN's header says beside what follows from the map.
    bits
        Of HDF5: to which values are rounded, 2 to 16; 0 packs them as they are, -1 does not pack.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    if path.suffix.lower() in HDF_SUFFIXES:
        write_hdf(path, [EmanImage(volume, pixel_size_A, attributes)], bits)
    else:
        write_map(path, volume, pixel_size_A)
