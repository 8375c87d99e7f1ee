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
from halfmap.model.disc import Disc, make_disc, row_width
from halfmap.model.exact import SumScales, scales_of_square, sum_scales
from halfmap.model.half_model import HalfModel
from halfmap.model.local_orientations import LocalGrid, allowed_share, local_grid
from halfmap.model.orientations import (
    child_angles_deg,
    direction_pixels,
    perturbed_matrices,
    psi_angles_deg,
)
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.reference import FourierReference
from halfmap.model.rotations import euler_matrices
from halfmap.model.sums import ExpectationSums
from halfmap.steps.search_plan import ImageSettings, SearchPlan, SearchRules
from halfmap.steps.shifts import Shifts, make_shifts
from halfmap.steps.weighting import Weighting, make_weighting

BROAD_SHARE = 0.5
"""Priors that allow more of all orientations than this are searched globally, with slices that all
particles share. About here (64 px, 60 particles, orders 2 and 3) both ways took the same time."""
BROAD_BYTES = 2**31
"""Unless the shared slices would take more memory than this."""

__all__ = [
    "Candidates",
    "ImageSettings",
    "Search",
    "SearchPlan",
    "SearchRules",
    "child_axes",
    "child_matrices",
    "coarse_axes",
    "coarse_shape",
    "fill_coarse_slices",
    "make_search",
    "power_width",
    "project_classes",
    "slice_axes",
]


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

    def zero_sums(self) -> ExpectationSums:
        """Return the sums over no particles."""
        shape = self.model.noise_variance.shape
        n_voxels = int(np.prod(self.sphere.shape))
        return ExpectationSums.zeros(
            self.n_classes, n_voxels, (shape[0], shape[1]), self.n_directions
        )


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
    n_bytes = 4 * fraction.size * len(local.psi_deg) * (disc.coarse_width + power_width(disc))
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


def coarse_shape(search: Search) -> tuple[int, int]:
    """Return the shape of the coarse slices; (0, ...) for a local search, which has none."""
    rows = 0 if search.candidates is None else len(search.candidates)
    return rows, search.disc.coarse_width + power_width(search.disc)


def power_width(disc: Disc) -> int:
    """Return the number of floats that the power of the coarse pixels takes, padded."""
    return row_width(-(-disc.n_coarse // 2))


def fill_coarse_slices(search: Search, out: Float32[Array, "row float"], block: slice) -> None:
    """Cut the slices of some rows of the coarse grid.

    Parameters
    ----------
    search
        Of `make_search`.
    out
        Of shape `coarse_shape`, perhaps shared.
    block
        Rows to fill.
    """
    if search.candidates is None:
        return
    rows = search.candidates[block]
    width = search.disc.coarse_width
    own = out[block]
    axes = coarse_axes(search, rows)
    project_classes(search, rows.class_index, axes, (search.coarse_pixels, own[:, :width]))
    search.kernels.half_power(own[:, :width], own[:, width:])


def project_classes(
    search: Search,
    class_index: Int[Array, " slice"],
    axes: Float32[Array, "slice 6"],
    into: tuple[Pixels, Float32[Array, "slice width"]],
) -> None:
    """Cut slices of several classes (sorted by class) at some pixels."""
    pixels, out = into
    ends = np.searchsorted(class_index, np.arange(search.n_classes + 1))
    for volume, first, last in zip(search.volumes, ends[:-1], ends[1:], strict=True):
        if last > first:
            search.kernels.project(volume, axes[first:last], pixels, out[first:last])


def coarse_axes(search: Search, rows: Candidates) -> Float32[Array, "row 6"]:
    """Return where kx and ky of each coarse slice point, in padded voxels."""
    sampling = search.plan.sampling
    if search.given_deg is not None:
        return slice_axes(search, euler_matrices(search.given_deg[rows.direction]))
    _, directions = direction_pixels(sampling)
    psi = psi_angles_deg(sampling)[rows.psi]
    angles = np.column_stack([directions[rows.direction], psi])
    return slice_axes(search, perturbed_matrices(angles, sampling))


def child_matrices(search: Search, rows: Candidates) -> Float[Array, "row child 3 3"]:
    """Return the orientations below each coarse one, as perturbed matrices."""
    sampling = search.plan.sampling
    if search.given_deg is not None:
        return euler_matrices(search.given_deg[rows.direction])[:, None]
    pixel, _ = direction_pixels(sampling)
    psi = psi_angles_deg(sampling)[rows.psi]
    return perturbed_matrices(child_angles_deg(sampling, pixel[rows.direction], psi), sampling)


def child_axes(search: Search, rows: Candidates) -> Float32[Array, "row child 6"]:
    """Return where kx and ky of the slices below each coarse one point, in padded voxels."""
    return slice_axes(search, child_matrices(search, rows))


def slice_axes(search: Search, matrices: Float[Array, "*pose 3 3"]) -> Float32[Array, "*pose 6"]:
    """Return where kx and ky of slices point, in padded voxels."""
    # K = padding * A^T (to_model k): the rows say where kx and ky of the image point.
    to_padded = search.plan.images.geometry.to_model * search.references[0].padding
    rows = np.einsum("ij,...ik->...jk", to_padded, matrices[..., :2, :])
    return np.asarray(rows.reshape(*matrices.shape[:-2], 6).astype(np.float32))
