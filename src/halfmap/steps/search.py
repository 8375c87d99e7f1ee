"""What all units of a half-set share in one iteration: slices, grids, phase ramps, priors.

Built identically on every rank of the half. The slices of a global coarse search are by far
the largest part; they may live in memory that the ranks of a node share.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray as Array

from halfmap.kernels.protocol import Kernels, Pixels, PlaneLayout, Volume
from halfmap.model.ctf import CtfOptions
from halfmap.model.disc import (
    Disc,
    counted_shells,
    make_disc,
    phase_ramps,
    plane_index,
    row_width,
)
from halfmap.model.exact import SumScales, scales_of_square, sum_scales
from halfmap.model.half_model import HalfModel
from halfmap.model.mask import soft_circle
from halfmap.model.optics import Optics
from halfmap.model.orientations import (
    LocalGrid,
    child_angles_deg,
    child_translations_A,
    direction_pixels,
    local_grid,
    perturbation_shift_A,
    perturbed_matrices,
    psi_angles_deg,
    translations_A,
)
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.reference import FourierReference
from halfmap.model.sampling import Sampling
from halfmap.model.sums import ExpectationSums

SCALE_DATA_VS_PRIOR = 3.0
"""Intensity scales are measured where the map is at least so much stronger than its noise."""
SCALE_RANGE = (1e-3, 1e4)
"""Group scales are kept in this range."""


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """How images are prepared; the same in all iterations."""

    box: int
    pixel_size_A: float
    optics: tuple[Optics, ...]
    ctf: CtfOptions | None
    """None: there is no CTF, it is 1 everywhere."""
    mask_radius_px: float
    mask_edge_px: float
    zero_mask: bool
    """Fill the outside with its own mean; otherwise with noise."""
    seed: int
    """Of the noise fill, together with the particle's row."""
    do_norm: bool
    do_scale: bool


@dataclass(frozen=True, slots=True)
class SearchRules:
    """What counts as significant, and how images are compared."""

    adaptive_fraction: float = 0.999
    """Part of the posterior that the significant states must exceed together."""
    max_significant: int = -1
    """At most so many coarse states are significant; not limited if not positive."""
    cross_correlation: bool = False
    """Take the single state of best normalised correlation; no noise model, no priors."""
    single_precision_sums: bool = False
    """Only for tests: find the threshold from running sums in single precision, as RELION does."""


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """Everything about a search that is not the model."""

    sampling: Sampling
    images: ImageSettings
    current_size: int
    coarse_size: int
    rules: SearchRules
    n_particles: int
    """Of the whole run, both halves: the sums must have room for all of them."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Coarse orientations of a search, one row each; sorted by class, direction, psi."""

    class_index: Int[Array, " row"]
    direction: Int[Array, " row"]
    psi: Int[Array, " row"]
    log_prior: Float32[Array, " row"]
    """Relative to the mean prior."""

    def __getitem__(self, rows: object) -> "Candidates":
        return Candidates(
            self.class_index[rows], self.direction[rows], self.psi[rows], self.log_prior[rows]
        )

    def __len__(self) -> int:
        return len(self.direction)


@dataclass(frozen=True, slots=True)
class Shifts:
    """Translations of the search and their phase ramps; the same for every particle."""

    coarse_A: Float[Array, "shift 2"]
    """Without the perturbation: where the prior is evaluated."""
    fine_A: Float[Array, "shift child 2"]
    """With the perturbation."""
    coarse_ramps: Float32[Array, "shift coarse_width"]
    fine_ramps: Float32[Array, "shift child width"]


@dataclass(frozen=True, slots=True)
class Weighting:
    """What turns images into `Spectra`."""

    layout: PlaneLayout
    background: Float32[Array, "y x"]
    precision: Float32[Array, "optics pixel"]
    """1/sigma2 at each pixel; 0 where the noise is unknown."""
    shell_precision: Float[Array, "optics shell"]
    log_normalisation: Float[Array, " optics"]
    """Sum of log(2π sigma2) over the pixels of the likelihood."""
    group_scale: Float[Array, " group"]
    scale_shells: Float[Array, "class shell"]
    """1 where the scale is measured, else 0."""


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
    coarse_slices: Float32[Array, "row float"] | None
    """Of ``candidates``: slice and half power of each pixel, side by side; see `coarse_shape`."""

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
        return Pixels(self.disc.kx.astype(np.float32), self.disc.ky.astype(np.float32))

    @cached_property
    def coarse_pixels(self) -> Pixels:
        """Pixels of the coarse window."""
        n = self.disc.n_coarse
        return Pixels(self.pixels.kx[:n].copy(), self.pixels.ky[:n].copy())

    @cached_property
    def scale_of_square(self) -> Float[Array, "square 2"]:
        """Fixed-point scale of a voxel by its squared radius."""
        return scales_of_square(self.scales, self.sphere)

    @property
    def sphere(self) -> PaddedSphere:
        """Frequencies that the reference and the sums hold."""
        return PaddedSphere(self.references[0].r_max, self.references[0].padding)

    @property
    def n_classes(self) -> int:
        """Number of references."""
        return len(self.references)

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
    choice: ``dataclasses.replace(search, coarse_slices=array)``; or see `with_coarse_slices`.

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
    disc = make_disc(plan.current_size, plan.coarse_size)
    is_local = plan.sampling.prior_sigma_deg is not None
    return Search(
        plan=plan,
        kernels=kernels,
        model=model,
        references=references,
        disc=disc,
        weighting=_weighting(model, plan, disc),
        shifts=_shifts(plan, disc),
        scales=sum_scales(model, plan.n_particles),
        candidates=None if is_local else _global_candidates(model, plan),
        local=local_grid(plan.sampling) if is_local else None,
        coarse_slices=None,
    )


