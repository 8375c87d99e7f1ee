"""What all units of a half-set and one image geometry share in one iteration.

Slices, grids, phase ramps, priors.

Built identically on every rank of the half. The slices of a global coarse search are by far
the largest part; they may live in memory that the ranks of a node share.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray as Array

from halfmap.kernels.protocol import Kernels, Pixels, Volume
from halfmap.model.disc import Disc, make_disc
from halfmap.model.exact import SumScales, scales_of_square, sum_scales
from halfmap.model.half_model import HalfModel
from halfmap.model.local_orientations import LocalGrid, allowed_share, local_grid
from halfmap.model.orientations import direction_pixels, psi_angles_deg
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.reference import FourierReference
from halfmap.model.sums import ExpectationSums
from halfmap.model.touched_voxels import n_touched
from halfmap.steps.search_plan import SearchPlan
from halfmap.steps.shifts import Shifts, make_shifts
from halfmap.steps.weighting import Weighting, make_weighting

BROAD_SHARE = 0.5
"""Priors that allow more of all orientations than this are searched globally, with slices that all
particles share. About here (64 px, 60 particles, orders 2 and 3) both ways took the same time."""
BROAD_BYTES = 2**31
"""Unless the shared slices would take more memory than this."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Coarse orientations of a search, one row each; sorted by class, direction, psi."""

    class_index: Int[Array, " row"]
    direction: Int[Array, " row"]
    psi: Int[Array, " row"]
    log_prior: Float32[Array, " row"]
    """Relative to the mean prior."""

    def __getitem__(self, rows: slice | Int[Array, " picked"]) -> "Candidates":
        return Candidates(
            self.class_index[rows], self.direction[rows], self.psi[rows], self.log_prior[rows]
        )

    def __len__(self) -> int:
        return len(self.direction)


