"""`halfmap simulate`: a data set whose truth is known, written batch by batch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array

from halfmap.engine.simulation.groups import listed_groups, on_grid_of
from halfmap.engine.simulation.options import SimulateOptions, required
from halfmap.engine.simulation.source import SourceMap, source_map
from halfmap.engine.simulation.tables import (
    groups_block,
    optics_block,
    particles_block,
    read_poses,
    truth_block,
)
from halfmap.engine.telling.console import Console
from halfmap.errors import DataError, OptionError
from halfmap.io.mrc import write_map
from halfmap.io.output import check_disc_space, check_output, make_room
from halfmap.io.stack_writer import stack_writer
from halfmap.io.star import Table, write_star
from halfmap.model.fourier import low_pass
from halfmap.model.geometry import ImageGeometry, geometries
from halfmap.model.image_noise import WHITE, NoiseColour, noise_amplitude
from halfmap.model.map_extent import map_extent_A
from halfmap.model.optics import Optics
from halfmap.model.particles import Poses
from halfmap.model.spline_projection import spline_transform
from halfmap.steps.acquisition import Session, draw_intensities, draw_particles, draw_poses
from halfmap.steps.simulate_images import (
    ImageFormation,
    background_pixels,
    signal_images,
    signal_variance,
    simulated_images,
)

FILES = ("particles.mrcs", "particles.star", "truth.star", "truth.mrc", "start.mrc")
DEFAULT_N = 2_000
PARTICLES_PER_MICROGRAPH = 50
PILOT_IMAGES = 256
"""Images, spread over the data set, whose signal sets the grey scale."""
BATCH_PIXELS = 2**21
LEAST_BACKGROUND_PX = 64
INT16_PER_SIGMA = 1_000
"""Integers need a finer step than the standard deviation of the noise."""


def simulate(options: SimulateOptions, command: str, console: Console) -> None:
    """Make a data set.

    Parameters
    ----------
    command
        As typed; stands at the top of the tables.

    Raises
    ------
    OptionError, DataError
        Before anything is written.
    """
    groups, table = listed_groups(options)
    options = on_grid_of(options, groups)
    folder = _folder(options)
    poses = _poses(options)
    source = source_map(options, console)
    formations, diameter_A = _formations(options, source, poses, (folder, groups))
    gain = _gain(formations, options.snr)
    check_disc_space(folder, _bytes(len(poses), max(f.box for f in formations)))
    _make_room(folder)
    factor = _write_images(formations, gain, options, console)
    _write_maps(source, gain * factor.mean(), options, folder)
    comments = (command, f"seed {options.seed}")
    _write_tables(formations[0], factor, comments, (options.split, folder, table))
    console.notice(
        f"{len(poses):,} particles of {len(source.volume)} px, {source.pixel_size_A:.4g} Å, "
        f"SNR {options.snr:g} within {diameter_A:.0f} Å: {folder / 'particles.star'}\n"
        f"truth: {folder / 'truth.star'}, {folder / 'truth.mrc'}\n"
        f"starting map ({options.start_lowpass_A:g} Å): {folder / 'start.mrc'}"
    )
    if options.mode == "int16":
        console.warning(
            f"int16: grey values are {INT16_PER_SIGMA} times the normalised ones. "
            "Refine with --normalise."
        )


def _folder(options: SimulateOptions) -> Path:
    """Return the output folder, which holds no earlier simulation unless asked."""
    folder = required(options.folder, "o")
    check_output(folder / "particles", overwrite=True)
    existing = [name for name in _files(folder) if (folder / name).exists()]
    if existing and not options.overwrite:
        raise DataError(
            f"{folder} already holds {', '.join(existing)}. "
            "Choose another --o, or replace them with --overwrite."
        )
    return folder


def _poses(options: SimulateOptions) -> Poses:
    if options.poses_file is not None:
        return read_poses(options.poses_file, options.n_particles)
    return draw_poses(options.n_particles or DEFAULT_N, options.offset_sigma_A, options.seed)


def _formations(
    options: SimulateOptions,
    source: SourceMap,
    poses: Poses,
    where: tuple[Path, tuple[Optics, ...]],
) -> tuple[tuple[ImageFormation, ...], float]:
    """Put together what decides the images of each grid; return the particle's diameter too."""
    box, pixel_A = len(source.volume), source.pixel_size_A
    folder, groups = where
    session = replace(_session(options, len(poses), box, pixel_A), groups=groups)
    particles = draw_particles(session, len(poses), str(folder / FILES[0]), options.seed)
    scale, norm = draw_intensities(session, particles, options.seed)
    diameter_A = options.particle_diameter_A or map_extent_A(source.volume, pixel_A)
    coloured = NoiseColour(options.noise_rise, options.noise_knee_A)
    colour = WHITE if options.noise == "white" else coloured
    reference = spline_transform(source.volume)
    formations = tuple(
        ImageFormation(
            reference=reference,
            particles=particles,
            poses=poses,
            group_scale=scale,
            norm=norm,
            noise_amplitude=noise_amplitude(colour, grid.box, grid.pixel_size_A),
            background=_background(grid, diameter_A),
            seed=options.seed,
            geometry=grid,
            # As many electrons on a square ångström of each.
            noise_deviation=pixel_A / grid.pixel_size_A,
        )
        for grid in geometries(particles.optics, particles.optics_group)[0]
    )
    return formations, diameter_A


