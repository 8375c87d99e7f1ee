"""Images without their finest detail, in a smaller box, and back in their own.

The transform is cut to a square: a box of n pixels keeps the frequencies with |kx|, |ky| < n / 2.
An image that is cut and brought back holds them as they were, and nothing beyond.
"""

import numpy as np
import scipy.fft
from jaxtyping import Float32
from numpy import ndarray as Array

LARGEST_PIXEL = 1e15
"""Beyond, squares summed over an image leave single precision; such numbers are no grey values."""


def resized(images: Array, box: int) -> Float32[Array, "image box box"]:
    """Bring images to another even box over the same area: cut, or brought back.

    Each by itself, so that the result does not depend on which images are taken together. An
    image of one value keeps it exactly, one with pixels that are no grey values becomes NaN: bad
    images stay bad.

    Parameters
    ----------
    images
        Real numbers of any type, (image, y, x), in an even box.
    box
        Of the results, px.
    """
    made = np.empty((len(images), box, box), np.float32)
    for image, own in zip(images, made, strict=True):
        own[:] = _resized(image.astype(np.float32), box)
    return made


def _resized(image: Float32[Array, "y x"], box: int) -> Float32[Array, "box box"] | np.float32:
    low, high = image.min(), image.max()
    if not (low >= -LARGEST_PIXEL and high <= LARGEST_PIXEL):
        return np.float32(np.nan)
    if low == high:
        return np.float32(low)
    given = scipy.fft.rfft2(image, norm="forward")
    kept = np.zeros((box, box // 2 + 1), np.complex64)
    half = min(box, len(image)) // 2
    kept[:half, :half] = given[:half, :half]
    kept[1 - half :, :half] = given[1 - half :, :half]
    return np.asarray(scipy.fft.irfft2(kept, s=(box, box), norm="forward", overwrite_x=True))


def next_fast_box(box: int) -> int:
    """Return the next even box whose transform is quick.

    >>> next_fast_box(121), next_fast_box(128), next_fast_box(74)
    (128, 128, 80)
    """
    while box % 2 or scipy.fft.next_fast_len(box, real=True) != box:
        box += 1
    return box