def _weighting(model: HalfModel, plan: SearchPlan, disc: Disc) -> Weighting:
    images, box = plan.images, plan.images.box
    variance = model.noise_variance
    precision = np.divide(1.0, variance, out=np.zeros_like(variance), where=variance > 0.0)
    index = plane_index(disc, box)
    parity = (index // (box // 2 + 1) + index % (box // 2 + 1)) % 2
    shells = counted_shells(plan.current_size, box)
    counts = np.bincount(shells[shells >= 0], minlength=box // 2 + 1)
    counts[0] = 0
    counts[plan.current_size // 2 + 1 :] = 0
    known = np.where(variance > 0.0, variance, 1.0 / (2.0 * np.pi))
    scale = model.group_scale if images.do_scale else np.ones_like(model.group_scale)
    return Weighting(
        layout=PlaneLayout(
            index=index,
            sign=((1.0 - 2.0 * parity) / box**2).astype(np.float32),
            shell=shells.ravel().astype(np.int32),
            n_shells=box // 2 + 1,
        ),
        background=soft_circle(box, images.mask_radius_px, images.mask_edge_px).astype(np.float32),
        precision=precision[:, disc.shell].astype(np.float32),
        shell_precision=precision,
        log_normalisation=np.log(2.0 * np.pi * known) @ counts,
        group_scale=np.clip(scale, *SCALE_RANGE),
        scale_shells=(model.data_vs_prior > SCALE_DATA_VS_PRIOR).astype(np.float64),
    )


def _shifts(plan: SearchPlan, disc: Disc) -> Shifts:
    sampling, images = plan.sampling, plan.images
    coarse = translations_A(sampling)
    moved = perturbation_shift_A(sampling)
    fine = child_translations_A(sampling) + moved
    ramps = phase_ramps(disc, fine.reshape(-1, 2) / images.pixel_size_A, images.box)
    coarse_ramps = phase_ramps(disc, (coarse + moved) / images.pixel_size_A, images.box)
    return Shifts(
        coarse_A=coarse,
        fine_A=fine,
        coarse_ramps=first_pixels(coarse_ramps, disc),
        fine_ramps=ramps.reshape(*fine.shape[:2], -1),
    )


def first_pixels(rows: Float32[Array, "*row width"], disc: Disc) -> Array:
    """Return the coarse part of interleaved rows, padded with zeros."""
    coarse = np.zeros((*rows.shape[:-1], disc.coarse_width), np.float32)
    coarse[..., : 2 * disc.n_coarse] = rows[..., : 2 * disc.n_coarse]
    return coarse


def _global_candidates(model: HalfModel, plan: SearchPlan) -> Candidates:
    """List every class, direction and psi but those of prior zero."""
    fraction = model.direction_fraction
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
    _, directions = direction_pixels(sampling)
    psi = psi_angles_deg(sampling)[rows.psi]
    angles = np.column_stack([directions[rows.direction], psi])
    return _axes(search, perturbed_matrices(angles, sampling))


def child_matrices(search: Search, rows: Candidates) -> Float[Array, "row child 3 3"]:
    """Return the orientations below each coarse one, as perturbed matrices."""
    sampling = search.plan.sampling
    pixel, _ = direction_pixels(sampling)
    psi = psi_angles_deg(sampling)[rows.psi]
    return perturbed_matrices(child_angles_deg(sampling, pixel[rows.direction], psi), sampling)


def child_axes(search: Search, rows: Candidates) -> Float32[Array, "row child 6"]:
    """Return where kx and ky of the slices below each coarse one point, in padded voxels."""
    return _axes(search, child_matrices(search, rows))


def _axes(search: Search, matrices: Float[Array, "*pose 3 3"]) -> Array:
    rows = matrices[..., :2, :] * search.references[0].padding
    return rows.reshape(*matrices.shape[:-2], 6).astype(np.float32)
