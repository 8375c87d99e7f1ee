"""``filter``: transforms multiplied by a function of the spatial frequency s (cycles per pixel)."""

from collections.abc import Callable
from functools import partial

import numpy as np
import scipy.fft
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.steps.frequency_filter import Response, filtered, planes
from halfmap.steps.processors import responses
from halfmap.steps.processors.picture import Given, Kind, Parameter, Picture, Processor
from halfmap.steps.structure_factor import mean_power, with_structure_factor

_APIX = Parameter("apix", Kind.NUMBER, None, "pixel size in Å, in place of the header's", least=0.0)
_CUTOFF = (
    Parameter("cutoff_abs", Kind.NUMBER, None, "cutoff in cycles per pixel (0.5: Nyquist)"),
    Parameter("cutoff_freq", Kind.NUMBER, None, "cutoff in 1/Å"),
    Parameter("cutoff_pixels", Kind.NUMBER, None, "cutoff in pixels of the transform (of nx)"),
    Parameter("sigma", Kind.NUMBER, None, "cutoff in cycles per pixel; goes before the others"),
    _APIX,
)
_RESOLUTION = Parameter("cutoff_resolv", Kind.NUMBER, None, "resolution as EMAN2 counts it, 1/Å")
_ONE_CUTOFF = ("sigma", "cutoff_abs", "cutoff_freq", "cutoff_pixels")


def cutoff(picture: Picture, given: Given) -> float:
    """Return the cutoff in cycles per pixel: the first that is given of those of `_ONE_CUTOFF`."""
    for name in ("sigma", "cutoff_abs"):
        if given[name] is not None:
            return float(given[name])
    if given["cutoff_freq"] is not None:
        return float(given["cutoff_freq"]) * picture.known_pixel_size_A(given)
    if given["cutoff_pixels"] is not None:
        return float(given["cutoff_pixels"] / picture.values.shape[-1])
    return 0.0


def gaussian(picture: Picture, given: Given) -> Response:
    """Return a Gaussian, of width ``sigma`` or 1/e at the cutoff."""
    if given["sigma"] is not None:
        width = np.sqrt(2.0) * float(given["sigma"])
    elif given["cutoff_resolv"] is not None:
        inverse = float(given["cutoff_resolv"]) * picture.known_pixel_size_A(given)
        width = np.sqrt(-4.0 * np.log(0.36)) * inverse / np.pi
    else:
        width = cutoff(picture, given)
    return partial(responses.gaussian, width=width)


def gaussian_band(picture: Picture, given: Given) -> Response:
    """Return a Gaussian around a frequency."""
    return partial(responses.gaussian_band, centre=given["center"], width=cutoff(picture, given))


def top_hat(picture: Picture, given: Given) -> Response:
    """Return 1 up to the cutoff, then 0."""
    return partial(responses.top_hat, limit=cutoff(picture, given))


def band(_: Picture, given: Given) -> Response:
    """Return 1 between two frequencies."""
    limits = given["low_cutoff_frequency"], given["high_cutoff_frequency"]
    return partial(responses.band, low=limits[0], high=limits[1])


def tanh(picture: Picture, given: Given) -> Response:
    """Return a smooth step."""
    return partial(responses.tanh, limit=cutoff(picture, given), fall_off=given["fall_off"])


def butterworth(picture: Picture, given: Given) -> Response:
    """Return Butterworth's step."""
    low, high = given["low_cutoff_frequency"], given["high_cutoff_frequency"]
    low = cutoff(picture, given) if low is None else low
    high = responses.end_of_fall(low) if high is None else high
    return partial(responses.butterworth, low=low, high=high)


Design = Callable[[Picture, Given], Response]


def _passing(design: Design) -> Callable[[Picture, Given], Picture]:
    return lambda picture, given: picture.with_values(
        filtered(picture.values, design(picture, given))
    )


