"""Sum a padded transform over symmetry operators, in place: a gather, spherical shell by shell.

The mates of a voxel are as far from the origin as itself, and interpolation looks no further than a
cell's diagonal. So a shell is computed into memory of its own, from the outermost inwards, and
written back when the next one, which still needs what was there, is computed.

Voxels are visited in small cubes, all operators for one cube before the next: a rotated cube is
still small, and stays in the cache, while a rotated row would touch a new line at every step.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int
from numba import njit
from numpy import ndarray as Array

from halfmap.kernels.numba_cpu.options import EXACT
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.touched_voxels import row_starts

CUBE = 8
THINNEST = 2
"""Padded voxels: more than a cell's diagonal."""
MOST_SHELLS = 16
"""Of about as many voxels: two of them are held besides the sums."""
VOXEL_BYTES, ROW_BYTES = 3 * 8, 64
"""Of a row, with what finding its voxels takes for a while."""


def shell_radii(sphere: PaddedSphere) -> list[int]:
    """Return the radii between shells, in padded voxels, from the outermost inwards.

    >>> shell_radii(PaddedSphere(8, 2.0))
    [16, 14, 12, 10, 8, 6, 4, 2, 0]
    """
    radii, reach = [sphere.reach], sphere.reach
    for inner in range(MOST_SHELLS - 1, 0, -1):
        wanted = round(reach * (inner / MOST_SHELLS) ** (1.0 / 3.0))
        radius = min(wanted, radii[-1] - THINNEST)
        if radius >= THINNEST:
            radii.append(radius)
    return [*radii, 0]


def largest_shell(sphere: PaddedSphere) -> int:
    """Return more voxels than any shell has: room is made for so many, twice."""
    radii = np.array(shell_radii(sphere), np.float64)
    balls = (radii[:-1] + 1.0) ** 3 - np.maximum(radii[1:] - 1.0, 0.0) ** 3
    return int(2.0 * np.pi / 3.0 * balls.max() + np.pi * (sphere.reach + 1.0) ** 2) + 1


def n_bytes_of_symmetrising(sphere: PaddedSphere) -> int:
    """Return what `ShellsInPlace` takes besides the sums: two shells, and where their rows are."""
    n_z, n_y, _ = sphere.shape
    return 2 * VOXEL_BYTES * largest_shell(sphere) + ROW_BYTES * n_z * n_y


class _Spans(NamedTuple):
    """The voxels of a shell, row by row."""

    first: Int[Array, " row"]
    """Their first x."""
    last: Int[Array, " row"]
    """Their last x; less than the first where there are none."""
    offset: Int[Array, " row"]
    """Where x = 0 would stand among all voxels of the shell."""


