"""The map that is to be imaged: read, made from atoms, or from the phantom."""

from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float32
from numpy import ndarray as Array

from halfmap.engine.simulation.options import SimulateOptions, required
from halfmap.engine.telling.console import Console
from halfmap.errors import DataError
from halfmap.io.coordinates import read_atoms
from halfmap.io.mrc import read_map
from halfmap.model.envelope import damped
from halfmap.model.fourier import resample_volume
from halfmap.model.mask import mask_volume_mean_fill
from halfmap.model.phantom import phantom_atoms
from halfmap.model.scattering import Atoms, centred, extent_A
from halfmap.steps.density_from_atoms import density_from_atoms

PHANTOM_SHARE = 0.65
"""Diameter of the phantom over the box."""
SAME_PIXEL_A = 1e-3
EDGE_PX = 3.0


@dataclass(frozen=True, slots=True)
class SourceMap:
    """A map in the box of the data, on any grey scale."""

    volume: Float32[Array, "z y x"]
    pixel_size_A: float


def source_map(options: SimulateOptions, console: Console) -> SourceMap:
    """Return the map that the options name, damped by the B factor.

    Raises
    ------
    DataError
        A file that cannot be used.
    OptionError
        Atoms that do not fit into the box.
    """
    if options.map_file is not None:
        source = _from_map(options.map_file, options, console)
    else:
        box = required(options.box, "box")
        pixel_A = required(options.pixel_size_A, "angpix")
        atoms = _atoms(options, box * pixel_A, console)
        density = density_from_atoms(atoms, box, pixel_A, options.solvent_A_2)
        source = SourceMap(density, pixel_A)
    volume = damped(source.volume, source.pixel_size_A, options.b_factor_A2)
    return SourceMap(volume, source.pixel_size_A)


def _atoms(options: SimulateOptions, box_A: float, console: Console) -> Atoms:
    if options.structure_file is None:
        diameter_A = options.phantom_diameter_A or PHANTOM_SHARE * box_A
        return phantom_atoms(diameter_A, options.phantom_seed)
    atoms = centred(read_atoms(options.structure_file, options.keep_water))
    console.notice(f"{options.structure_file}: {len(atoms):,} atoms, {extent_A(atoms):.0f} Å")
    return atoms


def _from_map(path: Path, options: SimulateOptions, console: Console) -> SourceMap:
    volume, own_pixel_A = read_map(path)
    own_box = len(volume)
    if own_box % 2:
        raise DataError(
            f"{path} has an odd box of {own_box} px, whose centre is not defined here; "
            "expected an even one. Crop it by one pixel."
        )
    pixel_A = options.pixel_size_A or own_pixel_A
    if pixel_A <= 0.0:
        raise DataError(f"{path} does not say its pixel size. Name it with --angpix.")
    if own_pixel_A <= 0.0:
        console.warning(f"{path} does not say its pixel size; taken to be {pixel_A:g} Å.")
        own_pixel_A = pixel_A
    box = options.box or own_box
    if box != own_box or abs(pixel_A - own_pixel_A) > SAME_PIXEL_A:
        volume, found_A = resample_volume(volume, own_pixel_A, pixel_A, box)
        console.notice(
            f"{path}: resampled from {own_box} px of {own_pixel_A:.4f} Å "
            f"to {box} px of {found_A:.4f} Å"
        )
        pixel_A = found_A
    # A rotated cube must not show its edges: outside the sphere there is nothing.
    outside = mask_volume_mean_fill(volume, box / 2 - EDGE_PX, EDGE_PX)
    return SourceMap((outside - outside[0, 0, 0]).astype("float32"), pixel_A)