def _rejecting(design: Design) -> Callable[[Picture, Given], Picture]:
    def apply(picture: Picture, given: Given) -> Picture:
        passed = design(picture, given)
        return picture.with_values(filtered(picture.values, lambda s: 1.0 - passed(s)))

    return apply


def random_phases(picture: Picture, given: Given) -> Picture:
    """Give the amplitudes from the cutoff on the phases of noise."""
    limit = cutoff(picture, given)
    shape = picture.values.shape
    noise = scipy.fft.rfftn(np.random.default_rng(picture.seed).normal(size=shape))
    transform = scipy.fft.rfftn(picture.values.astype(np.float64))
    pairs = zip(planes(transform, shape), planes(noise, shape), strict=True)
    for (plane, frequency), (other, _frequency) in pairs:
        high = frequency >= limit
        plane[high] = (np.abs(plane) * other / np.abs(other))[high]
    return picture.with_values(scipy.fft.irfftn(transform, shape))


def b_factor(picture: Picture, given: Given) -> Picture:
    """Make the fall of the power with s² that of a given B-factor."""
    size = picture.known_pixel_size_A(given)
    found = filter_of_b_factor(picture.values, size, given["bfactor"], given["noisecutoff"])
    return picture.with_values(filtered(picture.values, found))


def filter_of_b_factor(
    values: Float[Array, "..."], pixel_size_A: float, wanted_A2: float, noise_per_A: float
) -> Response:
    """Return what turns the measured B-factor of an image or map into another.

    The slope of ln(power) over s² is fitted from 15 Å to where noise begins; B becomes
    ``wanted_A2``. Beyond, the factor goes on without a step and falls with ``wanted_A2`` alone.
    """
    power = mean_power(scipy.fft.rfftn(values.astype(np.float64)), values.shape)
    s = np.arange(len(power)) / (values.shape[-2] * pixel_size_A)
    fitted = (s >= 1.0 / responses.LOWEST_OF_FIT_A) & (s <= noise_per_A) & (power > 0.0)
    if np.count_nonzero(fitted) < 2:
        return lambda frequency: np.ones_like(frequency)
    slope = float(np.polyfit(s[fitted] ** 2, np.log(power[fitted]), 1)[0])
    inner = wanted_A2 + 2.0 * slope

    def response(frequency: Float[Array, "..."]) -> Float[Array, "..."]:
        squared = (frequency / pixel_size_A) ** 2
        below = np.minimum(squared, noise_per_A**2)
        return np.asarray(np.exp(-(inner * below + wanted_A2 * (squared - below)) / 4.0))

    return response


def structure_factor(picture: Picture, given: Given) -> Picture:
    """Impose a structure factor."""
    curve = given["filename"] if given["strucfac"] is None else given["strucfac"]
    values = with_structure_factor(picture.values, curve, picture.known_pixel_size_A(given))
    return picture.with_values(values * given["scale"])


def radial_table(picture: Picture, given: Given) -> Picture:
    """Multiply by a table over radii."""
    table = np.array(given["table"])
    box = picture.values.shape[-2]
    radius = np.arange(len(table))
    response = lambda s: np.interp(s * box, radius, table, right=0.0)  # noqa: E731 - one line
    return picture.with_values(filtered(picture.values, response))


