"""What is done to a map in real space between its reconstruction and the next iteration.

Two ordered lists of pure steps, of which the first shapes the map and the second flattens its
solvent: a new one is a line in `shaping_steps` or `flattening_steps`. Each takes and returns
one map of one class, so that no step can see another half. The maps of the last iteration, of
all particles, are left as they were reconstructed.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from jaxtyping import Float32
from numpy import ndarray as Array

from halfmap.engine.job import Job
from halfmap.engine.starting.map_masks import MapMasks
from halfmap.io.local_symmetry_star import read_region_mask
from halfmap.model.fourier import low_pass
from halfmap.model.schedule import Schedule
from halfmap.steps.centring import centred
from halfmap.steps.local_symmetry import symmetrise_locally
from halfmap.steps.solvent import flatten, flatten_but_low_pass, level

Volume = Float32[Array, "z y x"]
Step = Callable[[Volume], Volume]


def finished(volume: Volume, steps: Iterable[Step]) -> Volume:
    """Return a map after some steps."""
    for step in steps:
        volume = step(volume)
    return volume


def shaping_steps(job: Job, schedule: Schedule) -> Iterator[Step]:
    """Yield what is to be done to each map before its solvent is flattened, in this order."""
    options = job.options
    if job.filters_again(schedule.iteration):
        yield partial(
            low_pass, pixel_size_A=job.pixel_size_A, resolution_A=options.initial_lowpass_A
        )
    if schedule.converged:
        return
    if job.of_map.local_symmetry:
        yield partial(_symmetrise_locally, job)
    is_last = schedule.iteration >= options.last_iteration  # its offsets stay, and so does its map
    if options.center_classes and job.ranks.n_halves == 1 and not is_last:
        yield partial(centred, max_shift_px=options.offset_range_px)


def flattening_steps(job: Job, schedule: Schedule) -> Iterator[Step]:
    """Yield what is to be done to each map to flatten its solvent, in this order."""
    options = job.options
    if options.flatten_solvent and not schedule.converged:
        yield from _flattening(job.masks, job.pixel_size_A, options.lowpass_mask_resolution_A)


def _symmetrise_locally(job: Job, volume: Volume) -> Volume:
    regions = (
        (read_region_mask(region.mask_file, job.box), region.operators)
        for region in job.of_map.local_symmetry
    )
    return symmetrise_locally(volume, regions, job.pixel_size_A)


def _flattening(masks: MapMasks, pixel_size_A: float, resolution_A: float) -> Iterator[Step]:
    assert masks.solvent is not None
    if masks.low_pass is None:
        yield partial(flatten, mask=masks.solvent)
    else:
        yield partial(
            flatten_but_low_pass,
            mask=masks.solvent,
            region=masks.low_pass,
            pixel_size_A=pixel_size_A,
            resolution_A=resolution_A,
        )
    if masks.levelled is not None:
        yield partial(level, region=masks.levelled)
