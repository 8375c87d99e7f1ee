"""``math.fft.resample`` and ``math.meanshrink``: another pixel size."""

from math import floor

import numpy as np
import scipy.signal

from halfmap.errors import DataError
from halfmap.steps.processors.picture import Given, Kind, Parameter, Picture, Processor


def fourier_resample(picture: Picture, given: Given) -> Picture:
    """Cut or enlarge the transform."""
    old = picture.values.shape
    values = np.asarray(picture.values, np.float64)
    for axis, n in enumerate(old):
        new = _checked(floor(n / given["n"] + 0.5), n)
        values = scipy.signal.resample(values, new, axis=axis)
    return picture.with_values(values, picture.pixel_size_A * old[-1] / values.shape[-1])


def mean_shrink(picture: Picture, given: Given) -> Picture:
    """Take means of blocks; what is left at the end is dropped."""
    factor, values = int(given["n"]), picture.values
    blocks = [_checked(n // factor, n) for n in values.shape]
    whole = values[tuple(slice(0, m * factor) for m in blocks)].astype(np.float64)
    split = whole.reshape([size for m in blocks for size in (m, factor)])
    means = split.mean(axis=tuple(range(1, 2 * len(blocks), 2)))
    return picture.with_values(means, picture.pixel_size_A * factor)


def _checked(new: int, old: int) -> int:
    if not 2 <= new <= 16 * old:
        raise DataError(f"n= would make {new} px of {old}; expected 2 to {16 * old}. Correct n=.")
    return new


RESAMPLING = (
    Processor(
        "math.fft.resample",
        "N / n pixels by cutting (n > 1) or enlarging the transform; the grey scale stays",
        fourier_resample,
        (Parameter("n", Kind.NUMBER, None, "factor of the pixel size", True, 1e-3),),
    ),
    Processor(
        "math.meanshrink",
        "means of blocks of n pixels along each axis",
        mean_shrink,
        (Parameter("n", Kind.WHOLE, None, "factor of the pixel size", True, 1.0),),
    ),
)
