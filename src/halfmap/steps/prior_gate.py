"""Whether a map that somebody else regularised may take the place of the ordinary one.

The gate does not judge taste. It stops what would ruin the next iteration without a word: numbers
that are none, noise blown up, another grey scale, another object. Reasons for the numbers are in
docs/priors.md.
"""

import numpy as np
import scipy.fft
from jaxtyping import Float, Float32
from numpy import ndarray as Array

from halfmap.model.fourier import shells_3d

MOST_POWER = 4.0
"""A shell may gain this factor in power: twice the amplitude."""
SPREAD = 5e-3
"""And besides this share of the power of the whole map: clipping at zero needs up to 0.0035."""
LEAST_CORRELATION = 0.5
"""With the ordinary map, voxel by voxel, means subtracted."""
LEAST_SCALE = 0.1
"""Slope of the line that predicts the new map from the ordinary one."""


def refusal(ordinary: Float32[Array, "z y x"], made: Float[Array, "z y x"]) -> str:
    """Return why ``made`` may not be used; empty if it may.

    Parameters
    ----------
    ordinary
        The map with the ordinary prior.
    made
        Of the same shape.
    """
    n_bad = made.size - int(np.count_nonzero(np.isfinite(made)))
    if n_bad:
        return f"{n_bad} of {made.size} voxels are NaN or infinite, expected numbers"
    before = np.asarray(ordinary, np.float64)
    after = np.asarray(made, np.float64)
    if np.abs(after).max() > np.finfo(np.float32).max:
        return "voxels are beyond the range of float32"
    return _wrong_power(before, after) or _wrong_map(before, after)


def _wrong_power(before: Float[Array, "z y x"], after: Float[Array, "z y x"]) -> str:
    """Say which shell has gained too much."""
    old, new = shell_power(before), shell_power(after)
    allowed = MOST_POWER * old + SPREAD * old[1:].sum()
    shells = np.flatnonzero(new[1:] > allowed[1:]) + 1  # shell 0, the mean, is no evidence
    if not len(shells):
        return ""
    worst = int(shells[np.argmax(new[shells] / np.maximum(allowed[shells], np.finfo(float).tiny))])
    return (
        f"shell {worst} has a power of {new[worst]:.3g}, expected at most {allowed[worst]:.3g} "
        f"(the ordinary map has {old[worst]:.3g})"
    )


def _wrong_map(before: Float[Array, "z y x"], after: Float[Array, "z y x"]) -> str:
    """Say whether it is another object or another grey scale."""
    old, new = before - before.mean(), after - after.mean()
    squares = float((old * old).sum()), float((new * new).sum())
    cross = float((old * new).sum())
    if squares[0] <= 0.0:
        return ""  # an empty class has nothing to be compared with
    norm = float(np.sqrt(squares[0] * squares[1]))
    correlation = cross / norm if norm > 0.0 else 0.0
    if correlation < LEAST_CORRELATION:
        return (
            f"the correlation with the ordinary map is {correlation:.3f}, expected at least "
            f"{LEAST_CORRELATION:g}"
        )
    scale = cross / squares[0]
    if scale < LEAST_SCALE:
        return (
            f"the grey scale is {scale:.3g} of that of the ordinary map, expected at least "
            f"{LEAST_SCALE:g}"
        )
    return ""


def shell_power(volume: Float[Array, "z y x"]) -> Float[Array, " shell"]:
    """Return the sum of |F|² over each shell from 0 to box/2, F divided by the number of voxels."""
    box = volume.shape[-1]
    n_shells = box // 2 + 1
    power = np.abs(scipy.fft.rfftn(volume, norm="forward")) ** 2
    power[..., 1 : (box + 1) // 2] *= 2.0  # the half that is not stored
    shells = shells_3d(box)[: volume.shape[0]]  # a flat map has the plane kz = 0 only
    inside = shells < n_shells
    return np.bincount(shells[inside], power[inside], minlength=n_shells)
