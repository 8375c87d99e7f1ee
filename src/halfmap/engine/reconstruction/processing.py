"""Processors and structure factor of a reconstruction, as its options ask for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array

from halfmap.config.reconstruction.options import ReconstructOptions
from halfmap.errors import DataError
from halfmap.io.eman.processor_files import ProcessorFiles
from halfmap.io.eman.structure_factor import read_structure_factor
from halfmap.model.structure_factor import StructureFactor
from halfmap.steps.processors.applied import ImageProcessing, processed_map
from halfmap.steps.processors.picture import Picture
from halfmap.steps.processors.registry import Ready, make_ready
from halfmap.steps.structure_factor import with_structure_factor

Warn = Callable[[str], None]
NO_CURVE, AUTOMATIC = "none", "auto"
AUTOMATIC_FILE = Path("strucfac.txt")
"""In the folder where the program runs."""


@dataclass(frozen=True, slots=True)
class Finishing:
    """What is done to a map when it has been made."""

    structure_factor: StructureFactor | None
    processors: tuple[Ready, ...]
    like_eman: bool = False
    """Whether the structure factor is imposed as EMAN2 does it."""
    warnings: tuple[str, ...] = ()
    """Of what was asked for and is not done."""


def image_processing(preprocess: Sequence[str], pixel_size_A: float) -> ImageProcessing:
    """Return what is done to projections; all processors are checked, and their files read.

    Raises
    ------
    OptionError
        If there is no such processor or parameter.
    DataError
        If a file cannot be used.
    """
    return ImageProcessing(
        tuple(make_ready(preprocess, "preprocess", ProcessorFiles())), pixel_size_A
    )


def finishing(options: ReconstructOptions) -> Finishing:
    """Return what is done to the map; all processors are checked, and all files read.

    Raises
    ------
    OptionError
        If there is no such processor or parameter.
    DataError
        If a file cannot be used.
    """
    ready = make_ready(options.postprocess, "postprocess", ProcessorFiles())
    curve, warnings = _curve(options.structure_factor)
    return Finishing(curve, tuple(ready), options.imitation == "eman2", warnings)


def _curve(name: str) -> tuple[StructureFactor | None, tuple[str, ...]]:
    """Return a structure factor, and warnings."""
    if name.lower() == NO_CURVE:
        return None, ()
    if name.lower() != AUTOMATIC:
        return read_structure_factor(Path(name)), ()
    if AUTOMATIC_FILE.exists():
        return read_structure_factor(AUTOMATIC_FILE), ()
    warning = (
        f"--setsf auto: found no {AUTOMATIC_FILE} in {Path.cwd()}, expected one. The map is made "
        "without it. Name the file, or leave --setsf out."
    )
    return None, (warning,)


def finished(
    volume: Float32[Array, "z y x"], pixel_size_A: float, how: Finishing, warn: Warn
) -> Picture:
    """Return a map with its structure factor, then processed; perhaps of another pixel size.

    What cannot be done is left out, with a warning: the map is not lost for it.
    """
    if how.structure_factor is not None:
        try:
            curve = how.structure_factor
            volume = with_structure_factor(volume, curve, pixel_size_A, how.like_eman)
        except DataError as error:
            warn(f"--setsf: {error} The map is written without it.")
    return processed_map(np.asarray(volume, np.float32), pixel_size_A, how.processors, warn)
