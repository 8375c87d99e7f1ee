"""Everything that a new run reads before it starts, on the leader; told to all ranks."""

from dataclasses import dataclass, replace

from jaxtyping import Float32
from numpy import ndarray as Array

from halfmap.config.options import RefineOptions
from halfmap.engine.starting.map_inputs import MapInputs, read_map_files
from halfmap.engine.starting.reference_files import reference_files
from halfmap.engine.telling.console import Console
from halfmap.errors import DataError
from halfmap.io.cryosparc.to_star import unused_effects
from halfmap.io.optimisation_set import read_optimisation_set
from halfmap.io.particle_table import ParticleTable, read_particles
from halfmap.io.problems import Problems
from halfmap.io.references import read_reference
from halfmap.io.stack_check import check_stacks
from halfmap.model.fourier import resample_volume
from halfmap.model.optics import Optics
from halfmap.model.particles import Particles, Poses

PIXEL_TOLERANCE_A = 0.001
"""Pixel sizes that differ by less are equal."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the files say."""

    particles: Particles
    poses: Poses
    references: tuple[tuple[Float32[Array, "z y x"], ...], ...]
    """Starting maps of each half, one a class or one for all, on the grid of the particles and not
    filtered; none when a run goes on from its own maps."""
    of_map: MapInputs
    flat: bool
    """References are 2D: class averages."""


@dataclass(frozen=True, slots=True)
class _Map:
    """A map as its file has it."""

    name: str
    volume: Float32[Array, "z y x"]
    pixel_size_A: float

    @property
    def box(self) -> int:
        """Its box, px."""
        return int(self.volume.shape[-1])

    @property
    def flat(self) -> bool:
        """Whether it is a 2D reference."""
        return len(self.volume) == 1

    def fits(self, optics: Optics) -> bool:
        """Whether it is on the grid of the particles."""
        same_pixel = abs(self.pixel_size_A - optics.pixel_size_A) <= PIXEL_TOLERANCE_A
        return same_pixel and self.box == optics.box


def read_inputs(
    options: RefineOptions,
    seed: int,
    console: Console,
    problems: Problems,
    flat: bool | None = None,
) -> tuple[Inputs, ParticleTable]:
    """Read and check particles, stacks' headers, starting map and mask.

    Parameters
    ----------
    options, seed
        As resolved.
    console
        Told what is resampled.
    problems
        What was found wrong before; raised here with all the rest.
    flat
        Whether the references are 2D, when a run goes on; else the starting maps tell.

    Raises
    ------
    DataError
        Everything that is missing or does not fit together.
    """
    read = problems.attempt(_particles, options, seed)
    of_set = problems.attempt(_entries_of_set, options)
    particles = None if read is None else read[0]
    names = problems.attempt(reference_files, options, particles) or ()
    maps = _starting_maps(names, options, problems)
    of_map = read_map_files(options, problems)
    if read is not None:
        _check_together(read[0], maps, options, problems)
        of_map.check(options, read[0].optics[0].box, problems)
    if flat is None:
        flat = all(found.flat for found in maps.values()) if names else options.begins_flat
    problems.attempt(_check_depth, list(maps.values()), flat)
    problems.attempt(of_map.check_depth, flat=flat)
    problems.refuse()
    assert read is not None
    particles, poses, table = read
    for text in unused_effects(table.particles, table.attached):
        console.warning(text)
    optics = particles.optics[0]
    on_grid = {name: _on_grid(found, optics, console) for name, found in maps.items()}
    references = tuple(tuple(on_grid[name] for name in half) for half in names)
    fitted = of_map.fitted(optics.box, optics.pixel_size_A, console)
    return Inputs(particles, poses, references, fitted, flat), replace(table, of_set=of_set)


def _particles(options: RefineOptions, seed: int) -> tuple[Particles, Poses, ParticleTable]:
    assert options.particles_file is not None
    half_seed = seed if options.split_random_halves else None
    return read_particles(options.particles_file, ctf=options.correct_ctf, half_seed=half_seed)


def _entries_of_set(options: RefineOptions) -> dict[str, str] | None:
    path = options.tomo_optimisation_set_file
    return None if path is None else read_optimisation_set(path)


def _starting_maps(
    names: tuple[tuple[str, ...], ...], options: RefineOptions, problems: Problems
) -> dict[str, _Map]:
    maps = {}
    for name in dict.fromkeys(name for half in names for name in half):
        found = problems.attempt(_starting_map, name, options)
        if found is not None:
            maps[name] = found
    return maps


def _starting_map(name: str, options: RefineOptions) -> _Map:
    volume, pixel_size_A = read_reference(name)
    if options.reference_pixel_size_A > 0.0:
        pixel_size_A = options.reference_pixel_size_A
    if pixel_size_A <= 0.0:
        raise DataError(
            f"{name}: found no pixel size in the header, expected one. Give it with --ref_angpix"
        )
    if volume.min() == volume.max():
        raise DataError(
            f"{name}: found {volume.min():g} in all voxels, expected a map. Make the map again"
        )
    return _Map(name, volume, pixel_size_A)


def _check_depth(maps: list[_Map], flat: bool) -> None:
    """Refuse maps among 2D references."""
    planes = [found for found in maps if found.flat]
    if planes and not flat:
        cube = next(found for found in maps if not found.flat)
        raise DataError(
            f"--ref: found 2D references ({planes[0].name}) and maps ({cube.name}), expected "
            "either. Classify in 2D with images, or in 3D with maps"
        )


def _check_together(
    particles: Particles, maps: dict[str, _Map], options: RefineOptions, problems: Problems
) -> None:
    """Keep what fits on its own, but not together."""
    optics = particles.optics[0]
    problems.attempt(check_stacks, particles)
    used = [particles.optics[group] for group in set(particles.optics_group.tolist())]
    narrowest = min(used, key=lambda group: group.box * group.pixel_size_A)
    problems.attempt(_check_diameter, options.particle_diameter_A, narrowest)
    if not options.trust_reference_size:
        for found in maps.values():
            problems.attempt(_check_size, found, optics)


def _check_diameter(diameter_A: float, optics: Optics) -> None:
    width_A = optics.box * optics.pixel_size_A
    if diameter_A > width_A:
        raise DataError(
            f"--particle_diameter: found {diameter_A:g} Å, expected at most the "
            f"width of the box, {width_A:g} Å ({optics.box} px of {optics.pixel_size_A:g} Å in "
            f"optics group {optics.name!r}). "
            "Extract the particles in a larger box, or correct the diameter"
        )


def _check_size(found: _Map, optics: Optics) -> None:
    if not found.fits(optics):
        raise DataError(
            f"{found.name}: found a box of {found.box} px of {found.pixel_size_A:g} Å, "
            f"expected that of the particles, {optics.box} px of {optics.pixel_size_A:g} Å. Let "
            "halfmap resample the map with --trust_ref_size, or correct its pixel size with "
            "--ref_angpix"
        )


def _on_grid(found: _Map, optics: Optics, console: Console) -> Float32[Array, "z y x"]:
    """Bring a map to box and pixel size of the particles, and say so if that changes it."""
    volume, pixel_size_A = found.volume, found.pixel_size_A
    if found.fits(optics):
        return volume
    resampled, reached_A = resample_volume(volume, pixel_size_A, optics.pixel_size_A, optics.box)
    console.notice(
        f"{found.name} was resampled from {found.box} px of {pixel_size_A:g} Å to "
        f"{optics.box} px of {reached_A:.4g} Å"
    )
    return resampled
