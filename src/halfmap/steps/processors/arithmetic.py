"""``math``: values, one by one, and noise."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.steps.processors.picture import Given, Kind, Parameter, Picture, Processor
from halfmap.steps.processors.statistics import deviation, radii


def _each(change: Callable[[Array, Given], Array]) -> Callable[[Picture, Given], Picture]:
    return lambda picture, given: picture.with_values(
        change(picture.values.astype(np.float64), given)
    )


def _logarithm(x: Float[Array, "..."], _: Given) -> Float[Array, "..."]:
    return np.asarray(np.log10(x, out=np.zeros_like(x), where=x > 0.0))


def _exponential(x: Float[Array, "..."], given: Given) -> Float[Array, "..."]:
    return np.asarray(np.exp(np.minimum(x / given["low"] - given["high"], _LARGEST_EXPONENT)))


_LARGEST_EXPONENT = 88.0
"""Single precision ends there."""


def _noise(picture: Picture) -> Float[Array, "..."]:
    return np.random.default_rng(picture.seed).normal(size=picture.values.shape)


def add_noise(picture: Picture, given: Given) -> Picture:
    """Add noise of a given deviation."""
    return picture.with_values(picture.values + given["noise"] * _noise(picture))


def add_relative_noise(picture: Picture, given: Given) -> Picture:
    """Add noise of a deviation relative to that of the picture."""
    height = given["noise"] * deviation(picture.values)
    return picture.with_values(picture.values + height * _noise(picture))


def rotational_average(picture: Picture, _: Given) -> Picture:
    """Replace values by their mean over circles or spheres, linear between whole radii."""
    radius = radii(picture.values.shape)
    shell = radius.astype(np.intp)
    total, count = np.zeros(int(shell.max()) + 2), np.zeros(int(shell.max()) + 2)
    for index, share in ((shell, shell + 1 - radius), (shell + 1, radius - shell)):
        total += np.bincount(index.ravel(), (share * picture.values).ravel(), len(total))
        count += np.bincount(index.ravel(), share.ravel(), len(total))
    profile = np.divide(total, count, out=np.zeros_like(total), where=count > 0.0)
    return picture.with_values(np.interp(radius, np.arange(len(profile)), profile))


def gaussian_kernel_fix(picture: Picture, given: Given) -> Picture:
    """Undo the fall-off that a Gaussian kernel in Fourier space leaves in the map."""
    relative = radii(picture.values.shape) / picture.values.shape[-2]
    return picture.with_values(picture.values * np.exp(given["gauss_width"] * relative**2))


_NOISE = (Parameter("noise", Kind.NUMBER, None, "how much", True, 0.0),)
ARITHMETIC = (
    Processor(
        "math.linear",
        "x scale + shift",
        _each(lambda x, given: x * given["scale"] + given["shift"]),
        (
            Parameter("scale", Kind.NUMBER, 1, "factor"),
            Parameter("shift", Kind.NUMBER, 0, "term"),
        ),
    ),
    Processor("math.absvalue", "|x|", _each(lambda x, _: np.abs(x))),
    Processor("math.squared", "x²", _each(lambda x, _: x * x)),
    Processor("math.sqrt", "sqrt(x), 0 for x < 0", _each(lambda x, _: np.sqrt(np.maximum(x, 0.0)))),
    Processor("math.log", "log10(x), 0 for x <= 0", _each(_logarithm)),
    Processor(
        "math.exp",
        "exp(x / low - high)",
        _each(_exponential),
        (
            Parameter("low", Kind.NUMBER, 1, "divisor", least=1e-30),
            Parameter("high", Kind.NUMBER, 0, "subtracted before the exponential"),
        ),
    ),
    Processor("math.addnoise", "x + Gaussian noise of sigma noise", add_noise, _NOISE),
    Processor(
        "math.addsignoise",
        "x + Gaussian noise of sigma noise · sigma",
        add_relative_noise,
        _NOISE,
    ),
    Processor("math.rotationalaverage", "mean over all pixels of one radius", rotational_average),
    Processor(
        "math.gausskernelfix",
        "x exp(gauss_width (r / ny)²): the radial correction of gauss_2, gauss_3 and gauss_5",
        gaussian_kernel_fix,
        (Parameter("gauss_width", Kind.NUMBER, None, "4.0, 6.4 or 10.4", needed=True),),
    ),
)
