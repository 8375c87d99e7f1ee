"""Pictures of the maps: central slices and projections; and the FSC of the unfiltered halves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.mrc import read_header, read_map
from halfmap.io.stacks import ImageSource
from halfmap.model.fsc import map_fsc
from halfmap.report.plot_style import grey_uri
from halfmap.report.run_files import StateFiles
from halfmap.report.run_record import StateRecord

TILE_PX = 256
"""Larger pictures are averaged down: the page stays small."""
UNKNOWN_A = 900.0
"""RELION writes 999 for a resolution that is not known."""
_BLACK, _WHITE = 1.0, 99.8
"""Percentiles of a picture that become black and white."""

_VIEWS = (("xy", 0), ("xz", 1), ("yz", 2))
"""Name of the plane, and the axis of the array (z, y, x) that is looked along."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One grey picture."""

    uri: str
    caption: str
    scale_percent: float
    """Length of the scale bar, in percent of the width."""


@dataclass(frozen=True, slots=True)
class MapPictures:
    """All pictures of one map."""

    name: str
    file: str
    box: int
    scale_A: int
    """Length of the scale bar."""
    tiles: tuple[Tile, ...]
    """Three central slices, then three projections; or one of each class average."""


def map_pictures(files: StateFiles, missing: list[str]) -> Iterator[MapPictures]:
    """Yield the pictures of the joined map and of both halves, those that can be read."""
    for name, path in files.maps.items():
        try:
            volume, pixel_size_A = read_map(path)
        except DataError as error:
            missing.append(str(error))
            continue
        yield pictures_of_map(name, path, volume, pixel_size_A)


def class_pictures(state: StateRecord, missing: list[str]) -> Iterator[MapPictures]:
    """Yield the pictures of the 2D references, the most populated first; nothing in a 3D run."""
    path = state.files.classes
    if not path.is_file():
        return
    try:
        header = read_header(path)
        n, _, box = header.shape
        images = ImageSource((str(path),)).read(np.zeros(n, int), np.arange(n), box)
    except DataError as error:
        missing.append(str(error))
        return
    model = state.model
    shares = model.classes.get("ClassDistribution") if model is not None else None
    if shares is None or len(shares) != n:
        shares = np.full(n, np.nan)
    scale_A, percent = _scale(box, header.pixel_size_A)
    tiles = []
    for k in np.argsort(-np.nan_to_num(shares), kind="stable"):
        said = [f"{k + 1}"] if np.isnan(shares[k]) else [f"{k + 1}", *_said_of_class(state, k)]
        tiles.append(_tile(images[k], " · ".join(said), percent))
    yield MapPictures("class averages", path.name, box, scale_A, tuple(tiles))


def class_notes(state: StateRecord) -> dict[str, str]:
    """Return share and resolution of each class, by the name that its map has."""
    shares = state.model.classes.get("ClassDistribution", ()) if state.model is not None else ()
    return {f"class {k + 1}": " · ".join(_said_of_class(state, k)) for k in range(len(shares))}


def _said_of_class(state: StateRecord, k: int) -> list[str]:
    assert state.model is not None
    share = state.model.classes["ClassDistribution"][k]
    if share == 0.0:
        return ["empty"]
    said = [f"{100 * share:#.3g} %"]
    resolutions = state.model.classes.get("EstimatedResolution")
    if resolutions is not None and 0.0 < resolutions[k] < UNKNOWN_A:
        said.append(f"{resolutions[k]:#.3g} Å")
    return said


def _scale(box: int, pixel_size_A: float) -> tuple[int, float]:
    """Return the length of the scale bar, in Å and in percent of the width."""
    width_A = box * pixel_size_A
    scale_A = _nice_length(width_A / 4)
    return scale_A, 100 * scale_A / width_A if pixel_size_A > 0 else 0.0


def pictures_of_map(
    name: str, path: Path, volume: Float32[Array, "z y x"], pixel_size_A: float
) -> MapPictures:
    """Return the pictures of a map of any size."""
    box = volume.shape[2]
    scale_A, percent = _scale(box, pixel_size_A)
    slices = [
        (f"{plane} slice", volume.take(volume.shape[axis] // 2, axis=axis))
        for plane, axis in _VIEWS
    ]
    sums = [(f"{plane} sum", volume.sum(axis=axis, dtype=np.float64)) for plane, axis in _VIEWS]
    return MapPictures(
        name=name,
        file=path.name,
        box=box,
        scale_A=scale_A,
        tiles=tuple(
            _tile(picture, caption, percent * box / picture.shape[1])
            for caption, picture in (*slices, *sums)
        ),
    )


def _tile(picture: Array, caption: str, percent: float) -> Tile:
    factor = -(-max(picture.shape) // TILE_PX)
    small = _block_mean(np.nan_to_num(picture), factor)
    low, high = np.percentile(small, (_BLACK, _WHITE))
    return Tile(grey_uri(small, float(low), float(high)), caption, percent)


def _block_mean(picture: Array, factor: int) -> Array:
    factor = min(factor, *picture.shape)
    rows, columns = (n // factor for n in picture.shape)
    blocks = picture[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    return np.asarray(blocks.mean(axis=(1, 3)))


def _nice_length(longest: float) -> int:
    """Return 1, 2 or 5 times a power of ten, at most ``longest`` (and at least 1).

    >>> _nice_length(87.0), _nice_length(30.0), _nice_length(0.2)
    (50, 20, 1)
    """
    if longest < 1.0:
        return 1
    power = 10 ** int(np.log10(longest))
    return max(int(m * power) for m in (1, 2, 5) if m * power <= longest)


def unfiltered_fsc(
    files: StateFiles,
) -> tuple[Float[Array, " shell"], Float[Array, " shell"]] | None:
    """Return frequency (1/Å) and FSC of the unfiltered half maps of the end; None without them."""
    pair = [path for path in files.maps.values() if path.name.endswith("_unfil.mrc")]
    if len(pair) != 2:
        return None
    try:
        (first, pixel_size_A), (second, _) = (read_map(path) for path in pair)
    except DataError:
        return None
    if first.shape != second.shape or pixel_size_A <= 0:
        return None
    fsc = map_fsc(first, second)
    return np.arange(len(fsc)) / (len(first) * pixel_size_A), fsc
