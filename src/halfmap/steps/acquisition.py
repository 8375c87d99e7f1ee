"""Make up a data set: microscope, micrographs, defocus, poses.

Everything is drawn from ``numpy`` generators seeded by (seed, what), so that each of these
stays the same when another one changes.
"""

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

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


def optics_groups(session: Session) -> tuple[Optics, ...]:
    """Return the optics groups: variations of the first as they occur between sessions.

    Groups 2, 4, ... have 0.7 of the amplitude contrast; groups 3, 4, 7, 8, ... come from another
    microscope (200 instead of 300 kV, or 300 instead of what it was). From group 5 on, and again
    from 9, 13, ... on, Cs is smaller by 0.1 mm.
    """
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
    """Return the table of ``n`` particles of one stack, sorted by micrograph.

    A micrograph has one optics group, one defocus within the range and one astigmatism; its
    particles differ in defocus by 150 A (the thickness of the ice). The two halves are of equal
    size, up to one.
    """
    micrograph = np.arange(n) * session.n_micrographs // n
    names = tuple(f"mic{i + 1:05d}.mrc" for i in range(session.n_micrographs))
    halves = np.random.default_rng((seed, Draw.HALVES)).permutation(np.arange(n) % 2)
    return Particles(
        stacks=(stack,),
        stack=np.zeros(n, np.int64),
        slice=np.arange(n),
        optics=optics_groups(session),
        optics_group=micrograph % session.n_optics_groups,
        scale_groups=names,
        scale_group=micrograph,
        half=halves,
        defocus=_draw_defocus(session, micrograph, seed),
    )


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