def _background(grid: ImageGeometry, diameter_A: float) -> Bool[Array, "y x"]:
    background = background_pixels(grid.box, grid.pixel_size_A, diameter_A)
    if background.sum() < LEAST_BACKGROUND_PX or background.all():
        raise OptionError(
            f"a particle of {diameter_A:.0f} Å leaves {background.sum()} of {background.size} "
            f"pixels as background in a box of {grid.box * grid.pixel_size_A:.0f} Å. "
            "Choose a larger --box or another --particle_diameter."
        )
    return background


def _session(options: SimulateOptions, n: int, box: int, pixel_size_A: float) -> Session:
    usual = max(options.n_optics_groups, -(-n // PARTICLES_PER_MICROGRAPH))
    return Session(
        microscope=Optics(
            name="opticsGroup1",
            voltage_kV=options.voltage_kV,
            spherical_aberration_mm=options.spherical_aberration_mm,
            amplitude_contrast=options.amplitude_contrast,
            pixel_size_A=pixel_size_A,
            box=box,
        ),
        n_optics_groups=options.n_optics_groups,
        n_micrographs=min(n, options.n_micrographs or usual),
        defocus_range_A=(options.defocus_min_A, options.defocus_max_A),
        astigmatism_A=options.astigmatism_A,
        scale_sigma=options.scale_sigma,
        norm_sigma=options.norm_sigma,
    )


def _gain(formations: tuple[ImageFormation, ...], snr: float) -> float:
    """Return the factor on the map that gives the signal its variance on its own grid."""
    formation = formations[0]
    own = np.flatnonzero(formation.particles.stack == 0)
    pilot = own[np.unique(np.linspace(0, len(own) - 1, min(len(own), PILOT_IMAGES)).astype(int))]
    variance = np.concatenate(
        [
            signal_variance(signal_images(formation, rows), formation.background)
            for rows in _batches(pilot, formation.box)
        ]
    ).mean()
    if variance <= 0.0:
        raise DataError("the map is the same everywhere: there is nothing to see. Check it.")
    return float(np.sqrt(snr / variance))


def _batches(rows: Int[Array, " image"], box: int) -> list[Int[Array, " image"]]:
    size = max(1, BATCH_PIXELS // box**2)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _write_images(
    formations: tuple[ImageFormation, ...],
    gain: float,
    options: SimulateOptions,
    console: Console,
) -> Float[Array, " particle"]:
    """Write the stacks; return the factor that normalisation put on each image."""
    particles = formations[0].particles
    units = INT16_PER_SIGMA if options.mode == "int16" else 1
    factors = np.zeros(len(particles))
    with console.progress(len(particles), "simulating") as advance:
        for number, (path, formation) in enumerate(zip(particles.stacks, formations, strict=True)):
            assert formation.geometry is not None
            pixel_A = formation.geometry.pixel_size_A
            with stack_writer(Path(path), pixel_A, options.mode) as write:
                for rows in _batches(np.flatnonzero(particles.stack == number), formation.box):
                    images, factors[rows] = simulated_images(formation, rows, gain)
                    write(images * np.float32(units))
                    advance(len(rows))
    return factors


def _write_maps(source: SourceMap, grey: float, options: SimulateOptions, folder: Path) -> None:
    """Write the truth on the grey scale of the images, and what to start from."""
    truth = source.volume * np.float32(grey)
    start = low_pass(truth, source.pixel_size_A, options.start_lowpass_A)
    write_map(folder / "truth.mrc", truth, source.pixel_size_A)
    write_map(folder / "start.mrc", start, source.pixel_size_A)


def _write_tables(
    formation: ImageFormation,
    factor: Float[Array, " particle"],
    comments: tuple[str, ...],
    how: tuple[bool, Path, Table],
) -> None:
    """Write the particles, and the truth; ``how``: with halves, where, and the optics if given."""
    (split, folder, given), particles = how, formation.particles
    poses = replace(formation.poses, norm=factor / factor.mean())
    optics, table = given or optics_block(particles), particles_block(particles, split)
    truth = {
        "optics": optics,
        "particles": table | truth_block(poses),
        "model_groups": groups_block(particles, formation.group_scale),
    }
    write_star(folder / "truth.star", truth, comments)
    write_star(folder / "particles.star", {"optics": optics, "particles": table}, comments)


def _files(folder: Path) -> list[str]:
    """Return the names of all files that an earlier simulation may have left."""
    of_grids = sorted(path.name for path in folder.glob("particles_*.mrcs"))
    return [*FILES, *of_grids]


def _make_room(folder: Path) -> None:
    """Make the folder and empty it: after a failure no old file shall stand beside new ones."""
    make_room(folder, (folder / name for name in _files(folder)))


def _bytes(n: int, box: int) -> int:
    return 4 * n * box**2 + 2 * 4 * box**3 + 1_000 * n
