"""Images, and what the tables of a run know of them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray as Array

from halfmap.model.particles import Particles, Poses
from halfmap.model.sampling import Sampling
from halfmap.steps.search import Search

Rows = slice | Array
"""Anything that selects along the axis of images."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Images and what is known of them: rows of the run's tables."""

    images: Float32[Array, "image *two y x"]
    """One each, or one that is compared and one that is inserted."""
    rows: Int[Array, " image"]
    """In the table of all particles."""
    optics: Int[Array, " image"]
    scale: Float[Array, " image"]
    poses: Poses
    prior_deg: Float[Array, "image 3"]
    """Where the priors on rot, tilt, psi sit."""
    prior_offset_A: Float[Array, "image 2"]
    """Where the prior on the offset sits."""

    def __getitem__(self, some: Rows) -> "Batch":
        """Return some of the images."""
        return Batch(
            images=self.images[some],
            rows=self.rows[some],
            optics=self.optics[some],
            scale=self.scale[some],
            poses=self.poses[some],
            prior_deg=self.prior_deg[some],
            prior_offset_A=self.prior_offset_A[some],
        )

    def __len__(self) -> int:
        return len(self.rows)


def make_batch(
    images: Float32[Array, "image *two y x"],
    rows: Int[Array, " image"],
    particles: Particles,
    poses: Poses,
    search: Search,
) -> Batch:
    """Look up what is known of some particles.

    Parameters
    ----------
    images
        Pixels, as read.
    rows
        Their rows in ``particles``.
    particles
        All particles of the run.
    poses
        Of these images only.
    search
        Holds the scale of each group.
    """
    return Batch(
        images=images,
        rows=rows,
        optics=particles.optics_group[rows],
        scale=search.weighting.group_scale[particles.scale_group[rows]],
        poses=poses,
        prior_deg=_prior_deg(rows, particles, poses, search.plan.sampling),
        prior_offset_A=_prior_offset_A(rows, particles, search.plan.sampling),
    )


def _prior_deg(
    rows: Int[Array, " image"], particles: Particles, poses: Poses, sampling: Sampling
) -> Float[Array, "image 3"]:
    """Return the present poses, or what the table says where it says something."""
    if sampling.priors_follow_poses or particles.prior_deg is None:
        return poses.angles_deg
    said = particles.prior_deg[rows]
    return np.where(np.isnan(said), poses.angles_deg, said)


def _prior_offset_A(
    rows: Int[Array, " image"], particles: Particles, sampling: Sampling
) -> Float[Array, "image 2"]:
    """Return what the table says, but for 2D references: there each class has a mean offset."""
    if sampling.flat or particles.prior_offset_A is None:
        return np.zeros((len(rows), 2))
    return np.asarray(particles.prior_offset_A[rows])
