"""The padded transform of a map as one array, from the pieces of `CroppedForward`."""

import numpy as np

from halfmap.model.padded_transform import CroppedForward


def dense_transform(volume: np.ndarray, padded: int, half: int) -> np.ndarray:
    """Return ``[z + half, y + half, x]``, one plane of a picture; zero beyond Nyquist."""
    depth, box, _ = volume.shape
    way = CroppedForward(half, (depth, box), padded)
    lines = np.empty(way.lines_shape, complex)
    for plane, out in zip(volume, lines, strict=True):
        way.fill_plane(plane, out)
    half_z = 0 if depth == 1 else half
    whole = np.zeros((2 * half_z + 1, 2 * half + 1, half + 1), complex)
    z = np.arange(-half_z, half_z + 1)
    z = z[2 * np.abs(z) <= padded]
    phase_z, phase_y = way.phase
    for x in way.blocks:
        for first, column in way.columns(x, lines):
            y = slice(first + half, first + half + column.shape[1])
            turn = phase_z[z + half_z][:, None] * phase_y[y]
            whole[z + half_z, y, x] = column[z % len(column)] * turn[..., None]
    return whole