class ShellsInPlace:
    """The shells of some sums, computed and written in pieces that anyone may do."""

    def __init__(
        self,
        values: Float64[Array, "voxel 3"],
        sphere: PaddedSphere,
        operators: Float[Array, "operator 3 3"],
    ) -> None:
        """Take what is to be summed over operators.

        Parameters
        ----------
        values
            Signal and weight, packed (`halfmap.model.touched_voxels`); the plane x = 0 Hermitian.
        sphere
            Whose voxels they are.
        operators
            Matrices that act on (x, y, z), without the identity.
        """
        self._sums = values, row_starts(sphere)
        self._operators = np.ascontiguousarray(operators, dtype=np.float64)
        self._reach, self._square = sphere.reach, sphere.squared_radius(x=slice(0, 1)).ravel()
        self._radii = shell_radii(sphere)
        self._spans: dict[int, _Spans] = {}
        self.n_shells = len(self._radii) - 1
        self.n_pieces = -(-(2 * self._reach + 1) // CUBE)
        """Slabs of planes of constant z."""

    def begin(self, shell: int) -> None:
        """Find the voxels of a shell, and forget those of the last but one."""
        high, low = self._radii[shell] ** 2, self._low(shell)
        last = np.floor(np.sqrt(np.maximum(high - self._square, 0))).astype(np.int32)
        last[self._square > high] = -1
        below = np.floor(np.sqrt(np.maximum(low - self._square, 0))).astype(np.int32)
        first = np.where(self._square > low, 0, below + 1)
        ends = np.cumsum(np.maximum(last + 1 - first, 0), dtype=np.int64)
        starts = np.concatenate([[0], ends[:-1]])
        self._spans = {s: spans for s, spans in self._spans.items() if s == shell - 1}
        self._spans[shell] = _Spans(first.astype(np.int32), last, starts - first)

    def compute(self, shell: int, kept: Float64[Array, "voxel 3"], piece: int) -> None:
        """Sum over the operators in a piece of a shell; the sums stay as they are."""
        between = self._low(shell), self._radii[shell] ** 2
        first = piece * CUBE - self._reach
        where = self._reach, first, between
        _compute_planes(self._sums, self._operators, where, self._spans[shell].offset, kept)

    def write(self, shell: int, kept: Float64[Array, "voxel 3"], piece: int) -> None:
        """Replace a piece of a shell by what was computed."""
        first = piece * CUBE - self._reach
        _write_planes(self._sums, (self._reach, first), self._spans[shell], kept)

    def _low(self, shell: int) -> int:
        """Return the largest K² that lies within the shell, and is not of it."""
        inner = self._radii[shell + 1]
        return inner**2 if inner > 0 else -1


@njit(**EXACT)
def _write_planes(sums, where, spans, kept):  # type: ignore[no-untyped-def]
    values, rows = sums
    reach, plane = where
    half = reach + 1
    n_y = 2 * half + 1
    for z in range(plane, min(plane + CUBE, reach + 1)):
        for row in range((z + half) * n_y, (z + half + 1) * n_y):
            for x in range(spans.first[row], spans.last[row] + 1):
                for i in range(3):
                    values[rows[row] + x, i] = kept[spans.offset[row] + x, i]


@njit(**EXACT)
def _compute_planes(sums, operators, where, offset, kept):  # type: ignore[no-untyped-def]
    reach, z, between = where
    for y in range(-reach, reach + 1, CUBE):
        for x in range(0, reach + 1, CUBE):
            if _meets((z, y, x), between):
                cube = reach, (z, y, x), between
                _copy_cube(sums, cube, offset, kept)
                for n in range(operators.shape[0]):
                    _add_cube(sums, operators[n], cube, offset, kept)


@njit(inline="always", **EXACT)
def _meets(first, between):  # type: ignore[no-untyped-def]
    """Whether a cube has voxels whose K² is above the one and at most the other."""
    nearest, farthest = 0, 0
    for i in range(3):
        a, b = first[i], first[i] + CUBE - 1
        nearest += 0 if a <= 0 <= b else min(a * a, b * b)
        farthest += max(a * a, b * b)
    return nearest <= between[1] and farthest > between[0]


@njit(**EXACT)
def _copy_cube(sums, cube, offset, kept):  # type: ignore[no-untyped-def]
    values, rows = sums
    reach, first, between = cube
    half = reach + 1
    for z in range(first[0], first[0] + CUBE):
        for y in range(first[1], first[1] + CUBE):
            for x in range(first[2], first[2] + CUBE):
                if between[0] < x * x + y * y + z * z <= between[1]:
                    row = (z + half) * (2 * half + 1) + y + half
                    for i in range(3):
                        kept[offset[row] + x, i] = values[rows[row] + x, i]


@njit(**EXACT)
def _add_cube(sums, r, cube, offset, kept):  # type: ignore[no-untyped-def]
    values, rows = sums
    reach, first, between = cube
    half = reach + 1
    for z in range(first[0], first[0] + CUBE):
        for y in range(first[1], first[1] + CUBE):
            for x in range(first[2], first[2] + CUBE):
                if between[0] < x * x + y * y + z * z <= between[1]:
                    rx = r[0, 0] * x + r[0, 1] * y + r[0, 2] * z
                    ry = r[1, 0] * x + r[1, 1] * y + r[1, 2] * z
                    rz = r[2, 0] * x + r[2, 1] * y + r[2, 2] * z
                    mirrored = rx < 0.0
                    if mirrored:
                        rx, ry, rz = -rx, -ry, -rz
                    found = _interpolate(values, rows, half, (rx, ry + half, rz + half))
                    own = offset[(z + half) * (2 * half + 1) + y + half] + x
                    kept[own, 0] += found[0]
                    kept[own, 1] += -found[1] if mirrored else found[1]
                    kept[own, 2] += found[2]


@njit(**EXACT)
def _interpolate(values, rows, half, point):  # type: ignore[no-untyped-def]
    x, y, z = point
    n_rows = 2 * half + 1  # of a plane
    i, row = int(x), int(z) * n_rows + int(y)
    fx, fy, fz = x - i, y - int(y), z - int(z)
    parts = (1.0 - fz) * (1.0 - fy), (1.0 - fz) * fy, fz * (1.0 - fy), fz * fy
    corners = (
        rows[row] + i,
        rows[row + 1] + i,
        rows[row + n_rows] + i,
        rows[row + n_rows + 1] + i,
    )
    return (
        _between(values[:, 0], corners, parts, fx),
        _between(values[:, 1], corners, parts, fx),
        _between(values[:, 2], corners, parts, fx),
    )


@njit(inline="always", **EXACT)
def _between(values, corners, parts, fx):  # type: ignore[no-untyped-def]
    left, right = 0.0, 0.0
    for j in range(4):
        left += parts[j] * values[corners[j]]
        right += parts[j] * values[corners[j] + 1]
    return left + fx * (right - left)
