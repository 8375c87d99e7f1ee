"""Maps and images as a later iteration will see them, for trials of its expectation.

The maps of later iterations do not exist yet. In their place stand maps of white noise within the
particle, with the power that the maps are expected to have: that of the first maps as far as these
go and, beyond, falling evenly on the logarithmic scale to what just equals the noise at the
expected resolution. Images are projections of them, with the CTF of real particles and noise of the
spectra that were measured. So the posterior becomes as narrow as can be expected. (Real images
would not do: at low resolution there is a particle in them, which is none of these maps.)

The box of such a map is the Fourier window: frequencies are counted in 1 / length of the box, so a
coarser grid changes nothing of what is held of the transform.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Complex64, Float, Float32, Int
from numpy import ndarray as Array

from halfmap.engine.job import Job
from halfmap.engine.planning.scenario import expected_shell
from halfmap.model.disc import Disc, make_disc, plane_index
from halfmap.model.fourier import (
    centring_signs,
    frequencies_2d,
    inverse_2d,
    inverse_3d,
    shells_3d,
    transform_3d,
)
from halfmap.model.half_model import HalfModel
from halfmap.model.mask import soft_sphere
from halfmap.model.padded_ctf import image_ctf
from halfmap.model.particles import Poses
from halfmap.model.reference import FourierReference
from halfmap.model.rotations import euler_angles, euler_matrices
from halfmap.model.schedule import Schedule
from halfmap.steps.references import fourier_reference
from halfmap.steps.search import Search
from halfmap.steps.search_plan import ImageSettings
from halfmap.steps.slices import child_matrices, project_classes, slice_axes

MEAN_CTF_POWER = 0.5
STRONGEST = 100.0
"""Power of the signal of one image over that of the noise, at most: a map may be on any scale."""
MASK_EDGE_SHARE = 0.05
STEEP = 4.0
"""A filter makes the power of a map fall so many times as fast as it does by itself."""
LEAST_NOISE = 0.5
"""Of the first estimate: the rest may be signal."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Where planted particles are."""

    class_index: Int[Array, " image"]
    axes: Float32[Array, "image 6"]
    angles_deg: Float[Array, "image 3"]
    shift_A: Float[Array, "image 2"]


def expected_power(job: Job, model: HalfModel, schedule: Schedule) -> Float[Array, " shell"]:
    """Return the power of the signal (tau2) that the final maps are expected to have.

    Parameters
    ----------
    schedule
        Before the first iteration that is expected.
    """
    last = expected_shell(job, schedule)
    noise = _mean_noise(job, model)
    shells = np.arange(len(noise))
    n_half = len(job.particles) / job.ranks.n_halves / job.options.n_classes
    spread = np.maximum(1.0, 2.0 * shells * (not job.flat))
    final = noise[last] * spread[last] / max(1.0, MEAN_CTF_POWER * n_half)
    known = model.signal_variance.mean(axis=0)
    first = min(last - 1, schedule.resolution_shell)
    if schedule.iteration == 0:
        first = _last_unfiltered(known[: first + 1], (last, final))
    begin = min(max(known[first], final), STRONGEST * noise[first])
    slope = (np.log(final) - np.log(begin)) / max(1, last - first)
    beyond = np.exp(np.log(begin) + slope * (shells - first))
    power = np.where((shells <= first) & (known > 0.0), known, beyond)
    return np.asarray(np.minimum(power, STRONGEST * np.where(noise > 0.0, noise, np.inf)))


def _last_unfiltered(known: Float[Array, " shell"], end: tuple[int, float]) -> int:
    """Return the last shell before the power falls as it does in a filter.

    There it falls `STEEP` times as fast as from that shell on to the ``end``: shell and power.
    """
    last, final = end
    falls = np.log(np.maximum(known, np.finfo(np.float64).tiny))
    shell = len(known) - 1
    while shell > 1:
        later = (falls[shell] - np.log(final)) / (last - shell)
        if falls[shell - 1] - falls[shell] <= STEEP * later:
            break
        shell -= 1
    return shell


def expected_model(
    job: Job, model: HalfModel, power: Float[Array, " shell"], rows: Int[Array, " row"]
) -> HalfModel:
    """Return the model with the noise of later iterations: the first estimate has the signal in it.

    Parameters
    ----------
    power
        Of `expected_power`.
    rows
        Some particles of one geometry.
    """
    signal = _lens_power(job, rows) * power / job.pixel_share
    noise = model.noise_variance
    return replace(model, noise_variance=np.maximum(noise - signal, LEAST_NOISE * noise))


