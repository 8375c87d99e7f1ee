"""The masks of the map: read, checked, and brought to the grid of the particles."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray as Array

from halfmap.config.options import RefineOptions
from halfmap.engine.telling.console import Console
from halfmap.errors import DataError
from halfmap.io.mrc import read_map, write_map
from halfmap.io.problems import Problems
from halfmap.io.run_names import RunNames
from halfmap.model.fourier import resample_volume

PIXEL_TOLERANCE_A = 0.001
"""Pixel sizes that differ by less are equal."""
VALUE_TOLERANCE = 1e-6
"""What rounding in the program that made a mask may have put outside 0 to 1."""


class MaskFile(NamedTuple):
    """A mask as its file has it."""

    path: Path
    volume: Float32[Array, "z y x"]
    pixel_size_A: float
    """0 if the header does not say."""


@dataclass(frozen=True, slots=True)
class MapMasks:
    """What the map is multiplied with, on its own grid; values from 0 to 1."""

    solvent: Float[Array, "z y x"] | None = None
    """1 where the particle is; without a file a soft sphere, made by `halfmap.engine.job`."""
    levelled: Float[Array, "z y x"] | None = None
    """``--solvent_mask2``: 1 where the map is to be its own mean."""
    low_pass: Float[Array, "z y x"] | None = None
    """``--lowpass_mask``: 1 where the map is kept at low resolution."""
    resampled: tuple[str, ...] = ()
    """The names of those that were not on the grid of the map in their file."""


def read_masks(options: RefineOptions, problems: Problems) -> dict[str, MaskFile]:
    """Read the masks that were named, by the fields of `MapMasks`; keep what is wrong for later."""
    names = {
        "solvent": options.solvent_mask_file,
        "levelled": options.second_solvent_mask_file,
        "low_pass": options.lowpass_mask_file,
    }
    found = {}
    for name, path in names.items():
        mask = None if path is None else problems.attempt(_mask, path)
        if mask is not None:
            found[name] = mask
    return found


def _mask(path: Path) -> MaskFile:
    volume, pixel_size_A = read_map(path)
    low, high = float(volume.min()), float(volume.max())
    if low < -VALUE_TOLERANCE or high > 1.0 + VALUE_TOLERANCE or high <= 0.0:
        raise DataError(
            f"{path}: found values from {low:g} to {high:g}, expected a mask with "
            "values from 0 to 1. Make the mask again"
        )
    return MaskFile(path, np.clip(volume, 0.0, 1.0), pixel_size_A)


def fitted_masks(
    files: dict[str, MaskFile], box: int, pixel_size_A: float, console: Console
) -> MapMasks:
    """Bring masks to box and pixel size of the map, and say so where that changes them."""
    fitted = {name: _fitted(file, box, pixel_size_A, console) for name, file in files.items()}
    changed = tuple(name for name, mask in fitted.items() if mask is not files[name].volume)
    return MapMasks(**fitted, resampled=changed)


def _fitted(
    mask: MaskFile, box: int, pixel_size_A: float, console: Console
) -> Float32[Array, "z y x"]:
    own_A = mask.pixel_size_A
    if own_A <= 0.0:
        own_A = pixel_size_A
        console.notice(f"{mask.path} has no pixel size: that of the particles is taken")
    if abs(own_A - pixel_size_A) <= PIXEL_TOLERANCE_A:
        if mask.volume.shape[-1] == box:
            return mask.volume
        own_A = pixel_size_A  # cropped or padded, not resampled
    # Rounded up to an even box, where a map is rounded down: as RELION does.
    volume, reached_A = resample_volume(mask.volume, own_A, pixel_size_A, box, odd_to_even=+1)
    console.notice(
        f"{mask.path} was resampled from {mask.volume.shape[-1]} px of {own_A:g} Å to "
        f"{box} px of {reached_A:.4g} Å"
    )
    return np.asarray(np.clip(volume, 0.0, 1.0))  # resampling rings


def write_resampled(masks: MapMasks, names: RunNames, pixel_size_A: float) -> None:
    """Write the masks that are used in another form than that of their file."""
    for name, volume in _by_name(masks):
        if name in masks.resampled:
            write_map(names.mask(name), volume, pixel_size_A)


def _by_name(masks: MapMasks) -> Iterator[tuple[str, Float[Array, "z y x"]]]:
    for field in fields(masks):
        volume = getattr(masks, field.name)
        if isinstance(volume, np.ndarray):
            yield field.name, volume
