"""Averages of particles in drawn poses: a first reference where there is none."""

import numpy as np
from jaxtyping import Float32, Int
from numpy import ndarray as Array

from halfmap.kernels.protocol import HitGeometry, Hits, ShellSums
from halfmap.model.particles import Particles, Poses
from halfmap.model.rotations import euler_matrices
from halfmap.steps.batch import make_batch
from halfmap.steps.expectation import UnitResult, Workspace
from halfmap.steps.faults import find_faults
from halfmap.steps.prepare_images import prepare_images
from halfmap.steps.search import Search
from halfmap.steps.slices import slice_axes
from halfmap.steps.unit_grid import Insertion


def drawn_poses(before: Poses, n_classes: int, seed: int, *, flat: bool) -> Poses:
    """Draw an orientation for each particle, and deal them to the classes in turn.

    Parameters
    ----------
    before
        Their offsets and norms stay.
    n_classes
        Every class gets a particle in its turn.
    seed
        The same on all ranks.
    flat
        The references are 2D: psi alone is drawn. Otherwise rot, tilt and psi are uniform, as in
        RELION, which favours the poles.
    """
    n = len(before)
    draws = np.random.default_rng(seed).random((n, 3))
    turns = np.array([0.0, 0.0, 360.0]) if flat else np.array([360.0, 180.0, 360.0])
    return Poses(
        angles_deg=draws * turns,
        offset_A=before.offset_A,
        class_index=np.arange(n) % n_classes,
        norm=before.norm,
        log_likelihood=before.log_likelihood,
        max_probability=before.max_probability,
        n_significant=before.n_significant,
    )


def insert_as_drawn(
    images: Float32[Array, "particle y x"],
    rows: Int[Array, " particle"],
    particles: Particles,
    poses: Poses,
    search: Search,
    workspace: Workspace,
) -> UnitResult:
    """Insert the particles of a unit with the poses and classes that they have.

    Takes the place of `halfmap.steps.expectation.run_unit`; nothing is searched or compared, and
    of the result only the faults are filled in.
    """
    result = UnitResult.empty(len(rows), search.n_classes)
    result.fault[:] = find_faults(images)
    good = np.flatnonzero(result.fault == 0)
    if len(good) == 0:
        return result
    batch = make_batch(images[good], rows[good], particles, poses[good], search)
    prepared = prepare_images(batch, particles, search)
    n, width = len(good), search.disc.width
    each = np.arange(n + 1)
    hits = Hits(
        first_hit=each,
        group=each[:-1],
        child=np.zeros(n, np.int64),
        first_shift=each[:-1],
        end_shift=each[1:],
        shift=np.zeros(n, np.int32),
        posterior=np.ones(n, np.float32),
    )
    geometry = HitGeometry(
        pixels=search.pixels,
        shell=search.disc.shell.astype(np.int32),
        axes=slice_axes(search, euler_matrices(batch.poses.angles_deg)),
        class_index=batch.poses.class_index,
        slice_row=each[:-1],
    )
    unshifted = np.tile(np.array([1.0, 0.0], np.float32), width // 2)[None]
    what = Insertion(prepared.summed, unshifted, hits, geometry)
    compared_with_nothing = np.zeros((0, width), np.float32), ShellSums(*np.zeros((2, 0, 0, 0)))
    workspace.grid.insert(what, *compared_with_nothing, search.kernels)
    workspace.n_particles += n
    return result
