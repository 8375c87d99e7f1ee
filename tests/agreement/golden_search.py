"""The search of an iteration of the golden runs, as their command lines describe it."""

from dataclasses import replace

import numpy as np

from halfmap.kernels.registry import make_kernels
from halfmap.model.ctf import PLAIN_CTF
from halfmap.model.geometry import ImageGeometry
from halfmap.model.half_model import HalfModel
from halfmap.model.particles import Particles
from halfmap.model.reference import FourierReference
from halfmap.model.sampling import Sampling
from halfmap.steps.search import Search, make_search
from halfmap.steps.search_plan import ImageSettings, SearchPlan, SearchRules
from halfmap.steps.slices import coarse_shape, fill_coarse_slices

BOX, PIXEL_A, DIAMETER_A = 64, 5.0, 290.0


def golden_search(
    model: HalfModel,
    references: tuple[FourierReference, ...],
    particles: Particles,
    sizes: tuple[int, int],
    how: tuple[Sampling, SearchRules],
) -> Search:
    """Make a search with these windows (fine and coarse), and cut its coarse slices."""
    images = ImageSettings(
        geometry=ImageGeometry.plain(BOX, PIXEL_A),
        optics=particles.optics,
        ctf=PLAIN_CTF,
        mask_radius_px=DIAMETER_A / (2.0 * PIXEL_A),
        mask_edge_px=5.0,
        zero_mask=True,
        seed=1,
        do_norm=True,
        do_scale=True,
    )
    sampling, rules = how
    plan = SearchPlan(sampling, images, *sizes, rules, len(particles))
    search = make_search(model, references, plan, make_kernels())
    slices = np.empty(coarse_shape(search), np.float32)
    fill_coarse_slices(search, slices, slice(0, len(slices)))
    return replace(search, coarse_slices=slices)
