"""Noise spectra of images whose poses nobody knows yet, measured by all ranks together."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.engine.job import Job
from halfmap.model.mask import fill_outside_mean, soft_circle
from halfmap.model.noise import image_spectrum, initial_noise_variance
from halfmap.parallel.collectives import all_or_none, share
from halfmap.parallel.halves import LEADER
from halfmap.steps.normalisation import background

IMAGES_AT_ONCE = 32
DEFAULT_IMAGES = 1000
"""Of each optics group; enough for a smooth spectrum."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Sums over a few images; added up in a fixed order, so that the ranks do not matter."""

    spectra: Float[Array, "optics shell"]
    counts: Int[Array, " optics"]
    total: Float[Array, "y x"]
    background_mean: Float[Array, " image"]
    background_std: Float[Array, " image"]
    n_off_scale: int

    @classmethod
    def of_images(cls, job: Job, rows: Int[Array, " image"]) -> "Measured":
        """Measure the good ones of some images."""
        images = job.read_images(rows)
        good = np.isfinite(images).all(axis=(1, 2)) & (np.ptp(images, axis=(1, 2)) > 0.0)
        images, rows = images[good], rows[good]
        outside = background(images, job.images.mask_radius_px)
        masked = images.astype(np.float64)
        if job.images.zero_mask:
            settings = job.images
            circle = soft_circle(job.box, settings.mask_radius_px, settings.mask_edge_px)
            masked = fill_outside_mean(masked, circle)
        group = job.particles.optics_group[rows]
        spectra = np.zeros((len(job.optics), job.box // 2 + 1))
        np.add.at(spectra, group, image_spectrum(masked))
        return cls(
            spectra=spectra,
            counts=np.bincount(group, minlength=len(job.optics)),
            total=masked.sum(axis=0),
            background_mean=outside.mean,
            background_std=outside.std,
            n_off_scale=int(np.count_nonzero(~outside.is_normalised)),
        )


def first_noise_variance(job: Job) -> Float[Array, "optics shell"]:
    """Estimate the noise of each optics group from its first images. Collective.

    Both halves together, as RELION does: the poses that could make them dependent are not
    known yet. Warns when the images are not normalised.
    """
    rows = _first_of_each_group(job)
    blocks = [rows[i : i + IMAGES_AT_ONCE] for i in range(0, len(rows), IMAGES_AT_ONCE)]
    world = job.ranks.world
    with all_or_none(world, "reading the first images"):
        mine = {
            number: Measured.of_images(job, blocks[number])
            for number in range(world.rank, len(blocks), world.size)
        }
    gathered = world.gather(mine, root=LEADER)
    variance = None
    if gathered is not None:
        parts = {number: part for rank in gathered for number, part in rank.items()}
        ordered = [parts[number] for number in sorted(parts)]
        _judge_normalisation(job, ordered)
        counts = np.sum([part.counts for part in ordered], axis=0)
        mean = np.sum([part.total for part in ordered], axis=0) / max(1, counts.sum())
        spectra = np.sum([part.spectra for part in ordered], axis=0)
        variance = initial_noise_variance(spectra, counts, mean)
    return share(variance, world, LEADER)


def _first_of_each_group(job: Job) -> Int[Array, " image"]:
    """Return the rows to be measured: the first of each optics group, first half first."""
    wanted = job.options.n_noise_particles
    wanted = wanted if wanted > 0 else DEFAULT_IMAGES
    by_half = np.argsort(job.particles.half, kind="stable")
    group = job.particles.optics_group[by_half]
    picked = [by_half[group == g][:wanted] for g in range(len(job.optics))]
    return np.concatenate(picked)


def _judge_normalisation(job: Job, parts: list[Measured]) -> None:
    n_off, n = sum(p.n_off_scale for p in parts), sum(len(p.background_mean) for p in parts)
    if job.options.dont_check_norm or n_off == 0:
        return
    mean = np.median(np.concatenate([p.background_mean for p in parts]))
    std = np.median(np.concatenate([p.background_std for p in parts]))
    job.console.warning(
        f"{n_off} of the first {n} images are not normalised: outside the particle circle their "
        f"median mean is {mean:.3g} and their median standard deviation {std:.3g}, expected 0 and "
        "1. The noise and the grey scale of the map will be wrong; --normalise repairs the images "
        "when they are read, --dont_check_norm accepts them"
    )
