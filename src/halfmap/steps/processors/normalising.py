"""``normalize``: grey values brought to a common scale."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.steps.frequency_filter import filtered
from halfmap.steps.processors.picture import Given, Kind, Parameter, Picture, Processor
from halfmap.steps.processors.statistics import deviation, edge_mean, mean, radii

DENSITY_DA_PER_A3 = 0.81
"""Of protein."""
_APIX = Parameter("apix", Kind.NUMBER, None, "pixel size in Å, in place of the header's", least=0.0)


def _scaled(picture: Picture, offset: float, scale: float) -> Picture:
    """Subtract and divide; a picture without contrast stays as it is."""
    if scale == 0.0 or not np.isfinite(scale):
        return picture
    return picture.with_values((picture.values.astype(np.float64) - offset) / scale)


def whole(picture: Picture, _: Given) -> Picture:
    """Zero mean, unit deviation."""
    return _scaled(picture, mean(picture.values), deviation(picture.values))


def by_edge(picture: Picture, _: Given) -> Picture:
    """Zero at the border."""
    return _scaled(picture, edge_mean(picture.values), deviation(picture.values))


def by_circle(picture: Picture, given: Given) -> Picture:
    """Zero on a ring."""
    half = picture.values.shape[-2] / 2
    radius = half - 2 if given["radius"] is None else given["radius"]
    radius = half + radius if radius < 0 else radius
    distance = radii(picture.values.shape)
    ring = picture.values[(distance >= radius) & (distance < radius + given["width"])]
    return _scaled(picture, mean(ring), deviation(picture.values))


def by_left_and_right(picture: Picture, _: Given) -> Picture:
    """Zero in the outer columns."""
    x = picture.values
    return _scaled(picture, mean(np.concatenate([x[..., :2], x[..., -2:]])), deviation(x))


def to_unit_length(picture: Picture, _: Given) -> Picture:
    """Make the vector of all values one long."""
    return _scaled(picture, 0.0, float(np.linalg.norm(picture.values.astype(np.float64))))


def to_unit_sum(picture: Picture, _: Given) -> Picture:
    """Make the sum one."""
    return _scaled(picture, 0.0, float(picture.values.sum(dtype=np.float64)))


def to_range(picture: Picture, _: Given) -> Picture:
    """From -1 to 1."""
    low, high = float(picture.values.min()), float(picture.values.max())
    return _scaled(picture, (high + low) / 2, (high - low) / 2)


def by_mask(picture: Picture, given: Given) -> Picture:
    """Zero mean and unit deviation within a mask."""
    inside = picture.values[same_shape(picture, given["mask"], "mask") > 0.0]
    return _scaled(picture, mean(inside), deviation(inside))


def by_plane(picture: Picture, _: Given) -> Picture:
    """Remove a slope; zero mean and unit deviation within the circle."""
    if picture.values.ndim != 2:
        raise DataError("normalize.ramp.normvar: found a map, expected an image (y, x)")
    height, width = picture.values.shape
    y, x = (grid.ravel() for grid in np.indices((height, width), np.float64))
    design = np.column_stack([np.ones_like(x), x, y])
    flat = picture.values.astype(np.float64).ravel()
    slope, *_rest = np.linalg.lstsq(design, flat, rcond=None)
    level = picture.with_values((flat - design @ slope).reshape(height, width))
    inside = level.values[radii((height, width)) <= width // 2 - 2]
    return _scaled(level, mean(inside), deviation(inside))


def locally(picture: Picture, given: Given) -> Picture:
    """Divide by the mean, around each voxel, of the values above a threshold."""
    size = float(given["apix"] or picture.pixel_size_A)
    cutoff = (size if size > 0.0 else 1.0) / given["radius"]
    high = picture.values >= given["threshold"]
    number = filtered(high.astype(np.float32), lambda s: np.exp(-((s / cutoff) ** 2)))
    total = filtered(picture.values * high, lambda s: np.exp(-((s / cutoff) ** 2)))
    factor = np.divide(number, total, out=np.zeros_like(total), where=total > 0.0)
    return picture.with_values(picture.values * factor)


def by_mass(picture: Picture, given: Given) -> Picture:
    """Bring the level that encloses a mass to a threshold."""
    size = picture.known_pixel_size_A(given)
    n_inside = round(given["mass"] * 1000.0 / (DENSITY_DA_PER_A3 * size**3))
    flat = picture.values.ravel()
    if not 1 <= n_inside <= flat.size:
        raise DataError(
            f"normalize.bymass: {given['mass']:g} kDa are {n_inside:,} voxels of {size:g} Å; "
            f"expected 1 to {flat.size:,}. Correct mass= or apix=."
        )
    level = float(np.partition(flat, flat.size - n_inside)[flat.size - n_inside])
    aim = given["thr"]
    aim = mean(flat) + deviation(flat) if aim is None else aim
    return picture if level <= 0.0 else picture.with_values(picture.values * (aim / level))


def to_image(picture: Picture, given: Given) -> Picture:
    """Fit to another picture."""
    x, aim = picture.values.astype(np.float64), same_shape(picture, given["to"], "to")
    centred = x - x.mean()
    power = float((centred**2).sum())
    if power == 0.0:
        return picture
    scale = float((centred * aim).sum()) / power
    return picture.with_values(scale * centred + aim.mean(dtype=np.float64))


def same_shape(picture: Picture, other: Float[Array, "..."], name: str) -> Float[Array, "..."]:
    """Return another picture of the same shape.

    Raises
    ------
    DataError
        If it has another shape.
    """
    found = other[0] if other.ndim == 3 and len(other) == 1 and picture.values.ndim == 2 else other
    if found.shape != picture.values.shape:
        sizes = [" x ".join(str(n) for n in reversed(a.shape)) for a in (found, picture.values)]
        raise DataError(f"{name}= has {sizes[0]} px, expected {sizes[1]} px. Clip or pad it.")
    return found


_RADIUS = Parameter("radius", Kind.NUMBER, None, "px; default ny/2 - 2; negative: from ny/2")
NORMALISING = (
    Processor("normalize", "(x - mean) / sigma", whole),
    Processor("normalize.edgemean", "(x - mean of the border) / sigma", by_edge),
    Processor(
        "normalize.circlemean",
        "(x - mean of a ring) / sigma",
        by_circle,
        (_RADIUS, Parameter("width", Kind.NUMBER, 2, "of the ring, px", least=0.0)),
    ),
    Processor("normalize.lredge", "(x - mean of the two outer columns) / sigma", by_left_and_right),
    Processor("normalize.unitlen", "x / sqrt(sum of x²)", to_unit_length),
    Processor("normalize.unitsum", "x / sum of x", to_unit_sum),
    Processor("normalize.maxmin", "values from -1 to 1", to_range),
    Processor(
        "normalize.mask",
        "mean 0 and sigma 1 where a mask is above 0",
        by_mask,
        (Parameter("mask", Kind.MAP, None, "of the same size", needed=True),),
    ),
    Processor(
        "normalize.ramp.normvar",
        "a plane is fitted and subtracted; mean 0 and sigma 1 within nx/2 - 2 px (images only)",
        by_plane,
    ),
    Processor(
        "normalize.local",
        "x divided by the local mean of the values from a threshold on, weighted by a Gaussian",
        locally,
        (
            Parameter("threshold", Kind.NUMBER, 0, "values below it do not count"),
            Parameter(
                "radius", Kind.NUMBER, None, "in Å, or px if the pixel size is unknown", True, 1e-6
            ),
            _APIX,
        ),
    ),
    Processor(
        "normalize.bymass",
        "scaled so that the level which encloses a mass (0.81 Da/Å³) is at thr",
        by_mass,
        (
            Parameter("mass", Kind.NUMBER, None, "kDa", True, 0.0),
            Parameter("thr", Kind.NUMBER, None, "default mean + sigma"),
            _APIX,
        ),
    ),
    Processor(
        "normalize.toimage",
        "a x + b, nearest to another picture in least squares",
        to_image,
        (Parameter("to", Kind.MAP, None, "of the same size", needed=True),),
    ),
)
