"""Make up a data set: microscope, micrographs, defocus, poses.

Everything is drawn from ``numpy`` generators seeded by (seed, what), so that each of these
stays the same when another one changes.
"""

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.model.geometry import geometries
from halfmap.model.optics import Defocus, Optics
from halfmap.model.particles import Particles, Poses

DEFOCUS_SPREAD_A = 150.0
"""Standard deviation of the height of the particles in the ice."""
ASTIGMATISM_SPREAD = 0.3
"""Of the astigmatism of the micrographs, relative to its mean."""


class Draw(IntEnum):
    """What is drawn; the second part of every seed."""

    POSES = 1
    MICROGRAPHS = 2
    DEFOCUS = 3
    HALVES = 4
    INTENSITIES = 5
    NOISE = 6


@dataclass(frozen=True, slots=True)
class Session:
    """Microscope session: what was set, and how it spread."""

    microscope: Optics
    """Of the first optics group."""
    n_optics_groups: int
    n_micrographs: int
    defocus_range_A: tuple[float, float]
    astigmatism_A: float
    """Mean difference between the two defoci."""
    scale_sigma: float
    """Spread of the logarithm of the intensity scale of the micrographs."""
    norm_sigma: float
    """Spread of the logarithm of the normalisation error of the images."""
    groups: tuple[Optics, ...] = ()
    """The optics groups, where they are given."""


def optics_groups(session: Session) -> tuple[Optics, ...]:
    """Return the optics groups: variations of the first as they occur between sessions.

    Groups 2, 4, ... have 0.7 of the amplitude contrast; groups 3, 4, 7, 8, ... come from another
    microscope (200 instead of 300 kV, or 300 instead of what it was). From group 5 on, and again
    from 9, 13, ... on, Cs is smaller by 0.1 mm.
    """
    if session.groups:
        return session.groups
    first = session.microscope
    other_kV = 200.0 if first.voltage_kV == 300.0 else 300.0
    return tuple(
        replace(
            first,
            name=f"opticsGroup{i + 1}",
            voltage_kV=other_kV if i % 4 >= 2 else first.voltage_kV,
            spherical_aberration_mm=max(0.0, first.spherical_aberration_mm - 0.1 * (i // 4)),
            amplitude_contrast=first.amplitude_contrast * (0.7 if i % 2 else 1.0),
        )
        for i in range(session.n_optics_groups)
    )


def draw_particles(session: Session, n: int, stack: str, seed: int) -> Particles:
    """Return the table of ``n`` particles, sorted by micrograph.

    A micrograph has one optics group, one defocus within the range and one astigmatism; its
    particles differ in defocus by 150 A (the thickness of the ice). The two halves are of equal
    size, up to one. Images of each grid have a stack of their own (`stack_names`).
    """
    micrograph = np.arange(n) * session.n_micrographs // n
    optics = optics_groups(session)
    group = micrograph % len(optics)
    grids, grid = geometries(optics, group)
    stacks = stack_names(stack, len(grids))
    place = np.zeros(n, np.int64)
    for own in (np.flatnonzero(grid[group] == g) for g in range(len(grids))):
        place[own] = np.arange(len(own))
    names = tuple(f"mic{i + 1:05d}.mrc" for i in range(session.n_micrographs))
    halves = np.random.default_rng((seed, Draw.HALVES)).permutation(np.arange(n) % 2)
    return Particles(
        stacks=stacks,
        stack=grid[group],
        slice=place,
        optics=optics,
        optics_group=group,
        scale_groups=names,
        scale_group=micrograph,
        half=halves,
        defocus=_draw_defocus(session, micrograph, seed),
    )


def stack_names(stack: str, n: int) -> tuple[str, ...]:
    """Return the name of the stack of each image grid.

    >>> stack_names("a/particles.mrcs", 1), stack_names("a/particles.mrcs", 2)
    (('a/particles.mrcs',), ('a/particles_1.mrcs', 'a/particles_2.mrcs'))
    """
    base = stack.removesuffix(".mrcs")
    return (stack,) if n == 1 else tuple(f"{base}_{i + 1}.mrcs" for i in range(n))


def _draw_defocus(session: Session, micrograph: Int[Array, " particle"], seed: int) -> Defocus:
    rng = np.random.default_rng((seed, Draw.DEFOCUS))
    n = session.n_micrographs
    mean = rng.uniform(*session.defocus_range_A, n)
    spread = ASTIGMATISM_SPREAD * session.astigmatism_A
    astigmatism = np.abs(rng.normal(session.astigmatism_A, spread, n))
    angle_deg = rng.uniform(0.0, 180.0, n)
    height = rng.normal(0.0, DEFOCUS_SPREAD_A, len(micrograph))
    centre = mean[micrograph] + height
    return Defocus(
        u_A=centre + astigmatism[micrograph] / 2.0,
        v_A=centre - astigmatism[micrograph] / 2.0,
        angle_deg=angle_deg[micrograph],
        phase_shift_deg=np.zeros(len(micrograph)),
        b_factor_A2=np.zeros(len(micrograph)),
        scale=np.ones(len(micrograph)),
    )


def draw_poses(n: int, offset_sigma_A: float, seed: int) -> Poses:
    """Return orientations uniform over all rotations and Gaussian offsets."""
    rng = np.random.default_rng((seed, Draw.POSES))
    rot, psi = rng.uniform(-180.0, 180.0, (2, n))
    tilt = np.degrees(np.arccos(rng.uniform(-1.0, 1.0, n)))
    return replace(
        Poses.unknown(n),
        angles_deg=np.stack([rot, tilt, psi], axis=1),
        offset_A=rng.normal(0.0, offset_sigma_A, (n, 2)),
        class_index=np.zeros(n, np.int64),
    )


def draw_intensities(
    session: Session, particles: Particles, seed: int
) -> tuple[Float[Array, " group"], Float[Array, " particle"]]:
    """Return the scale of each micrograph, and the normalisation error of each image.

    The mean scale of the particles is 1, as RELION's model has it.
    """
    rng = np.random.default_rng((seed, Draw.INTENSITIES))
    scale = np.exp(rng.normal(0.0, session.scale_sigma, session.n_micrographs))
    norm = np.exp(rng.normal(0.0, session.norm_sigma, len(particles)))
    return scale / scale[particles.scale_group].mean(), norm
