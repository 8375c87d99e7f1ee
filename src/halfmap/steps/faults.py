"""Images that cannot be used."""

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray as Array

from halfmap.model.cut_images import LARGEST_PIXEL

NOT_NUMBERS, CONSTANT, NO_WEIGHT = 1, 2, 3
"""What can be wrong with an image."""
FAILED, UNREADABLE = 4, 5
"""What can go wrong with a particle besides."""


def find_faults(images: Float32[Array, "image *two y x"]) -> UInt8[Array, " image"]:
    """Return `NOT_NUMBERS` or `CONSTANT` for images that cannot be used, 0 for the others."""
    flat = images.reshape(len(images), -1)
    low, high = flat.min(axis=1), flat.max(axis=1)  # NaN if there is one
    numbers = (low >= -LARGEST_PIXEL) & (high <= LARGEST_PIXEL)
    constant = low == high
    faults = np.where(numbers, np.where(constant, CONSTANT, 0), NOT_NUMBERS)
    return faults.astype(np.uint8)
