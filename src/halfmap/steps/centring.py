"""Moving a map to its centre of mass, so that a class does not drift out of its box."""

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray as Array


def centred(volume: Float32[Array, "z y x"], max_shift_px: float) -> Float32[Array, "z y x"]:
    """Shift a map by minus its centre of mass; what comes from outside is zero.

    Parameters
    ----------
    volume
        One plane (z == 1) is shifted along y and x.
    max_shift_px
        A longer shift is shortened to this.
    """
    shift = -centre_of_mass(volume)
    length = float(np.linalg.norm(shift))
    if length > max_shift_px:
        shift *= max_shift_px / length
    return shifted(volume, shift)


def centre_of_mass(volume: Float32[Array, "z y x"]) -> Float[Array, " 3"]:
    """Return the mean place (z, y, x) of the positive voxels, from voxel n // 2; 0 if none is."""
    mass = np.maximum(volume, 0.0)
    total = float(mass.sum(dtype=np.float64))
    if total <= 0.0:
        return np.zeros(3)
    others = ((1, 2), (0, 2), (0, 1))
    profiles = (mass.sum(axis=axes, dtype=np.float64) for axes in others)
    return np.array([float(p @ (np.arange(len(p)) - len(p) // 2)) / total for p in profiles])


def shifted(
    volume: Float32[Array, "z y x"], shift_px: Float[Array, " 3"]
) -> Float32[Array, "z y x"]:
    """Move a map by (z, y, x) px, linearly interpolated; zero beyond the outermost voxels.

    >>> shifted(np.array([[[1.0, 2.0, 4.0]]]), np.array([0.0, 0.0, 0.5])).ravel().tolist()
    [0.0, 1.5, 3.0]
    """
    moved = np.asarray(volume, np.float64)
    for axis, by in enumerate(shift_px):
        whole = int(np.floor(by))
        rest = float(by) - whole
        moved = (1.0 - rest) * _moved(moved, axis, whole) + rest * _moved(moved, axis, whole + 1)
        source = np.arange(moved.shape[axis]) - by
        outside = (source < 0.0) | (source > moved.shape[axis] - 1)
        np.moveaxis(moved, axis, 0)[outside] = 0.0
    return moved.astype(np.float32)


def _moved(values: Float[Array, "z y x"], axis: int, by: int) -> Float[Array, "z y x"]:
    """Move values by whole voxels along an axis."""
    n = values.shape[axis]
    kept = max(0, n - abs(by))
    source = slice(max(0, -by), max(0, -by) + kept)
    target = slice(max(0, by), max(0, by) + kept)
    moved = np.zeros_like(values)
    np.moveaxis(moved, axis, 0)[target] = np.moveaxis(values, axis, 0)[source]
    return moved
