"""The translations of a search, as phase ramps."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray as Array

from halfmap.model.disc import Disc, phase_ramps
from halfmap.model.orientations import child_translations_A, perturbation_shift_A, translations_A
from halfmap.steps.search_plan import SearchPlan


@dataclass(frozen=True, slots=True)
class Shifts:
    """Translations of the search and their phase ramps; the same for every particle."""

    coarse_A: Float[Array, "shift 2"]
    """Without the perturbation: where the prior is evaluated."""
    fine_A: Float[Array, "shift child 2"]
    """With the perturbation."""
    coarse_ramps: Float32[Array, "shift coarse_width"]
    fine_ramps: Float32[Array, "shift child width"]


def make_shifts(plan: SearchPlan, disc: Disc) -> Shifts:
    """Prepare the translations of an iteration."""
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
