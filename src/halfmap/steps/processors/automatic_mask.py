"""The mask of what is connected to the particle (``mask.auto3d``)."""

import numpy as np
import scipy.ndimage
from jaxtyping import Bool, Float
from numpy import ndarray as Array

from halfmap.steps.frequency_filter import filtered
from halfmap.steps.processors.picture import Given
from halfmap.steps.processors.statistics import deviation, mean, radii

SMALLEST = 0.002
"""Of a smooth edge; less is nothing."""


def automatic_mask(volume: Float[Array, "z y x"], given: Given) -> Float[Array, "z y x"]:
    """Return weights from 0 to 1.

    The voxels above the threshold that can be reached over faces from a seed, grown by shells of
    neighbours, smoothed by a Gaussian.
    """
    threshold = given["threshold"]
    if threshold is None:
        threshold = mean(volume) + given["sigma"] * deviation(volume)
    seeds = _seeds(volume, threshold, given)
    labels, n = scipy.ndimage.label((volume > threshold) | seeds)
    chosen = np.zeros(n + 1, bool)
    chosen[labels[seeds]] = True
    chosen[0] = False
    inside = chosen[labels]
    n_soft = int(given["nshellsgauss"])
    grown = int(given["nshells"]) + n_soft // 2
    if grown:
        inside = scipy.ndimage.binary_dilation(inside, iterations=grown)
    mask = inside.astype(np.float32)
    if n_soft:
        mask = filtered(mask, lambda s: np.exp(-((s * n_soft) ** 2)))
        mask[mask < SMALLEST] = 0.0
    return mask


def _seeds(volume: Float[Array, "z y x"], threshold: float, given: Given) -> Bool[Array, "z y x"]:
    seeds = np.zeros(volume.shape, bool)
    if given["radius"] > 0:
        seeds |= (radii(volume.shape) <= given["radius"]) & (volume >= threshold)
    n_brightest = min(int(given["nmaxseed"]), volume.size)
    if n_brightest:
        brightest = np.argsort(volume, axis=None, kind="stable")[-n_brightest:]
        seeds.ravel()[brightest] = True
    return seeds