@dataclass(frozen=True)
class Search:
    """All that a unit needs beyond its own images."""

    plan: SearchPlan
    kernels: Kernels
    model: HalfModel
    references: tuple[FourierReference, ...]
    disc: Disc
    weighting: Weighting
    shifts: Shifts
    scales: SumScales
    candidates: Candidates | None
    """Of a global search; None if each particle has its own."""
    local: LocalGrid | None
    """Priors on orientations; None if there are none."""
    coarse_slices: Float32[Array, "row float"] | None
    """Of ``candidates``: slice and half power of each pixel, side by side; see `coarse_shape`."""
    given_deg: Float[Array, "image 3"] | None = None
    """With fixed angles: rot, tilt, psi of the images at hand. The direction of a candidate is then
    its image."""

    def at(self, angles_deg: Float[Array, "image 3"]) -> "Search":
        """Return the search for some images whose present orientations are these."""
        if not self.plan.sampling.fixed_angles:
            return self
        in_plane = angles_deg * np.array([0.0, 0.0, 1.0])
        return replace(self, given_deg=in_plane if self.plan.sampling.flat else angles_deg)

    @cached_property
    def volumes(self) -> tuple[Volume, ...]:
        """The references as the kernels take them."""
        return tuple(
            Volume(reference.values.reshape(-1).view(np.float32), reference.half)
            for reference in self.references
        )

    @cached_property
    def pixels(self) -> Pixels:
        """Pixels of the fine window."""
        images = self.plan.images
        linear_square = self.plan.interpolation.linear_square(images.geometry.scale)
        return Pixels(
            self.disc.kx.astype(np.float32), self.disc.ky.astype(np.float32), linear_square
        )

    @cached_property
    def coarse_pixels(self) -> Pixels:
        """Pixels of the coarse window."""
        n = self.disc.n_coarse
        return self.pixels._replace(kx=self.pixels.kx[:n].copy(), ky=self.pixels.ky[:n].copy())

    @cached_property
    def scale_of_square(self) -> Float[Array, "square 2"]:
        """Fixed-point scale of a voxel by its squared radius."""
        return scales_of_square(self.scales, self.sphere)

    @property
    def sphere(self) -> PaddedSphere:
        """Frequencies that the reference and the sums hold."""
        return self.references[0].sphere

    @property
    def n_classes(self) -> int:
        """Number of references."""
        return len(self.references)

    @property
    def seed_class(self) -> Int[Array, " particle"] | None:
        """Class that each particle is forced into; None if classes are free."""
        return self.plan.seed_class

    @property
    def searched_classes(self) -> Int[Array, " searched"]:
        """Classes that poses are looked for in: not the empty ones; of equal ones the first."""
        if self.seed_class is not None:
            return np.zeros(1, np.int64)
        return np.flatnonzero(self.model.class_fraction > 0.0)

    @property
    def n_directions(self) -> int:
        """Number of directions of the sampling."""
        return len(direction_pixels(self.plan.sampling)[0])

    @property
    def shapes_of_sums(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the arrays of the sums."""
        directions = self.n_classes, self.n_directions
        volume = self.n_classes, n_touched(self.sphere), 3
        return volume, self.model.noise_variance.shape, directions

    def zero_sums(self) -> ExpectationSums:
        """Return the sums over no particles."""
        return ExpectationSums(*(np.zeros(shape, np.int64) for shape in self.shapes_of_sums))


def make_search(
    model: HalfModel,
    references: tuple[FourierReference, ...],
    plan: SearchPlan,
    kernels: Kernels,
) -> Search:
    """Prepare an iteration of one half-set, all but the coarse slices of a global search.

    Those are ``candidates`` long and are cut by `fill_coarse_slices`, into memory of the caller's
    choice: ``dataclasses.replace(search, coarse_slices=array)``.

    Parameters
    ----------
    model
        Noise, priors, scales.
    references
        One per class, made from the maps of ``model`` for the current size.
    plan
        Sampling, sizes and rules.
    kernels
        Backend.
    """
    disc = make_disc(plan.current_size, plan.coarse_size, plan.images.geometry)
    local = local_grid(plan.sampling) if plan.sampling.prior_sigma_deg is not None else None
    return Search(
        plan=plan,
        kernels=kernels,
        model=model,
        references=references,
        disc=disc,
        weighting=make_weighting(model, plan, disc),
        shifts=make_shifts(plan, disc),
        scales=sum_scales(model, plan.n_particles),
        candidates=None if plan.sampling.fixed_angles else _candidates(model, plan, disc, local),
        local=local,
        coarse_slices=None,
    )


def _candidates(
    model: HalfModel, plan: SearchPlan, disc: Disc, local: LocalGrid | None
) -> Candidates | None:
    """List what all particles search: everything, or nothing if each has its own list."""
    fraction = model.direction_fraction[: 1 if plan.seed_class is not None else None]
    if local is None:
        return _every_orientation(fraction, plan)
    # each particle adds its own priors; those of classes and directions do not count
    fraction = np.ones_like(fraction) * (model.class_fraction[: len(fraction)] > 0.0)[:, None]
    n_bytes = 4 * fraction.size * len(local.psi_deg) * (disc.coarse_width + disc.power_width)
    if allowed_share(local) < BROAD_SHARE or n_bytes > BROAD_BYTES:
        return None
    every = _every_orientation(fraction, plan)
    return replace(every, log_prior=np.zeros_like(every.log_prior))


def _every_orientation(fraction: Float[Array, "class direction"], plan: SearchPlan) -> Candidates:
    """List every class, direction and psi but those of prior zero."""
    n_psi = len(psi_angles_deg(plan.sampling))
    class_index, direction = np.nonzero(fraction > 0.0)
    log_prior = np.log(fraction[class_index, direction] / fraction.mean())
    return Candidates(
        class_index=np.repeat(class_index, n_psi),
        direction=np.repeat(direction, n_psi),
        psi=np.tile(np.arange(n_psi), len(direction)),
        log_prior=np.repeat(log_prior, n_psi).astype(np.float32),
    )
