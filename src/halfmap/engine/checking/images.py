"""Every image of a set: bad ones, those that are not normalised, outliers; and a mended stack."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8
from numpy import ndarray as Array

from halfmap.engine.checking.findings import Finding, Severity
from halfmap.engine.quarantine import REASONS
from halfmap.errors import DataError
from halfmap.io.stack_writer import stack_writer
from halfmap.io.stacks import ImageSource
from halfmap.model.particles import Particles
from halfmap.steps.faults import find_faults
from halfmap.steps.normalisation import Background, background, normalised

_BATCH = 64
_CIRCLE = 0.75
"""Diameter of the particle in boxes, where nobody says it; RELION's extraction takes it."""
UNREADABLE = 255
_HOT = 12.0
"""Standard deviations of the background; noise of 10^12 pixels has none beyond 7."""
_FAR = 8.0
_DARK = 5.0
"""Standard errors of the mean contrast."""

Rows = Callable[[Array], tuple[int, ...]]
"""Rows of the file of some particles."""


@dataclass(frozen=True, slots=True)
class ImageStatistics:
    """What was measured, one row a particle."""

    fault: UInt8[Array, " particle"]
    """0, or what is wrong (`halfmap.engine.quarantine`); `UNREADABLE`."""
    outside: Background
    highest: Float[Array, " particle"]
    """Largest distance of a pixel from the mean, in deviations of the background."""
    contrast: Float[Array, " particle"]
    """Mean inside half the circle less that of the background, in its deviations."""
    errors: tuple[str, ...]
    """Of the stacks that could not be read."""


def radius_px(particles: Particles, group: int, diameter_A: float | None) -> float:
    """Return the radius of the particle circle of an optics group."""
    optics = particles.optics[group]
    if diameter_A is None:
        return 0.5 * _CIRCLE * optics.box
    return min(0.5 * diameter_A / optics.pixel_size_A, 0.5 * optics.box)


def measure(
    particles: Particles, diameter_A: float | None, advance: Callable[[int], None]
) -> ImageStatistics:
    """Read every image once; ``advance`` is told the number of those just read."""
    n = len(particles)
    fault = np.zeros(n, np.uint8)
    mean, std, highest, contrast = np.zeros((4, n))
    errors: dict[str, None] = {}
    source = ImageSource(particles.stacks)
    for rows, group in batches(particles):
        box, radius = particles.optics[group].box, radius_px(particles, group, diameter_A)
        advance(len(rows))
        try:
            images = source.read(particles.stack[rows], particles.slice[rows], box)
        except DataError as error:
            errors[str(error)] = None
            fault[rows] = UNREADABLE
            continue
        found = background(images, radius)
        fault[rows], mean[rows], std[rows] = find_faults(images), found.mean, found.std
        highest[rows], contrast[rows] = _extremes(images, found, radius)
    return ImageStatistics(fault, Background(mean, std), highest, contrast, tuple(errors))


def batches(particles: Particles) -> Iterator[tuple[Int[Array, " image"], int]]:
    """Yield the rows of all particles, some at a time, of one optics group, stack by stack."""
    order = np.lexsort((particles.slice, particles.stack, particles.optics_group))
    cuts = np.flatnonzero(np.diff(particles.optics_group[order])) + 1
    for part in np.split(order, cuts):
        for start in range(0, len(part), _BATCH):
            rows = part[start : start + _BATCH]
            yield rows, int(particles.optics_group[rows[0]])


def _extremes(
    images: Float32[Array, "image y x"], outside: Background, radius: float
) -> tuple[Float[Array, " image"], Float[Array, " image"]]:
    box = images.shape[-1]
    y, x = np.indices((box, box)) - box // 2
    core = x**2 + y**2 <= (0.5 * radius) ** 2
    std = np.where(outside.std > 0, outside.std, 1.0)
    with np.errstate(invalid="ignore", over="ignore"):
        from_mean = np.abs(images - outside.mean[:, None, None]).max(axis=(1, 2)) / std
        contrast = (images[:, core].mean(axis=1) - outside.mean) / std
    return from_mean, contrast


def image_findings(found: ImageStatistics, bright: Array, rows: Rows) -> list[Finding]:
    """Say what is wrong with the images.

    Parameters
    ----------
    bright
        Whether each particle is said to be white on black.
    rows
        Gives the rows of the file.
    """
    good = found.fault == 0
    findings = list(_bad(found, rows))
    findings += _off(found, good, rows)
    findings += _outliers(found, good, rows)
    findings += _dark(found, good, bright)
    return findings


