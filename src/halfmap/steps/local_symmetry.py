"""Averaging parts of a map that are alike although the whole is not, in real space."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray as Array
from scipy.ndimage import affine_transform

from halfmap.model.local_symmetry import Operator


def symmetrise_locally(
    volume: Float32[Array, "z y x"],
    regions: Iterable[tuple[Float[Array, "z y x"], tuple[Operator, ...]]],
    pixel_size_A: float,
) -> Float32[Array, "z y x"]:
    """Replace alike parts of a map by their average; the rest stays.

    Parameters
    ----------
    regions
        Mask of one part, 0 to 1, and the operators to its copies; read one after the other.
    pixel_size_A
        Of the map.

    Returns
    -------
    map
        Where masks and moved masks add up to w: their average for w >= 1, mixed with
        ``1 - w`` of the old map below.
    """
    sums = np.zeros(volume.shape)
    weight = np.zeros(volume.shape)
    double = volume.astype(np.float64)
    for mask, operators in regions:
        _add_region(sums, weight, double, (mask, operators), pixel_size_A)
    partial = sums + (1.0 - weight) * double
    averaged = np.divide(sums, weight, out=partial, where=weight > 1.0)
    return averaged.astype(np.float32)


def _add_region(
    sums: Float[Array, "z y x"],
    weight: Float[Array, "z y x"],
    volume: Float[Array, "z y x"],
    region: tuple[Float[Array, "z y x"], tuple[Operator, ...]],
    pixel_size_A: float,
) -> None:
    """Add the average of a part, where it lies and where its copies lie, and its mask likewise."""
    mask, operators = region
    own = _Block.around(mask)
    moves = [_Move.of(operator, pixel_size_A, len(volume)) for operator in operators]
    mean = volume[own.index].copy()
    for move in moves:
        mean += move.fetch(volume, own)
    mean *= mask[own.index] / (len(moves) + 1)
    for target, values in ((sums, mean), (weight, mask[own.index])):
        target[own.index] += values
        for move in moves:
            block = move.image(own, volume.shape)
            target[block.index] += move.put(values, own, block)


@dataclass(frozen=True, slots=True)
class _Block:
    """Voxels from ``low`` up to, not including, ``high`` along z, y, x."""

    low: tuple[int, ...]
    high: tuple[int, ...]

    @classmethod
    def around(cls, mask: Float[Array, "z y x"]) -> "_Block":
        """Return the block that holds what is not zero, and a voxel of zeros around it."""
        inside = [np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
        low = tuple(max(0, int(i[0]) - 1) for i in inside)
        high = tuple(min(n, int(i[-1]) + 2) for i, n in zip(inside, mask.shape, strict=True))
        return cls(low, high)

    @property
    def index(self) -> tuple[slice, ...]:
        return tuple(slice(low, high) for low, high in zip(self.low, self.high, strict=True))

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(high - low for low, high in zip(self.low, self.high, strict=True))


@dataclass(frozen=True, slots=True)
class _Move:
    """An operator on voxel indices (z, y, x): index -> matrix @ index + offset."""

    matrix: Float[Array, "3 3"]
    offset: Float[Array, " 3"]

    @classmethod
    def of(cls, operator: Operator, pixel_size_A: float, box: int) -> "_Move":
        # Rounded, because 90° must not lead out of the map by 1e-16 of a voxel.
        matrix = np.round(operator.rotation[::-1, ::-1], 12)
        centre = np.full(3, float(box // 2))
        return cls(matrix, centre - matrix @ centre + operator.shift_A[::-1] / pixel_size_A)

    def fetch(self, volume: Float[Array, "z y x"], block: _Block) -> Float[Array, "z y x"]:
        """Return what lies at the images of the voxels of a block; zero outside the map."""
        offset = self.offset + self.matrix @ np.array(block.low, np.float64)
        return _sampled(volume, self.matrix, offset, block.shape)

    def put(
        self, values: Float[Array, "z y x"], source: _Block, target: _Block
    ) -> Float[Array, "z y x"]:
        """Return the values of one block, moved, in another; zero where none arrive."""
        back = self.matrix.T
        low = np.array(target.low, np.float64) - self.offset
        return _sampled(values, back, back @ low - np.array(source.low), target.shape)

    def image(self, block: _Block, shape: tuple[int, ...]) -> _Block:
        """Return the block inside the map that holds the image of a block."""
        ends = np.array([block.low, block.high], np.float64) - [[0], [1]]
        corners = np.stack(np.meshgrid(*ends.T, indexing="ij"), axis=-1).reshape(-1, 3)
        moved = corners @ self.matrix.T + self.offset
        low = np.clip(np.floor(moved.min(axis=0)), 0, shape).astype(int)
        high = np.clip(np.ceil(moved.max(axis=0)) + 1, low, shape).astype(int)
        return _Block(tuple(low.tolist()), tuple(high.tolist()))


def _sampled(
    values: Float[Array, "z y x"],
    matrix: Float[Array, "3 3"],
    offset: Float[Array, " 3"],
    shape: tuple[int, ...],
) -> Float[Array, "z y x"]:
    """Interpolate linearly at ``matrix @ index + offset``; zero beyond the outermost voxels."""
    if 0 in shape:
        return np.zeros(shape)
    moved = affine_transform(
        values, matrix, offset, output_shape=shape, order=1, mode="constant", prefilter=False
    )
    return np.asarray(moved)
