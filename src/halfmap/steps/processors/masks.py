"""``mask``: parts of a picture kept, others removed."""

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.steps.processors.automatic_mask import automatic_mask
from halfmap.steps.processors.normalising import same_shape
from halfmap.steps.processors.picture import Given, Kind, Parameter, Picture, Processor
from halfmap.steps.processors.statistics import mean, radii


def _distance(picture: Picture, given: Given) -> Float[Array, "..."]:
    return radii(picture.values.shape, (given["dx"], given["dy"], given["dz"]))


def _outer(picture: Picture, given: Given) -> float:
    """Return the outer radius, px; a negative one is counted from the border."""
    outer = float(given["outer_radius"])
    return picture.values.shape[-1] // 2 + outer + 1 if outer < 0 else outer


def sharp(picture: Picture, given: Given) -> Picture:
    """Replace what is outside, or inside of the inner radius."""
    distance, outer = _distance(picture, given), _outer(picture, given)
    out = (distance >= outer) | (distance < given["inner_radius"])
    return picture.with_values(np.where(out, given["value"], picture.values))


def soft(picture: Picture, given: Given) -> Picture:
    """Fade into a value."""
    distance, outer = _distance(picture, given), _outer(picture, given)
    beyond = np.maximum(distance - outer, given["inner_radius"] - distance)
    kept = np.exp(-((np.maximum(beyond, 0.0) / given["width"]) ** 2))
    value = given["value"]
    return picture.with_values(value + (picture.values - value) * kept)


def gaussian(picture: Picture, given: Given) -> Picture:
    """Fade from the centre, or from a radius on."""
    distance, inner = _distance(picture, given), float(given["inner_radius"])
    reach = np.maximum(distance - inner, 0.0) / _outer(picture, given)
    return picture.with_values(picture.values * np.exp(-(reach ** given["exponent"])))


def ring_mean(picture: Picture, given: Given) -> Picture:
    """Replace what is outside by the mean of a ring."""
    distance, outer = _distance(picture, given), _outer(picture, given)
    ring = np.abs(distance - outer) <= given["ring_width"]
    out = (distance >= outer) | (distance < given["inner_radius"])
    return picture.with_values(np.where(out, mean(picture.values[ring]), picture.values))


def zero_edge(picture: Picture, given: Given) -> Picture:
    """Clear rows at the borders."""
    values = picture.values.copy()
    for axis, letter in enumerate("xyz"[: values.ndim], 1):
        n = values.shape[-axis]
        first = int(given.get(f"{letter}0") or 0)
        last = given.get(f"{letter}1")
        last = first if last is None else int(last)
        along = np.moveaxis(values, -axis, 0)
        along[: min(first, n)] = 0.0
        along[n - min(last, n) :] = 0.0
    return picture.with_values(values)


def decaying_edge(picture: Picture, given: Given) -> Picture:
    """Fade rows and columns towards the border."""
    width, values = int(given["width"]), picture.values.astype(np.float64)
    for axis in (-1, -2):
        n = values.shape[axis]
        from_edge = np.minimum(np.arange(n), np.arange(n)[::-1])
        kept = np.minimum(from_edge / width, 1.0)
        values = values * (kept if axis == -1 else kept[:, None])
    return picture.with_values(values)


def automatic(picture: Picture, given: Given) -> Picture:
    """Keep what is connected to the particle."""
    if picture.values.ndim != 3:
        raise DataError("mask.auto3d: found an image, expected a map (z, y, x)")
    mask = automatic_mask(picture.values, given)
    return picture.with_values(mask if given["return_mask"] else picture.values * mask)


def from_file(picture: Picture, given: Given) -> Picture:
    """Multiply by another picture."""
    return picture.with_values(picture.values * same_shape(picture, given["filename"], "filename"))


def _border(axes: str) -> tuple[Parameter, ...]:
    rows: list[Parameter] = []
    for axis in axes:
        text: dict[str, Any] = {"kind": Kind.WHOLE, "least": 0.0}
        rows.append(Parameter(f"{axis}0", default=0, help=f"rows at the start of {axis}", **text))
        help_ = f"rows at the end of {axis}; default as {axis}0"
        rows.append(Parameter(f"{axis}1", default=None, help=help_, **text))
    return tuple(rows)


_CENTRE = tuple(
    Parameter(f"d{axis}", Kind.NUMBER, 0, f"of the centre along {axis} from n // 2, px")
    for axis in "xyz"
)
_INNER = Parameter("inner_radius", Kind.NUMBER, 0, "px")
_OUTER = Parameter(
    "outer_radius", Kind.NUMBER, -1, "px; negative: nx/2 + 1 and that, so that -1 is nx/2"
)
_VALUE = Parameter("value", Kind.NUMBER, 0, "of what is masked")
_NEIGHBOURS = "the part above a threshold that is connected to a seed, grown and smoothed"
MASKS = (
    Processor(
        "mask.sharp",
        "value where the radius is >= outer_radius or < inner_radius",
        sharp,
        (_OUTER, _INNER, _VALUE, *_CENTRE),
    ),
    Processor(
        "mask.soft",
        "value + (x - value) exp(-(d / width)²), d px beyond outer_radius or within inner_radius",
        soft,
        (
            *(_OUTER, _INNER, _VALUE),
            Parameter("width", Kind.NUMBER, 4, "of the edge, px", least=1e-6),
            *_CENTRE,
        ),
    ),
    Processor(
        "mask.gaussian",
        "x exp(-((r - inner_radius) / outer_radius)^exponent) for r > inner_radius",
        gaussian,
        (*(_OUTER, _INNER), Parameter("exponent", Kind.NUMBER, 2, "2: a Gaussian"), *_CENTRE),
    ),
    Processor(
        "mask.ringmean",
        "beyond outer_radius or within inner_radius the mean of a ring at outer_radius",
        ring_mean,
        (
            *(_OUTER, _INNER),
            Parameter("ring_width", Kind.NUMBER, 1, "on both sides, px", least=0.0),
            *_CENTRE,
        ),
    ),
    Processor("mask.zeroedge2d", "0 in rows at the borders", zero_edge, _border("xy")),
    Processor("mask.zeroedge3d", "0 in rows at the borders", zero_edge, _border("xyz")),
    Processor(
        "mask.decayedge2d",
        "rows and columns i < width from the border are multiplied by i / width",
        decaying_edge,
        (Parameter("width", Kind.WHOLE, 4, "px", least=1.0),),
    ),
    Processor(
        "mask.auto3d",
        _NEIGHBOURS,
        automatic,
        (
            Parameter("threshold", Kind.NUMBER, None, "of the part; default mean + sigma · σ"),
            Parameter("sigma", Kind.NUMBER, 3.0, "in σ, without threshold="),
            Parameter("radius", Kind.NUMBER, 0, "seeds are within this of the centre, px"),
            Parameter("nmaxseed", Kind.WHOLE, 0, "so many of the brightest are seeds", least=0.0),
            Parameter("nshells", Kind.WHOLE, 0, "by which the part grows", least=0.0),
            Parameter("nshellsgauss", Kind.WHOLE, 0, "width of the smooth edge", least=0.0),
            Parameter("return_mask", Kind.FLAG, 0, "give the mask, not the masked map"),
        ),
        one_of=("radius", "nmaxseed"),
    ),
    Processor(
        "mask.fromfile",
        "multiplied by another picture",
        from_file,
        (Parameter("filename", Kind.MAP, None, "of the same size", needed=True),),
    ),
)
