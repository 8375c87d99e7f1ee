"""Starting maps where none are given: averages of particles in drawn poses, made into blobs."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile

import numpy as np
import scipy.fft
from jaxtyping import Float, Float32
from numpy import ndarray as Array

from halfmap.engine.crew import together
from halfmap.engine.degrees import stretched
from halfmap.engine.expectation import Task, expectation
from halfmap.engine.job import Job
from halfmap.engine.maximisation import sum_up
from halfmap.engine.model_sharing import maps_at_root
from halfmap.engine.node_search import Searches
from halfmap.engine.reduction import reduced
from halfmap.engine.solving import Summed
from halfmap.engine.stopwatch import Stopwatch
from halfmap.model.blobs import blobs_like
from halfmap.model.fourier import low_pass, resolution_shell
from halfmap.model.half_model import HalfModel
from halfmap.model.orientations import direction_pixels
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.particles import Poses
from halfmap.model.reference import FourierReference
from halfmap.model.schedule import Schedule
from halfmap.parallel.collectives import hand_over
from halfmap.parallel.halves import LEADER
from halfmap.parallel.units import Unit
from halfmap.steps.phases import Phases
from halfmap.steps.random_start import drawn_poses, insert_as_drawn
from halfmap.steps.reconstruction import Prior, reconstruction
from halfmap.steps.search import make_search
from halfmap.steps.search_plan import SearchPlan

PARTICLES = 1000
"""So many are averaged, and at least `PER_CLASS` for each class."""
PER_CLASS = 5
EDGE_SHELLS = 2
"""Shells beyond the resolution that the low-pass filter still lets something through."""
Maps = tuple[Float32[Array, "z y x"], ...]


def first_references(
    job: Job, schedule: Schedule, noise: Float[Array, "optics shell"], poses: Poses
) -> tuple[Maps, ...]:
    """Make a starting map for each class, the same for both halves. Collective.

    Parameters
    ----------
    schedule
        Before the first iteration.
    noise
        Of each optics group.
    poses
        As read; their orientations do not count.

    Returns
    -------
    references
        Of each half, on the leader; nothing elsewhere.
    """
    shell = resolution_shell(job.options.initial_lowpass_A, job.box, job.pixel_size_A)
    size = min(job.box, 2 * (shell + EDGE_SHELLS))
    schedule = replace(schedule, current_size=size, coarse_size=size)
    seed, n_classes = job.options.random_seed, job.options.n_classes
    drawn = drawn_poses(poses, n_classes, seed, flat=schedule.sampling.flat)
    found = expectation(
        job,
        drawn,
        _searches(job, schedule, noise),
        schedule,
        Stopwatch(),
        Task("first averages", insert_as_drawn, tuple(_first_units(job))),
    )
    with scipy.fft.set_workers(job.options.n_threads):
        summed = sum_up(job, schedule, found, reduced(job, found))
        averaged = {h: s for h, s in summed.items() if h == 0}
        averages = together(job, {h: (s.crew, _averages(job, s)) for h, s in averaged.items()})
        made = {
            k: _made_of(job, average, k)
            for k, average in averages.get(0, {}).items()
            if k in job.ranks.teams[0].classes(n_classes)
        }
    return _on_leader(job, made, depth=1 if schedule.sampling.flat else job.box)


def _first_units(job: Job) -> Iterator[Unit]:
    """Yield units of the first half until there are particles enough."""
    wanted = max(PARTICLES, PER_CLASS * job.options.n_classes)
    mine = [unit for unit in job.units if unit.half == 0]
    before = np.cumsum([0, *(len(unit.rows) for unit in mine)])
    return (u for u, _ in takewhile(lambda pair: pair[1] < wanted, zip(mine, before, strict=False)))


def _searches(job: Job, schedule: Schedule, noise: Float[Array, "optics shell"]) -> Searches:
    """Prepare the insertion: what a search knows, but references that show nothing."""
    sampling = replace(schedule.sampling, prior_sigma_deg=None, oversampling=0)
    sphere = PaddedSphere(schedule.current_size // 2, job.padding, sampling.flat)
    n_shells, n_classes = job.box // 2 + 1, job.options.n_classes
    nothing = FourierReference(
        values=np.zeros(sphere.shape, np.complex64),
        r_max=sphere.r_max,
        padding=sphere.padding,
        box=job.box,
        power=np.zeros(n_shells),
    )
    model = HalfModel.untrained(
        maps=np.zeros((n_classes, 0, job.box, job.box), np.float32),
        noise_variance=noise,
        data_vs_prior=np.zeros((n_classes, n_shells)),
        offset_sigma_A=job.options.offset_sigma_A,
        counts=(len(direction_pixels(sampling)[0]), len(job.particles.scale_groups)),
    )
    plans = [
        SearchPlan(
            sampling=sampling,
            images=images,
            current_size=schedule.current_size,
            coarse_size=schedule.coarse_size,
            rules=job.search_rules,
            n_particles=len(job.particles),
        )
        for images in job.images
    ]
    made = [make_search(model, (nothing,) * n_classes, p, job.kernels) for p in plans]
    # Nothing is searched: no coarse slices have to be cut.
    made = [replace(search, candidates=None) for search in made]
    of = dict.fromkeys(job.ranks.teams, lambda geometry: made[geometry])
    # In so small a window sums are small, and there is no folder for files of them yet.
    stretch = stretched(job, schedule)
    return Searches(of, stretch._replace(degrees=replace(stretch.degrees, on_disc=False)))


def _averages(job: Job, summed: Summed) -> Phases[dict[int, Float32[Array, "z y x"]]]:
    made = {}
    for k, sums in summed.fourier.items():
        made[k] = yield from reconstruction(sums, job.box, Prior(), empty=summed.crew.empty)
    return made


def _made_of(
    job: Job, average: Float32[Array, "z y x"], class_index: int
) -> Float32[Array, "z y x"]:
    """Filter an average and, unless that is switched off, make blobs of its grey scale."""
    limit_A, pixel_size_A = job.options.initial_lowpass_A, job.pixel_size_A
    filtered = low_pass(average, pixel_size_A, limit_A)
    if job.options.no_initial_blobs:
        return filtered
    rng = np.random.default_rng((job.options.random_seed, class_index))
    diameter_px = job.schedule_rules.particle_diameter_A / pixel_size_A
    return blobs_like(filtered, diameter_px, limit_A / pixel_size_A, rng)


def _on_leader(job: Job, made: dict[int, Float32[Array, "z y x"]], depth: int) -> tuple[Maps, ...]:
    """Bring the maps from their makers to the leader. Collective."""
    ranks, n_classes = job.ranks, job.options.n_classes
    maps = None
    if 0 in ranks.teams:
        maps = maps_at_root(made, n_classes, ranks.teams[0])
    if ranks.world.rank in (ranks.roots[0], LEADER):
        if maps is None:
            maps = np.empty((n_classes, depth, job.box, job.box), np.float32)
        hand_over(maps, ranks.world, ranks.roots[0], LEADER)
    if maps is None or not ranks.leads:
        return ()
    return (tuple(maps),) * ranks.n_halves
