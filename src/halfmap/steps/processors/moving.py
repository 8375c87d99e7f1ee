"""``xform``: pictures moved, turned, mirrored, averaged over a symmetry."""

from typing import Any

import numpy as np
import scipy.fft
import scipy.ndimage
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.model.eman_orientations import eman_matrices
from halfmap.model.eman_symmetry import eman_point_group
from halfmap.steps.processors.picture import Given, Kind, Parameter, Picture, Processor

_AXES = {"x": -1, "y": -2, "z": -3}


def moved(
    values: Float[Array, "..."], rotation: Float[Array, "3 3"], shift_px: Float[Array, " xyz"]
) -> Float[Array, "..."]:
    """Return a picture whose content at r is brought to ``rotation r + shift``.

    Linear between voxels; 0 where the content comes from outside.

    Parameters
    ----------
    values
        (y, x) or (z, y, x).
    rotation
        About the pixel n // 2; of an image, the upper left corner counts.
    shift_px
        (x, y, z) or (x, y).
    """
    n = values.ndim
    # Array axes run the other way: (z, y, x).
    inverse = rotation[:n, :n].T[::-1, ::-1]
    centre = np.array(values.shape) // 2
    start = centre - inverse @ (centre + np.asarray(shift_px)[:n][::-1])
    values = values.astype(np.float64)
    return np.asarray(scipy.ndimage.affine_transform(values, inverse, start, order=1))


def transform(picture: Picture, given: Given) -> Picture:
    """Turn and move."""
    turns = ("az", "alt", "phi")
    if picture.values.ndim == 2:
        if any(given[name] for name in ("az", "alt")):
            raise DataError("xform: found az= or alt= for an image, expected alpha=")
        angles = np.array([0.0, 0.0, float(given["alpha"] + given["phi"])])
    else:
        angles = np.array([given[name] for name in turns], np.float64)
    shift = np.array([given[f"t{axis}"] for axis in "xyz"], np.float64)
    return picture.with_values(moved(picture.values, eman_matrices(angles), shift))


def flip(picture: Picture, given: Given) -> Picture:
    """Mirror about the pixel n // 2."""
    axis = _axis(picture, given)
    flipped = np.flip(picture.values, axis).copy()
    if picture.values.shape[axis] % 2 == 0:
        flipped = np.roll(flipped, 1, axis)
        np.moveaxis(flipped, axis, 0)[0] = 0.0
    return picture.with_values(flipped)


def mirror(picture: Picture, given: Given) -> Picture:
    """Turn the order of pixels round."""
    return picture.with_values(np.flip(picture.values, _axis(picture, given)))


def _axis(picture: Picture, given: Given) -> int:
    letters = "xyz"[: picture.values.ndim]
    if given["axis"] not in tuple(letters):
        raise DataError(f"found axis={given['axis']}, expected one of {', '.join(letters)}")
    return _AXES[given["axis"]]


def centre_of_mass(picture: Picture, given: Given) -> Picture:
    """Bring the centre of mass to the pixel n // 2."""
    values = picture.values.astype(np.float64)
    heavy = np.where(values > given["threshold"], values, 0.0)
    if heavy.sum() == 0.0:
        return picture
    at: Any = scipy.ndimage.center_of_mass(heavy)
    shift = np.array(values.shape) // 2 - np.array(at)
    if given["int_shift_only"]:
        shift = np.rint(shift)
    return picture.with_values(scipy.ndimage.shift(values, shift, order=1))


def symmetrise(picture: Picture, given: Given) -> Picture:
    """Average over the operators of a point group."""
    if picture.values.ndim != 3:
        raise DataError("xform.applysym: found an image, expected a map (z, y, x)")
    operators = eman_point_group(str(given["sym"])).right
    total = picture.values.astype(np.float64)
    for operator in operators:
        total = total + moved(picture.values, operator, np.zeros(3))
    return picture.with_values(total / (len(operators) + 1))


def to_corner(picture: Picture, _: Given) -> Picture:
    """Bring the pixel n // 2 to index 0."""
    return picture.with_values(scipy.fft.ifftshift(picture.values))


def to_centre(picture: Picture, _: Given) -> Picture:
    """Bring index 0 to the pixel n // 2."""
    return picture.with_values(scipy.fft.fftshift(picture.values))


_AXIS = (Parameter("axis", Kind.TEXT, None, "x, y or z", needed=True),)
MOVING = (
    Processor(
        "xform",
        "turned about n // 2 and moved, linear between pixels, 0 from outside",
        transform,
        (
            Parameter("alpha", Kind.NUMBER, 0, "rotation of an image, degrees"),
            *(
                Parameter(name, Kind.NUMBER, 0, "Euler angle as EMAN2 has it, degrees")
                for name in ("az", "alt", "phi")
            ),
            *(Parameter(f"t{axis}", Kind.NUMBER, 0, f"along {axis}, px") for axis in "xyz"),
        ),
    ),
    Processor("xform.flip", "mirrored about n // 2; 0 where nothing comes to lie", flip, _AXIS),
    Processor("xform.mirror", "the order of pixels turned round; n // 2 moves", mirror, _AXIS),
    Processor(
        "xform.centerofmass",
        "moved so that the centre of mass of the values above threshold is at n // 2",
        centre_of_mass,
        (
            Parameter("threshold", Kind.NUMBER, 0, "what counts is above it"),
            Parameter("int_shift_only", Kind.FLAG, 1, "move by whole pixels"),
        ),
    ),
    Processor(
        "xform.applysym",
        "mean over a point group, linear between voxels",
        symmetrise,
        (Parameter("sym", Kind.TEXT, None, "as of --sym", needed=True),),
    ),
    Processor("xform.phaseorigin.tocorner", "the pixel n // 2 comes to index 0", to_corner),
    Processor("xform.phaseorigin.tocenter", "index 0 comes to the pixel n // 2", to_centre),
)