def _lens_power(job: Job, rows: Int[Array, " row"]) -> Float[Array, " shell"]:
    """Return the mean CTF² of some particles in each shell of the map."""
    (rows, images), *_ = job.by_geometry(rows)
    disc = make_disc(job.box, job.box, images.geometry)
    power = np.mean(_lens(rows, job, (disc, images)) ** 2, axis=0)
    counts = np.bincount(disc.shell, minlength=job.box // 2 + 1)
    return np.bincount(disc.shell, power, minlength=len(counts)) / np.maximum(counts, 1)


def _mean_noise(job: Job, model: HalfModel) -> Float[Array, " shell"]:
    """Return the noise of an image on the grid of the map, over the optics groups that are used."""
    noise = model.noise_variance * job.pixel_share
    used = noise[noise.sum(axis=1) > 0.0]
    return np.asarray(used.mean(axis=0) if len(used) else np.ones(noise.shape[1]))


def expected_references(
    job: Job, power: Float[Array, " shell"], schedule: Schedule, size: int
) -> tuple[FourierReference, ...]:
    """Return one unlike the other for each class, up to the present resolution.

    Parameters
    ----------
    power
        Of `expected_power`.
    schedule
        Of the iteration; its resolution is that of the maps that it begins with.
    size
        Window, px.
    """
    shells = shells_3d(size, flat=job.flat)
    seen = np.arange(size // 2 + 1) <= schedule.resolution_shell
    diameter_px = job.schedule_rules.particle_diameter_A / (job.box * job.pixel_size_A) * size
    edge = MASK_EDGE_SHARE * size
    inside = 1.0 - soft_sphere(size, diameter_px / 2.0 - edge, edge, flat=job.flat)
    references = []
    for k in range(job.options.n_classes):
        rng = np.random.default_rng((k, size))
        white = rng.standard_normal(inside.shape) * inside
        shown = fourier_reference(white, size, job.padding, job.interpolation).power
        wanted = np.where(seen, power[: len(shown)], 0.0)
        factor = np.sqrt(np.divide(wanted, shown, out=np.zeros_like(shown), where=shown > 0.0))
        factor = np.append(factor, 0.0)
        filtered = transform_3d(white) * factor[np.minimum(shells, len(shown))]
        volume = inverse_3d(filtered, size).astype(np.float32)
        references.append(fourier_reference(volume, size, job.padding, job.interpolation))
    return tuple(references)


def drawn_truth(search: Search, n: int, poses: Poses, rng: np.random.Generator) -> Truth:
    """Draw where the particles are: on the grid of the search, shifted by a step at most."""
    reach = search.plan.sampling.offset_step_A
    shift_A = rng.uniform(-reach, reach, (n, 2))
    if search.candidates is None:  # each near its own pose: these are drawn
        angles = drawn_angles(n, rng, flat=search.plan.sampling.flat)
        classes = rng.integers(0, search.n_classes, n)
        if search.plan.sampling.fixed_angles:
            angles = poses.angles_deg
        axes = slice_axes(search, euler_matrices(angles))
        return Truth(classes, axes, angles, shift_A)
    rows = search.candidates[rng.integers(0, len(search.candidates), n)]
    children = child_matrices(search, rows)
    matrices = children[np.arange(n), rng.integers(0, children.shape[1], n)]
    axes = slice_axes(search, matrices)
    return Truth(rows.class_index, axes, euler_angles(matrices), shift_A)


def drawn_angles(n: int, rng: np.random.Generator, *, flat: bool) -> Float[Array, "image 3"]:
    """Draw orientations; of 2D references psi alone."""
    rot, psi = rng.uniform(-180.0, 180.0, (2, n))
    tilt = np.rad2deg(np.arccos(rng.uniform(-1.0, 1.0, n)))
    return np.column_stack([rot * (not flat), tilt * (not flat), psi])


def planted(
    rows: Int[Array, " image"],
    truth: Truth,
    job: Job,
    search: Search,
) -> Float32[Array, "image y x"]:
    """Return images that show a search's references, in noise."""
    box, disc = search.plan.images.box, search.disc
    order = np.argsort(truth.class_index, kind="stable")
    cut = np.zeros((len(rows), disc.width), np.float32)
    project_classes(search, truth.class_index[order], truth.axes[order], (search.pixels, cut))
    listed = np.empty((len(rows), len(disc)), np.complex64)
    listed[order] = cut.view(np.complex64)[:, : len(disc)]
    listed *= _lens(rows, job, (disc, search.plan.images))
    turns = truth.shift_A / search.plan.images.pixel_size_A / box @ np.stack([disc.kx, disc.ky])
    listed *= np.exp(2j * np.pi * turns)
    flat = np.zeros((len(rows), box * (box // 2 + 1)), np.complex64)
    flat[:, plane_index(disc, box)] = listed
    planes = flat.reshape(len(rows), box, box // 2 + 1)
    mates = np.arange(1, box // 2)
    planes[:, -mates, 0] = planes[:, mates, 0].conj()
    ky, _ = frequencies_2d(box)
    planes = planes * centring_signs(ky.shape) + _noise(rows, job, search)
    return inverse_2d(planes, box).astype(np.float32)


def _noise(
    rows: Int[Array, " image"], job: Job, search: Search
) -> Complex64[Array, "image y half"]:
    """Draw the transform of noise as the model knows it for the optics group of each image."""
    geometry = search.plan.images.geometry
    shells = np.minimum(geometry.model_shells(), search.model.noise_variance.shape[1] - 1)
    variance = search.model.noise_variance[job.particles.optics_group[rows]]
    deviation = np.sqrt(variance * geometry.power_per_pixel).astype(np.float32)
    rng = np.random.default_rng(len(rows))
    parts = rng.standard_normal((2, len(rows), *shells.shape), dtype=np.float32)
    return np.asarray((parts[0] + 1j * parts[1]) * deviation[:, shells], np.complex64)


def _lens(
    rows: Int[Array, " image"], job: Job, where: tuple[Disc, ImageSettings]
) -> Float[Array, "image pixel"]:
    """Return the CTF of some images of a geometry at the pixels of a disc."""
    disc, settings = where
    factors = np.ones((len(rows), len(disc)))
    if settings.ctf is None:
        return factors
    group = job.particles.optics_group[rows]
    for number in np.unique(group):
        own = np.flatnonzero(group == number)
        defocus, optics = job.particles.defocus[rows[own]], settings.optics[number]
        factors[own] = image_ctf(disc.kx, disc.ky, defocus, optics, settings.ctf)
    return factors
