"""The images of a particle table of RELION's as projections of known orientation."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.particle_table import read_particles
from halfmap.io.projection_source import ProjectionHeader
from halfmap.io.stack_check import check_stacks
from halfmap.io.stacks import ImageSource
from halfmap.model.particles import Particles, Poses
from halfmap.model.rotations import euler_matrices
from halfmap.model.slice_table import SliceTable


class TableProjections:
    """Images that a particle table names; see `halfmap.io.projection_source.ProjectionSource`."""

    projection_convention = False

    def __init__(self, path: Path, particles: Particles) -> None:
        optics = particles.optics[0]
        self.path, self.particles = path, particles
        self.image_shape = (optics.box, optics.box)
        self.pixel_size_A = optics.pixel_size_A
        self._source = ImageSource(particles.stacks)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.path, self.particles)

    def __len__(self) -> int:
        return len(self.particles)

    def headers(self) -> Sequence[ProjectionHeader]:
        """Return nothing: the table says it all (`slices_of_table`)."""
        return [ProjectionHeader()] * len(self)

    def read(self, rows: Sequence[int]) -> Float32[Array, "image y x"]:
        """Read some images."""
        index = np.asarray(rows)
        stack, slice_ = self.particles.stack[index], self.particles.slice[index]
        return self._source.read(stack, slice_, self.image_shape[0])


def open_table(path: Path, subset: int, *, ctf: bool) -> tuple[TableProjections, SliceTable]:
    """Read a particle table, and what it says of its images.

    Parameters
    ----------
    path
        STAR file, or ``.cs`` file of cryoSPARC.
    subset
        Take this half only, 1 or 2; 0: all.
    ctf
        Whether CTF parameters are needed.

    Raises
    ------
    DataError
        If it cannot be used; what it lacks is listed.
    """
    particles, poses, table = read_particles(path, ctf=ctf, half_seed=None)
    halves = table.particles.get("rlnRandomSubset")
    half = None if halves is None else np.asarray(halves, np.int64) - 1
    if subset and half is None:
        raise DataError(f"{path} has no rlnRandomSubset; expected it with --subset.")
    _check(path, particles, table.particles)
    check_stacks(particles)
    slices = _slices(particles, poses, half)
    if half is not None and not set(half.tolist()) <= {0, 1}:
        raise DataError(f"{path} has an rlnRandomSubset that is neither 1 nor 2.")
    if subset:
        assert half is not None
        slices = slices.only(half == subset - 1)
    return TableProjections(path, particles), slices


def _check(path: Path, particles: Particles, columns: dict[str, Array]) -> None:
    used = {particles.optics[group] for group in set(particles.optics_group.tolist())}
    if len({(optics.box, optics.pixel_size_A) for optics in used}) > 1:
        raise DataError(
            f"{path} has optics groups of different boxes or pixel sizes, which this version "
            "cannot join. Reconstruct each group by itself."
        )
    if any(optics.magnification != (1.0, 0.0, 0.0, 1.0) for optics in used):
        raise DataError(
            f"{path} has an anisotropic magnification (rlnMagMat), which this version does not "
            "undo here. Take the map that halfmap refine makes."
        )
    missing = [f"rlnAngle{name}" for name in ("Rot", "Tilt", "Psi")]
    missing = [label for label in missing if label not in columns]
    if missing:
        raise DataError(
            f"{path} lacks {', '.join(missing)}: its images have no known orientation. Take the "
            "table that a refinement wrote."
        )


def _slices(particles: Particles, poses: Poses, half: Array | None) -> SliceTable:
    n, pixel_A = len(particles), particles.optics[0].pixel_size_A
    return SliceTable(
        row=np.arange(n),
        rotation=euler_matrices(poses.angles_deg),
        shift_px=poses.offset_A / pixel_A,
        mirror=np.zeros(n, bool),
        weight=np.ones(n),
        quality=np.ones(n),
        half=half,
    )
