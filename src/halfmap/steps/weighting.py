"""How images are read and weighted: pixels, mask, noise, intensity scales."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex64, Float, Float32
from numpy import ndarray as Array

from halfmap.kernels.protocol import PlaneLayout
from halfmap.model.ctf import odd_factor
from halfmap.model.detector import to_mean_detector
from halfmap.model.disc import Disc, counted_shells, plane_index
from halfmap.model.fourier import frequencies_2d
from halfmap.model.half_model import HalfModel
from halfmap.model.mask import soft_circle
from halfmap.steps.search_plan import ImageSettings, SearchPlan

SCALE_DATA_VS_PRIOR = 3.0
"""Intensity scales are measured where the map is at least so much stronger than its noise."""
SCALE_RANGE = (1e-3, 1e4)
"""Group scales are kept in this range."""


@dataclass(frozen=True, slots=True)
class Weighting:
    """What turns images into `Spectra`."""

    layout: PlaneLayout
    demodulation: Complex64[Array, "optics pixel"] | None
    """Takes odd aberrations out of the listed pixels; None if no group has any."""
    detector: Float32[Array, "optics y half"] | None
    """Brings transforms to the mean detector; None if there is only one."""
    background: Float32[Array, "y x"]
    precision: Float32[Array, "optics pixel"]
    """1/sigma2 at each pixel; 0 where the noise is unknown."""
    shell_precision: Float[Array, "optics shell"]
    log_normalisation: Float[Array, " optics"]
    """Sum of log(2π sigma2) over the pixels of the likelihood."""
    group_scale: Float[Array, " group"]
    scale_shells: Float[Array, "class shell"]
    """1 where the scale is measured, else 0."""


def make_weighting(model: HalfModel, plan: SearchPlan, disc: Disc) -> Weighting:
    """Prepare the weights of an iteration."""
    images, box = plan.images, plan.images.box
    n_shells = images.model_box // 2 + 1
    variance = model.noise_variance
    precision = np.divide(1.0, variance, out=np.zeros_like(variance), where=variance > 0.0)
    index = plane_index(disc, box)
    parity = (index // (box // 2 + 1) + index % (box // 2 + 1)) % 2
    shells = counted_shells(plan.current_size, images.geometry)
    counts = np.bincount(shells[shells >= 0], minlength=n_shells)[:n_shells]
    counts[0] = 0
    counts[plan.current_size // 2 + 1 :] = 0
    known = np.where(variance > 0.0, variance, 1.0 / (2.0 * np.pi))
    scale = model.group_scale if images.do_scale else np.ones_like(model.group_scale)
    return Weighting(
        layout=PlaneLayout(
            place=index,
            sign=((1.0 - 2.0 * parity) * images.geometry.unit).astype(np.float32),
            shell=shells.ravel().astype(np.int32),
            n_shells=n_shells + 1,
        ),
        demodulation=_demodulation(images, disc),
        detector=detector_factor(images),
        background=soft_circle(box, images.mask_radius_px, images.mask_edge_px).astype(np.float32),
        precision=precision[:, disc.shell].astype(np.float32),
        shell_precision=precision,
        log_normalisation=np.log(2.0 * np.pi * known) @ counts,
        group_scale=np.clip(scale, *SCALE_RANGE),
        scale_shells=(model.data_vs_prior > SCALE_DATA_VS_PRIOR).astype(np.float64),
    )


def _demodulation(images: ImageSettings, disc: Disc) -> Complex64[Array, "optics pixel"] | None:
    if not any(group.aberrations.has_odd for group in images.optics):
        return None
    factors = np.ones((len(images.optics), len(disc)), np.complex64)
    for own, group in zip(factors, images.optics, strict=True):
        if images.shows(group):
            own[:] = odd_factor(disc.kx, disc.ky, group).conj()
    return factors


def detector_factor(images: ImageSettings) -> Float32[Array, "optics y half"] | None:
    """Return the factor on whole transforms of each optics group; None if all are 1."""
    detectors = [group.detector for group in images.optics]
    if len({detector for detector in detectors if detector is not None}) < 2:
        return None
    ky, kx = frequencies_2d(images.box)
    frequency_per_A = np.hypot(kx, ky) / (images.box * images.pixel_size_A)
    factors = np.ones((len(detectors), *frequency_per_A.shape), np.float32)
    for own, group in zip(factors, images.optics, strict=True):
        if images.shows(group):
            own[:] = to_mean_detector(group.detector, detectors, frequency_per_A)
    return factors
