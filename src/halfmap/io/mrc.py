"""MRC files: headers that are believed only after a look at the file's size, maps, stacks.

Volumes are indexed (z, y, x), stacks (image, y, x). Written as RELION writes them: mode 2,
little-endian, space group 0, origin and start 0, one label; the label has no date, so that
the same map gives the same bytes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import mrcfile
import numpy as np
from jaxtyping import Float, Float32
from mrcfile.dtypes import HEADER_DTYPE
from numpy import ndarray as Array

from halfmap import __version__
from halfmap.errors import DataError
from halfmap.io.atomic import replacing

HEADER_BYTES = 1024
_TYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_OTHER_MODES = {3: "complex int16", 4: "complex float32", 101: "packed 4-bit"}
_MODES_TEXT = "mode 2 (float32), 12 (float16), 1 (int16), 6 (uint16) or 0 (int8)"


@dataclass(frozen=True, slots=True)
class MrcHeader:
    """What an MRC file holds, and where."""

    path: str
    shape: tuple[int, int, int]
    """(z, y, x) or (image, y, x)."""
    dtype: np.dtype[Any]
    """As on disc, byte order included."""
    data_offset: int
    """Bytes before the first value."""
    pixel_size_A: float
    """Along x; 0 if the header does not say."""
    voxel_size_A: tuple[float, float, float]
    """Along x, y, z."""
    axes: tuple[int, int, int]
    """1, 2, 3 if columns, rows, sections are x, y, z."""


def read_header(path: str | Path) -> MrcHeader:
    """Read the header of an MRC file of either byte order; read no values.

    Raises
    ------
    DataError
        If the file is absent, not MRC, of a mode without real numbers, or shorter than
        its header says.
    """
    try:
        with Path(path).open("rb") as file:
            raw = file.read(HEADER_BYTES)
            size = file.seek(0, 2)
    except (OSError, ValueError) as error:  # no system call takes a name with a byte 0 in it
        reason = getattr(error, "strerror", error)
        raise DataError(f"{path} cannot be read: {reason}. Check the name.") from error
    if len(raw) < HEADER_BYTES:
        raise DataError(
            f"{path} has {len(raw)} bytes; expected an MRC file (at least 1024). Copy it again."
        )
    header = _native(raw)
    shape = tuple(int(header[n]) for n in ("nz", "ny", "nx"))
    if min(shape) < 1 or not 0 <= int(header["nsymbt"]) < size:
        raise DataError(
            f"{path} is not an MRC file: its header gives the size {shape[::-1]}. "
            "Check the name, or copy it again."
        )
    dtype = np.dtype(_type_code(path, int(header["mode"]))).newbyteorder(_byte_order(raw))
    offset = HEADER_BYTES + int(header["nsymbt"])
    promised = offset + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if size < promised:
        raise DataError(
            f"{path} is truncated: it has {size:,} bytes, its header promises {promised:,} "
            f"({shape[2]} x {shape[1]} x {shape[0]}). Copy it again, or write it again."
        )
    voxel = [_step(header, axis, n) for axis, n in zip("xyz", shape[::-1], strict=True)]
    return MrcHeader(
        path=str(path),
        shape=(shape[0], shape[1], shape[2]),
        dtype=dtype,
        data_offset=offset,
        pixel_size_A=voxel[0],
        voxel_size_A=(voxel[0], voxel[1], voxel[2]),
        axes=(int(header["mapc"]), int(header["mapr"]), int(header["maps"])),
    )


def read_map(path: str | Path) -> tuple[Float32[Array, "z y x"], float]:
    """Read a map or mask: cubic, or of one square plane, for 2D references.

    Returns
    -------
    volume
        In float32, native byte order.
    pixel_size_A
        From the header; 0 if it does not say.

    Raises
    ------
    DataError
        If the file is not a sound real map of finite values.
    """
    header = read_header(path)
    depth, height, width = header.shape
    if height != width or depth not in (1, width):
        raise DataError(
            f"{path} has {width} x {height} x {depth} voxels; expected a cubic map, or one square "
            "image. Crop or pad it."
        )
    return _values(header), _checked_pixel_size(header)


def read_volume(path: str | Path) -> tuple[Float32[Array, "z y x"], float]:
    """Read a map of any size, with its pixel size as `read_map`.

    Raises
    ------
    DataError
        If the file is not a sound real map of finite values.
    """
    header = read_header(path)
    return _values(header), _checked_pixel_size(header)


def read_half_transform(path: str | Path) -> Float32[Array, "z y half"]:
    """Read real factors on the stored half of the transform of a map: n x n x (n / 2 + 1).

    Frequency 0 comes first along each axis, as FFTW has it; one plane is for 2D references.

    Raises
    ------
    DataError
        If the file is not a sound array of finite values in that shape.
    """
    header = read_header(path)
    depth, height, width = header.shape
    if height % 2 or width != height // 2 + 1 or depth not in (1, height):
        raise DataError(
            f"{path} has {width} x {height} x {depth} voxels; expected half a transform, such as "
            "33 x 64 x 64 for a map of 64 px. Write it with frequency 0 first along each axis."
        )
    return _values(header)


def check_transform_box(name: str, values: Float32[Array, "z y half"], box: int) -> None:
    """Refuse factors that were made for another box.

    Raises
    ------
    DataError
        If the map has another size along any axis.
    """
    if values.shape[1] != box:
        raise DataError(
            f"{name} is for maps of {values.shape[1]} px; expected {box} px. Make it again for "
            "this box."
        )


def _checked_pixel_size(header: MrcHeader) -> float:
    path = header.path
    along = header.voxel_size_A[: 2 if header.shape[0] == 1 else 3]
    known = sorted(size for size in along if size > 0)
    if known and known[-1] > 1.001 * known[0]:
        raise DataError(
            f"{path} has voxels of {' x '.join(f'{s:.4f}' for s in header.voxel_size_A)} Å; "
            "expected the same along x, y and z. Correct the header, or resample the map."
        )
    if sorted(header.axes) == [1, 2, 3] and header.axes != (1, 2, 3):
        raise DataError(
            f"{path} has its axes in the order {header.axes}; expected columns, rows and "
            "sections along x, y and z (1, 2, 3). Transpose it, e.g. by opening and saving it "
            "in ChimeraX."
        )
    return header.pixel_size_A


def _values(header: MrcHeader) -> Float32[Array, "z y x"]:
    n_values = int(np.prod(header.shape, dtype=np.int64))
    stored = np.fromfile(header.path, header.dtype, n_values, offset=header.data_offset)
    volume = stored.astype(np.float32).reshape(header.shape)
    n_bad = n_values - int(np.count_nonzero(np.isfinite(volume)))
    if n_bad:
        raise DataError(
            f"{header.path} has {n_bad:,} voxels that are NaN or infinite; expected numbers. "
            "Write the map again from its source."
        )
    return volume


def write_map(path: Path, volume: Float[Array, "z y x"], pixel_size_A: float) -> None:
    """Write a map as float32, whole or not at all.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    _write(path, volume, pixel_size_A, depth_A=len(volume) * pixel_size_A)


