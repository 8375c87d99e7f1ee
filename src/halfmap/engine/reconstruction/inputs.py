"""Files of a reconstruction, opened by their endings: projections, tilt angles, seeds."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array

from halfmap.config.reconstruction.options import ReconstructOptions
from halfmap.engine.reconstruction.slices import slices_of_headers, slices_of_tilts
from halfmap.errors import DataError
from halfmap.io.eman.headers import TRANSFORM_KEY
from halfmap.io.eman.projections import open_projections
from halfmap.io.eman.tilt_angles import check_number_of_angles, read_tilt_angles
from halfmap.io.eman.volumes import read_volume
from halfmap.io.projection_source import ProjectionSource
from halfmap.io.table_projections import open_table
from halfmap.model.half_volume import clipped
from halfmap.model.reconstruction_sizes import Sizes
from halfmap.model.slice_table import SliceTable

UNKNOWN_PIXEL_A = 1.0
"""Where no file says it, as EMAN2 has it."""


@dataclass(frozen=True, slots=True)
class Seed:
    """What a reconstruction begins with."""

    density: Float32[Array, "z y x"]
    """In the size of the padded volume."""
    weight: Float32[Array, "z y x"] | float
    """Of each frequency of the half volume, or of all."""


def opened(options: ReconstructOptions) -> tuple[ProjectionSource, SliceTable]:
    """Open the input, and list its slices, those that are meant.

    Raises
    ------
    DataError
        If it cannot be used, or no slice is meant.
    """
    source, table = _opened(options)
    meant = options.chosen.of(len(source))[table.row]
    if not meant.any():
        raise DataError(
            f"--input {options.input} means none of the {len(source)} images; expected some. "
            "Numbers begin at 0."
        )
    return source, table if meant.all() else table.only(meant)


def _opened(options: ReconstructOptions) -> tuple[ProjectionSource, SliceTable]:
    path = options.input_file
    if options.reads_table:
        return open_table(path, options.subset, ctf=options.correct_ctf)
    source = open_projections(path, options.tilt_file is not None, _wanted(options))
    if options.tilt_file is None:
        return source, slices_of_headers(source, options)
    angles_deg = read_tilt_angles(options.tilt_file)
    check_number_of_angles(options.tilt_file, len(angles_deg), path, len(source))
    return source, slices_of_tilts(angles_deg)


def _wanted(options: ReconstructOptions) -> list[str]:
    """Return the attributes that matter; looking for all of them takes as long as inserting."""
    if options.tilt_file is not None:
        return []
    asked = {
        "ptcl_repr": options.root_weight or not options.no_weight,
        "class_ssnr": options.use_ssnr,
        "model_id": options.model_id is not None,
    }
    return [TRANSFORM_KEY, "class_qual", *(name for name, needed in asked.items() if needed)]


def pixel_size_A(source: ProjectionSource, options: ReconstructOptions) -> float:
    """Return the pixel size of the map."""
    return options.pixel_size_A or source.pixel_size_A or UNKNOWN_PIXEL_A


def read_seed(options: ReconstructOptions, sizes: Sizes) -> Seed | None:
    """Read the map that the reconstruction begins with, if there is one.

    Raises
    ------
    DataError
        If it cannot be used, or its weights are of another size.
    """
    if options.seed_map_file is None:
        return None
    density, _ = read_volume(options.seed_map_file)
    seed = Seed(clipped(density, sizes.volume), options.seed_weight)
    path = options.seed_weight_file
    if path is None:
        return seed
    weight, _ = read_volume(path)
    if weight.shape != sizes.half_volume:
        found, wanted = (" x ".join(map(str, s[::-1])) for s in (weight.shape, sizes.half_volume))
        raise DataError(
            f"{path} has {found} voxels; expected {wanted} (--savenorm of the same --pad and "
            "--padvol). Make it again with these sizes."
        )
    if not np.all(weight >= 0.0):
        raise DataError(f"{path} has weights below 0; expected none. Make it again.")
    return replace(seed, weight=weight)
