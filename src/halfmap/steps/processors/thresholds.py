"""``threshold``: values changed by their size."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.steps.processors.picture import Given, Kind, Parameter, Picture, Processor
from halfmap.steps.processors.statistics import deviation, mean


def compressed(values: Float[Array, "..."], half_width: float, value: float) -> Array:
    """Return values moved towards one value by up to half the width of a band around it."""
    moved = np.asarray(values - value)
    return np.asarray(np.sign(moved) * np.maximum(np.abs(moved) - half_width, 0.0) + value)


def _each(change: Callable[[Array, Given], Array]) -> Callable[[Picture, Given], Picture]:
    return lambda picture, given: picture.with_values(change(picture.values, given))


def _clamped(values: Array, limits: tuple[float, float], given: Given) -> Array:
    low, high = limits
    if not (given["tozero"] or given["tomean"]):
        return np.asarray(np.clip(values, low, high))
    outside = (values < low) | (values > high)
    return np.where(outside, 0.0 if given["tozero"] else mean(values), values)


def clamp(picture: Picture, given: Given) -> Picture:
    """Cut to given limits."""
    low = -np.inf if given["minval"] is None else given["minval"]
    high = np.inf if given["maxval"] is None else given["maxval"]
    return picture.with_values(_clamped(picture.values, (low, high), given))


def clamp_outliers(picture: Picture, given: Given) -> Picture:
    """Cut to limits that depend on the deviation."""
    middle, reach = mean(picture.values), given["nsigma"] * deviation(picture.values)
    return picture.with_values(_clamped(picture.values, (middle - reach, middle + reach), given))


_MINVAL = Parameter("minval", Kind.NUMBER, 0, "the threshold")
_OUTLIERS = (
    Parameter("tozero", Kind.FLAG, 0, "what is outside becomes 0"),
    Parameter("tomean", Kind.FLAG, 0, "what is outside becomes the mean"),
)
THRESHOLDS = (
    Processor(
        "threshold.belowtozero",
        "0 where x < minval",
        _each(lambda x, given: np.where(x < given["minval"], 0.0, x)),
        (_MINVAL,),
    ),
    Processor(
        "threshold.belowtominval",
        "minval where x < minval",
        _each(lambda x, given: np.maximum(x, given["minval"])),
        (_MINVAL,),
    ),
    Processor(
        "threshold.belowtozero_cut",
        "max(x - minval, 0)",
        _each(lambda x, given: np.maximum(x - given["minval"], 0.0)),
        (_MINVAL,),
    ),
    Processor(
        "threshold.binary",
        "1 where x >= value, else 0",
        _each(lambda x, given: x >= given["value"]),
        (Parameter("value", Kind.NUMBER, 0, "the threshold"),),
    ),
    Processor(
        "threshold.binaryrange",
        "1 where low <= x <= high, else 0",
        _each(lambda x, given: (x >= given["low"]) & (x <= given["high"])),
        (
            Parameter("low", Kind.NUMBER, None, "lower limit", needed=True),
            Parameter("high", Kind.NUMBER, None, "upper limit", needed=True),
        ),
    ),
    Processor(
        "threshold.clampminmax",
        "values beyond minval and maxval are cut to them",
        clamp,
        (
            Parameter("minval", Kind.NUMBER, None, "lower limit; default none"),
            Parameter("maxval", Kind.NUMBER, None, "upper limit; default none"),
            *_OUTLIERS,
        ),
        one_of=("minval", "maxval"),
    ),
    Processor(
        "threshold.clampminmax.nsigma",
        "values beyond mean ± nsigma · sigma are cut to that",
        clamp_outliers,
        (Parameter("nsigma", Kind.NUMBER, None, "in sigma", True, 0.0), *_OUTLIERS),
    ),
    Processor(
        "threshold.compress",
        "values within ± range of value become value, others move towards it by range",
        _each(lambda x, given: compressed(x, given["range"], given["value"])),
        (
            Parameter("range", Kind.NUMBER, None, "half the width of the band", True, 0.0),
            Parameter("value", Kind.NUMBER, 0, "centre of the band"),
        ),
    ),
)