def write_stack(path: Path, images: Float[Array, "image y x"], pixel_size_A: float) -> None:
    """Write a stack of images (``.mrcs``) as float32, whole or not at all.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    _write(path, images, pixel_size_A, depth_A=float(len(images)))


def _write(path: Path, data: Float[Array, "z y x"], pixel_size_A: float, depth_A: float) -> None:
    with replacing(path) as beside, mrcfile.new(beside, overwrite=True) as mrc:
        mrc.set_data(np.ascontiguousarray(data, dtype="<f4"))
        header = mrc.header
        depth, height, width = data.shape
        header.mx, header.my, header.mz = width, height, depth
        header.cella = (width * pixel_size_A, height * pixel_size_A, depth_A)
        header.ispg = 0
        header.machst = [68, 65, 0, 0]
        header.label[0] = f"halfmap {__version__}"


def _native(raw: bytes) -> Any:
    order = _byte_order(raw)
    return np.frombuffer(raw, HEADER_DTYPE.newbyteorder(order))[0]


def _byte_order(raw: bytes) -> Literal["<", ">"]:
    """Tell the byte order by the width, enormous in the wrong one; machine stamps often lie."""
    little, big = int.from_bytes(raw[:4], "little"), int.from_bytes(raw[:4], "big")
    return "<" if little <= big else ">"


def _type_code(path: str | Path, mode: int) -> str:
    if mode in _TYPES:
        return _TYPES[mode]
    name = _OTHER_MODES.get(mode, "unknown")
    raise DataError(
        f"{path} has MRC mode {mode} ({name}); expected {_MODES_TEXT}. Convert it to float32."
    )


def _step(header: Any, axis: str, count: int) -> float:
    """Return the size of a voxel along an axis, 0 if the header does not say."""
    length, n = float(header["cella"][axis]), int(header[f"m{axis}"]) or count
    return length / n if length > 0 and n > 0 else 0.0
