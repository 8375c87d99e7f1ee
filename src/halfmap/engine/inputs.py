"""Everything that a new run reads before it starts, on the leader; told to all ranks."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array

from halfmap.config.options import RefineOptions
from halfmap.engine.console import Console
from halfmap.errors import DataError
from halfmap.io.mrc import read_map
from halfmap.io.particle_table import ParticleTable, read_particles
from halfmap.io.stack_check import check_stacks
from halfmap.model.fourier import resample_volume
from halfmap.model.particles import Particles, Poses

PIXEL_TOLERANCE_A = 0.001
"""Pixel sizes that differ by less are equal."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the files say."""

    particles: Particles
    poses: Poses
    references: tuple[Float32[Array, "z y x"], ...]
    """Starting map of each half, on the grid of the particles, not filtered; none when a run
    goes on from its own maps."""
    solvent_mask: Float32[Array, "z y x"] | None


def read_inputs(
    options: RefineOptions, seed: int, console: Console
) -> tuple[Inputs, ParticleTable]:
    """Read and check particles, stacks' headers, starting map and mask.

    Raises
    ------
    DataError
        What is missing or does not fit together.
    """
    half_seed = seed if options.split_random_halves else None
    assert options.particles_file is not None
    particles, poses, table = read_particles(
        options.particles_file, ctf=options.correct_ctf, half_seed=half_seed
    )
    check_stacks(particles)
    _check_diameter(options, particles)
    names = _reference_files(options) if options.continue_from is None else ()
    references = tuple(_reference(name, options, particles, console) for name in names)
    mask = None
    if options.solvent_mask_file is not None:
        mask = _mask(options.solvent_mask_file, particles, console)
    return Inputs(particles, poses, references, mask), table


def _check_diameter(options: RefineOptions, particles: Particles) -> None:
    optics = particles.optics[0]
    width_A = optics.box * optics.pixel_size_A
    if options.particle_diameter_A > width_A:
        raise DataError(
            f"--particle_diameter: found {options.particle_diameter_A:g} Å, expected at most the "
            f"width of the box, {width_A:g} Å ({optics.box} px of {optics.pixel_size_A:g} Å). "
            "Extract the particles in a larger box, or correct the diameter"
        )


def _reference_files(options: RefineOptions) -> tuple[Path, ...]:
    """Return the starting map of each half; a half map is swapped for its twin in the other."""
    assert options.reference_file is not None
    path = options.reference_file
    if not options.split_random_halves:
        return (path,)
    for own, other in (("half1", "half2"), ("half2", "half1")):
        if own in path.name:
            twin = path.with_name(path.name.replace(own, other))
            return (path, twin) if own == "half1" else (twin, path)
    return (path, path)


def _reference(
    path: Path, options: RefineOptions, particles: Particles, console: Console
) -> Float32[Array, "z y x"]:
    volume, pixel_size_A = read_map(path)
    if options.reference_pixel_size_A > 0.0:
        pixel_size_A = options.reference_pixel_size_A
    if pixel_size_A <= 0.0:
        raise DataError(
            f"{path}: found no pixel size in the header, expected one. Give it: --ref_angpix"
        )
    optics = particles.optics[0]
    if not _fits(volume, pixel_size_A, particles) and not options.trust_reference_size:
        raise DataError(
            f"{path}: found a box of {len(volume)} px of {pixel_size_A:g} Å, expected that of the "
            f"particles, {optics.box} px of {optics.pixel_size_A:g} Å. Let halfmap resample the "
            "map with --trust_ref_size, or correct its pixel size with --ref_angpix"
        )
    return _on_grid(path, volume, pixel_size_A, particles, console)


def _fits(volume: Float32[Array, "z y x"], pixel_size_A: float, particles: Particles) -> bool:
    optics = particles.optics[0]
    same_pixel = abs(pixel_size_A - optics.pixel_size_A) <= PIXEL_TOLERANCE_A
    return same_pixel and len(volume) == optics.box


def _on_grid(
    path: Path,
    volume: Float32[Array, "z y x"],
    pixel_size_A: float,
    particles: Particles,
    console: Console,
) -> Float32[Array, "z y x"]:
    """Bring a map to box and pixel size of the particles, and say so if that changes it."""
    if not np.isfinite(volume).all():
        raise DataError(f"{path}: found voxels that are not finite. Make the map again")
    if _fits(volume, pixel_size_A, particles):
        return volume
    optics = particles.optics[0]
    resampled, reached_A = resample_volume(volume, pixel_size_A, optics.pixel_size_A, optics.box)
    console.notice(
        f"{path} was resampled from {len(volume)} px of {pixel_size_A:g} Å to {optics.box} px of "
        f"{reached_A:.4g} Å"
    )
    return resampled


def _mask(path: Path, particles: Particles, console: Console) -> Float32[Array, "z y x"]:
    volume, pixel_size_A = read_map(path)
    if pixel_size_A <= 0.0:
        pixel_size_A = particles.optics[0].pixel_size_A
    mask = _on_grid(path, volume, pixel_size_A, particles, console)
    if mask.min() < 0.0 or mask.max() > 1.0:
        resampled = not _fits(volume, pixel_size_A, particles)
        if not resampled:
            raise DataError(
                f"{path}: found values from {mask.min():g} to {mask.max():g}, expected a mask with "
                "values from 0 to 1. Make the mask again"
            )
        mask = np.clip(mask, 0.0, 1.0)  # ringing of the resampling
    return np.asarray(mask, dtype=np.float32)