def _bad(found: ImageStatistics, rows: Rows) -> Iterator[Finding]:
    yield from (Finding(Severity.PROBLEM, error.rstrip(".")) for error in found.errors)
    for fault, reason in REASONS.items():
        wrong = np.flatnonzero(found.fault == fault)
        if len(wrong):
            yield Finding(
                Severity.WARNING,
                f"{len(wrong):,} images are bad: {reason}",
                "images; a run leaves them out",
                rows=rows(wrong),
                repair="their particles are left out",
            )


def _off(found: ImageStatistics, good: Bool[Array, " particle"], rows: Rows) -> list[Finding]:
    off = good & ~found.outside.is_normalised
    if not off.any():
        return []
    mean, std = np.median(found.outside.mean[off]), np.median(found.outside.std[off])
    return [
        Finding(
            Severity.WARNING,
            f"{np.count_nonzero(off):,} images are not normalised: mean and standard deviation "
            f"outside the particle are {mean:.3g} and {std:.3g} in the median",
            "0 and 1",
            rows=rows(np.flatnonzero(off)),
            repair="a stack of normalised images is written",
        )
    ]


def _outliers(found: ImageStatistics, good: Bool[Array, " particle"], rows: Rows) -> list[Finding]:
    findings = []
    hot = good & (found.highest > _HOT)
    if hot.any():
        findings.append(
            Finding(
                Severity.WARNING,
                f"{np.count_nonzero(hot):,} images have a pixel more than {_HOT:g} deviations from "
                f"the mean (up to {found.highest[hot].max():.3g})",
                "none: X-rays, gold, or the edge of the detector",
                "Look at them; extract again with outliers removed, or leave them out",
                rows(np.flatnonzero(hot)),
            )
        )
    size = np.log(np.where(good & (found.outside.std > 0), found.outside.std, 1.0))
    middle = np.median(size[good]) if good.any() else 0.0
    spread = 1.4826 * np.median(np.abs(size[good] - middle)) if good.any() else 0.0
    far = good & (np.abs(size - middle) > max(_FAR * spread, np.log(1.5)))
    if far.any():
        findings.append(
            Finding(
                Severity.WARNING,
                f"{np.count_nonzero(far):,} images have a contrast unlike the others",
                f"a deviation near {np.exp(middle):.3g}",
                "Look at them",
                rows(np.flatnonzero(far)),
            )
        )
    return findings


def _dark(found: ImageStatistics, good: Bool[Array, " particle"], bright: Array) -> list[Finding]:
    """Judge the contrast of all images together: one alone is noise."""
    values = found.contrast[good] * np.where(bright[good], 1.0, -1.0)
    if len(values) < 2 or values.std() == 0:
        return []
    error = values.std(ddof=1) / np.sqrt(len(values))
    if values.mean() > -_DARK * error:
        return []
    return [
        Finding(
            Severity.WARNING,
            f"the particles look dark: their middle is {-values.mean():.2g} deviations below the "
            "background",
            "white particles, or rlnCtfScalefactor -1",
            "Look at some; if they are dark, say --dark",
        )
    ]


def write_mended(
    path: Path, particles: Particles, rows: Int[Array, " image"], diameter_A: float | None
) -> None:
    """Write some images, normalised where they are not, and white on black.

    Parameters
    ----------
    rows
        Particles of one box, in the order of the new stack.

    Raises
    ------
    DataError
        If an image cannot be read, or the stack not be written.
    """
    source = ImageSource(particles.stacks)
    first = particles.optics[particles.optics_group[rows[0]]]
    with stack_writer(path, first.pixel_size_A, "float32") as write:
        for start in range(0, len(rows), _BATCH):
            some = rows[start : start + _BATCH]
            images = source.read(particles.stack[some], particles.slice[some], first.box)
            for k, row in enumerate(some.tolist()):
                radius = radius_px(particles, int(particles.optics_group[row]), diameter_A)
                image = images[k : k + 1]
                if not background(image, radius).is_normalised[0]:
                    image = normalised(image, radius)
                images[k] = -image[0] if particles.defocus.scale[row] < 0 else image[0]
            write(images)