_FALL_OFF = (Parameter("fall_off", Kind.NUMBER, 0.5, "width of the step", least=1e-6),)
_LIMITS = (
    Parameter("low_cutoff_frequency", Kind.NUMBER, None, "where the fall begins, cycles per pixel"),
    Parameter("high_cutoff_frequency", Kind.NUMBER, None, "where it ends, cycles per pixel"),
)
_GAUSS = "exp(-s² / cutoff²), or exp(-s² / (2 sigma²)) with sigma="
_TANH = "[tanh(a (s + cutoff)) - tanh(a (s - cutoff))] / 2 with a = π / (2 fall_off cutoff)"
_BUTTERWORTH = "sqrt(1 / (1 + (s / L)^order)): 0.882 at the low frequency, 1 / 10.624 at the high"
_BUTTERWORTH_ONE_OF = (*_ONE_CUTOFF, "low_cutoff_frequency")
FILTERS = (
    *(
        Processor(
            f"filter.{kind}.gauss",
            prefix + _GAUSS,
            how(gaussian),
            (*_CUTOFF, _RESOLUTION),
            (*_ONE_CUTOFF, "cutoff_resolv"),
        )
        for kind, prefix, how in (("lowpass", "", _passing), ("highpass", "1 - ", _rejecting))
    ),
    Processor(
        "filter.bandpass.gauss",
        "exp(-(s - center)² / (2 cutoff²))",
        _passing(gaussian_band),
        (Parameter("center", Kind.NUMBER, None, "cycles per pixel", needed=True), *_CUTOFF),
        _ONE_CUTOFF,
    ),
    Processor(
        "filter.lowpass.tophat", "1 for s <= cutoff", _passing(top_hat), _CUTOFF, _ONE_CUTOFF
    ),
    Processor(
        "filter.highpass.tophat", "1 for s > cutoff", _rejecting(top_hat), _CUTOFF, _ONE_CUTOFF
    ),
    Processor(
        "filter.bandpass.tophat",
        "1 for low_cutoff_frequency <= s < high_cutoff_frequency (cycles per pixel)",
        _passing(band),
        (
            Parameter("low_cutoff_frequency", Kind.NUMBER, 0, "cycles per pixel"),
            Parameter("high_cutoff_frequency", Kind.NUMBER, None, "cycles per pixel", needed=True),
        ),
    ),
    Processor("filter.lowpass.tanh", _TANH, _passing(tanh), (*_CUTOFF, *_FALL_OFF), _ONE_CUTOFF),
    Processor(
        "filter.highpass.tanh",
        f"1 - {_TANH}",
        _rejecting(tanh),
        (*_CUTOFF, *_FALL_OFF),
        _ONE_CUTOFF,
    ),
    Processor(
        "filter.lowpass.butterworth",
        _BUTTERWORTH,
        _passing(butterworth),
        (*_CUTOFF, *_LIMITS),
        _BUTTERWORTH_ONE_OF,
    ),
    Processor(
        "filter.highpass.butterworth",
        f"1 - {_BUTTERWORTH}",
        _rejecting(butterworth),
        (*_CUTOFF, *_LIMITS),
        _BUTTERWORTH_ONE_OF,
    ),
    Processor(
        "filter.lowpass.autob",
        "exp(-B s² / 4), B chosen such that the power falls as with bfactor",
        b_factor,
        (
            Parameter("bfactor", Kind.NUMBER, 0, "of the result, Å²"),
            Parameter("noisecutoff", Kind.NUMBER, 1.0 / 6.0, "where noise begins, 1/Å", least=1e-6),
            _APIX,
        ),
    ),
    Processor(
        "filter.lowpass.randomphase",
        "random phases for s >= cutoff",
        random_phases,
        _CUTOFF,
        _ONE_CUTOFF,
    ),
    Processor(
        "filter.setstrucfac",
        "the mean power of each shell is that of a structure factor (as --setsf)",
        structure_factor,
        (
            Parameter("filename", Kind.CURVE, None, "frequency in 1/Å and intensity on each line"),
            Parameter("strucfac", Kind.CURVE, None, "the same"),
            Parameter("scale", Kind.NUMBER, 1, "the result is multiplied by it"),
            _APIX,
        ),
        ("filename", "strucfac"),
    ),
    Processor(
        "filter.radialtable",
        "one value for each radius in pixels of the transform, linear between, 0 beyond",
        radial_table,
        (Parameter("table", Kind.NUMBERS, None, "from radius 0 on", needed=True),),
    ),
)
