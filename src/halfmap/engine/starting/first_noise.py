"""Noise spectra of images whose poses nobody knows yet, measured by all ranks together."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8
from numpy import ndarray as Array

from halfmap.engine.job import Job
from halfmap.io.stacks import UnreadableError
from halfmap.model.fourier import inverse_2d, transform_2d
from halfmap.model.mask import fill_outside_mean, soft_circle
from halfmap.model.noise import image_spectrum, initial_noise_variance, on_map_grid
from halfmap.parallel.collectives import all_or_none, from_root
from halfmap.parallel.halves import LEADER
from halfmap.steps.faults import UNREADABLE, find_faults
from halfmap.steps.normalisation import Background, background
from halfmap.steps.search_plan import ImageSettings
from halfmap.steps.weighting import detector_factor

IMAGES_AT_ONCE = 32
DEFAULT_IMAGES = 1000
"""Of each optics group; enough for a smooth spectrum."""
_UNREADABLE = np.array([UNREADABLE], np.uint8)


@dataclass(frozen=True, slots=True)
class Measured:
    """Sums over a few images; added up in a fixed order, so that the ranks do not matter."""

    spectra: Float[Array, "optics shell"]
    counts: Int[Array, " optics"]
    total: Float[Array, "y x"]
    """On the grid of the map."""
    rows: Int[Array, " image"]
    fault: UInt8[Array, " image"]
    outside: Background
    """Of all images, NaN for bad ones."""

    @classmethod
    def of_images(cls, job: Job, rows: Int[Array, " image"], settings: ImageSettings) -> "Measured":
        """Measure the good ones of some images of one geometry."""
        images, fault = _read(job, rows, settings)
        outside = background(images, settings.mask_radius_px)
        masked = images[fault == 0].astype(np.float64)
        if settings.zero_mask:
            circle = soft_circle(settings.box, settings.mask_radius_px, settings.mask_edge_px)
            masked = fill_outside_mean(masked, circle)
        group = job.particles.optics_group[rows[fault == 0]]
        detector = detector_factor(settings)
        if detector is not None:
            masked = inverse_2d(transform_2d(masked) * detector[group], settings.box)
        spectra = np.zeros((len(job.optics), job.box // 2 + 1))
        if len(group):
            np.add.at(spectra, group, image_spectrum(masked, settings.geometry))
        return cls(
            spectra=spectra,
            counts=np.bincount(group, minlength=len(job.optics)),
            total=on_map_grid(masked.sum(axis=0), settings.geometry),
            rows=rows,
            fault=fault,
            outside=outside,
        )


def first_noise_variance(job: Job) -> Float[Array, "optics shell"]:
    """Estimate the noise of each optics group from its first images. Collective.

    Both halves together, as RELION does: the poses that could make them dependent are not
    known yet. Warns when the images are not normalised, or bad.

    Raises
    ------
    DataError
        On all ranks, when too many images are bad.
    """
    rows = _first_of_each_group(job)
    blocks = [
        (own[i : i + IMAGES_AT_ONCE], settings)
        for own, settings in job.by_geometry(rows)
        for i in range(0, len(own), IMAGES_AT_ONCE)
    ]
    world = job.ranks.world
    with all_or_none(world, "reading the first images"):
        mine = {
            number: Measured.of_images(job, *blocks[number])
            for number in range(world.rank, len(blocks), world.size)
        }
    gathered = world.gather(mine, root=LEADER) or []
    parts = {number: part for rank in gathered for number, part in rank.items()}
    return from_root(lambda: _conclude(job, [parts[n] for n in sorted(parts)]), world, LEADER)


def _read(
    job: Job, rows: Int[Array, " image"], settings: ImageSettings
) -> tuple[Float32[Array, "image y x"], UInt8[Array, " image"]]:
    """Read images, and say what is wrong with them; those that the disc cannot read are NaN."""
    try:
        images = job.read_images(rows, settings, None)
    except UnreadableError:
        if len(rows) == 1:
            return np.full((1, settings.box, settings.box), np.nan, np.float32), _UNREADABLE
        each = [_read(job, rows[i : i + 1], settings) for i in range(len(rows))]
        images, fault = (np.concatenate(parts) for parts in zip(*each, strict=True))
        return images, fault
    return images, find_faults(images)


def _first_of_each_group(job: Job) -> Int[Array, " image"]:
    """Return the rows to be measured: the first of each optics group, first half first."""
    wanted = job.options.n_noise_particles
    wanted = wanted if wanted > 0 else DEFAULT_IMAGES
    by_half = np.argsort(job.particles.half, kind="stable")
    group = job.particles.optics_group[by_half]
    picked = [by_half[group == g][:wanted] for g in range(len(job.optics))]
    return np.concatenate(picked)


def _conclude(job: Job, parts: list[Measured]) -> Float[Array, "optics shell"]:
    """Judge the images and turn the sums over them into spectra; on the leader."""
    rows, fault = (np.concatenate([getattr(p, name) for p in parts]) for name in ("rows", "fault"))
    job.quarantine.check(rows, fault)
    news = job.quarantine.news()
    if news:
        job.console.warning(news)
    if not job.options.dont_check_norm:
        _judge_normalisation(job, rows, fault, [part.outside for part in parts])
    counts = np.sum([part.counts for part in parts], axis=0)
    mean = np.sum([part.total for part in parts], axis=0) / max(1, counts.sum())
    spectra = np.sum([part.spectra for part in parts], axis=0)
    variance = initial_noise_variance(spectra, counts, mean)
    # A group of which no image was good is expected to be like the others.
    wanted = np.bincount(job.particles.optics_group, minlength=len(counts)) > 0
    if counts.any():
        variance[wanted & (counts == 0)] = variance[counts > 0].mean(axis=0)
    return variance


def _judge_normalisation(
    job: Job,
    rows: Int[Array, " image"],
    fault: UInt8[Array, " image"],
    measured: list[Background],
) -> None:
    """Warn when good images are not normalised, and name the worst."""
    good = fault == 0
    mean, std = (np.concatenate([getattr(m, n) for m in measured])[good] for n in ("mean", "std"))
    outside = Background(mean, std)
    n_off = int(np.count_nonzero(~outside.is_normalised))
    if n_off == 0:
        return
    worst = int(np.argmax(outside.distance))
    job.console.warning(
        f"{n_off} of the first {len(mean)} images are not normalised: mean and standard deviation "
        f"outside the particle circle are {np.median(mean):.3g} and {np.median(std):.3g} in the "
        f"median, {mean[worst]:.3g} and {std[worst]:.3g} in the worst, "
        f"{job.particles.name(rows[good][worst])}; expected 0 and 1. The noise and the grey scale "
        "of the map will be wrong. --normalise repairs the images when they are read, "
        "--dont_check_norm accepts them"
    )
