"""The kernels of the gridding modes: compact in Fourier space, and nearly so in real space.

They are made by projecting in turns: nothing outside a box in real space, nothing beyond a few
coefficients in Fourier space. The grid is 3 times finer than voxels are, in both senses: 768 points
of which the box is 236. Both constraints are products over the axes, so that a turn is one small
matrix for each axis, applied to the few coefficients that survive; no transform of 768³ points is
made. Only the start, a ball, is not a product: its coefficients are three sums in a row.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Complex, Float
from numpy import ndarray as Array

FINE = 768
"""Points of an axis."""
STEPS_PER_VOXEL = 3
FIRST, LAST = -118, 117
"""The box."""
BALL = 72.0
"""Radius within which the start is 1; beyond, it falls like a Gaussian as wide."""
TURNS = 64
VOXELS = 256.0
"""The kernel is scaled as the transform of a volume of so many voxels an axis."""


@lru_cache(maxsize=4)
def gridding_table(width: int) -> Float[Array, "z y x"]:
    """Return the kernel at multiples of 1/3 voxel, from 0, along each axis.

    Parameters
    ----------
    width
        Voxels of the window; the kernel ends at half of it.
    """
    last = (STEPS_PER_VOXEL * width - 1) // 2
    index = np.arange(-last, last + 1)
    box = np.arange(FIRST, LAST + 1)
    waves = np.exp(-2j * np.pi * np.outer(index, box) / FINE)
    turn = waves @ waves.conj().T / FINE
    values = _along_axes(waves, _ball(box))
    for _ in range(TURNS - 1):
        values = _along_axes(turn, values)
    table = np.zeros((last + 2,) * 3)
    table[:-1, :-1, :-1] = values[last:, last:, last:] / VOXELS**3
    table.flags.writeable = False
    return table


def _ball(box: Array) -> Float[Array, "z y x"]:
    squares = box.astype(np.float64) ** 2
    radius = np.sqrt(squares[:, None, None] + squares[:, None] + squares)
    return np.asarray(np.exp(-((np.maximum(radius - BALL, 0.0) / BALL) ** 2)))


def _along_axes(
    matrix: Complex[Array, "new old"], values: Float[Array, "old old old"]
) -> Float[Array, "new new new"]:
    """Apply a matrix along each axis; what is imaginary is projected away."""
    for _ in range(3):
        values = np.tensordot(values, matrix, axes=(0, 1))  # the next axis comes to the front
    return np.ascontiguousarray(values.real)
