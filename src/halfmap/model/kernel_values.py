"""The weight with which a sample counts for a voxel, as a formula of each mode.

``d`` is voxel - sample and ``k`` the sample, (x, y, z) in voxels of the volume. Backends of
`halfmap.kernels.insertion_protocol` compute the same in other ways.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.model.gridding_kernel import STEPS_PER_VOXEL, gridding_table
from halfmap.model.insertion_kernel import InsertionKernel
from halfmap.model.insertion_modes import InsertionMode
from halfmap.model.kernel_profiles import PROFILES, hypergeometric

TABLE_STEPS = 50.0
"""Steps of the exponent in e2make3dpar's table of the exponential, for each unit."""
TABLE_END = 19.98
VANISHES = 126.0 * np.log(2.0)
"""Exponent beyond which e2make3dpar's exponential is 0: no normal number in single precision."""
CONE_DEG = 1.2
"""gauss_5_slow: 1/e half-width of the angle between sample and voxel."""

Points = Float[Array, "sample 3"]
Values = Float[Array, " sample"]


def kernel_values(kernel: InsertionKernel, d: Points, k: Points) -> Values:
    """Return g."""
    return np.asarray(FORMULAS[kernel.applied.kernel](kernel, d, k))


def added_weights(kernel: InsertionKernel, values: Values) -> Values:
    """Return what is added to the weight of a voxel, of a g.

    A magnitude is scaled so that evenly spread samples give a map its own scale.
    """
    of = kernel.applied.weight
    if of == "value":
        return values
    if of == "one":
        return np.ones_like(values)
    return np.asarray(magnitude_scale(kernel.applied) * np.abs(values))


def sample_shares(mode: InsertionMode, k: Points) -> Values:
    """Return by how much a sample counts, whatever the voxel."""
    if not mode.share:
        return np.ones(len(k))
    return np.asarray((1.0 + 2.0 * np.exp(-sharpness(mode, k))) ** -3)


def sharpness(mode: InsertionMode, k: Points) -> Values:
    """Return h of exp(-h d²)."""
    radius = np.linalg.norm(k, axis=-1)
    a, b, c = mode.spread
    return np.asarray(np.maximum(mode.least_sharpness, 1.0 / (a + b * radius + c * radius**2)))


def _gauss(kernel: InsertionKernel, d: Points, k: Points) -> Values:
    exponent = sharpness(kernel.applied, k) * np.sum(d**2, axis=-1)
    if kernel.compat.tabulated_exp:
        rounded = np.floor(TABLE_STEPS * exponent + 0.5) / TABLE_STEPS
        exponent = np.where(exponent < TABLE_END, rounded, exponent)
        exponent = np.where(exponent > VANISHES, np.inf, exponent)
    return np.asarray(np.exp(-exponent))


def _angular(kernel: InsertionKernel, d: Points, k: Points) -> Values:
    """Fall off with the angle as well, as seen from the origin; that has no angle.

    The origin gets, and gives, its own sample alone; in e2make3dpar nothing at all.
    """
    voxel = d + k
    along, across = np.sum(voxel * k, axis=-1), np.linalg.norm(np.cross(voxel, k), axis=-1)
    product = np.linalg.norm(voxel, axis=-1) * np.linalg.norm(k, axis=-1)
    angle = np.degrees(np.arctan2(across, along))
    narrowed = _gauss(kernel, d, k) * np.exp(-((angle / CONE_DEG) ** 2))
    both = np.sum(voxel**2, axis=-1) + np.sum(k**2, axis=-1) == 0.0
    at_origin = np.where(both, 0.0 if kernel.compat.unstable_weights else 1.0, 0.0)
    return np.asarray(np.where(product > 0.0, narrowed, at_origin))


def _hypergeometric(_: InsertionKernel, d: Points, _k: Points) -> Values:
    return hypergeometric(np.linalg.norm(d, axis=-1))


def _gridding(kernel: InsertionKernel, d: Points, _: Points) -> Values:
    table = scaled_table(kernel)
    z, y, x = table_index(d).T
    return np.asarray(table[z, y, x])


def _product(kernel: InsertionKernel, d: Points, _: Points) -> Values:
    return np.asarray(np.prod(PROFILES[kernel.applied.kernel](d), axis=-1))


def table_index(d: Points) -> Int[Array, "sample 3"]:
    """Return the entry of the gridding table that stands for a distance."""
    return np.asarray(np.floor(STEPS_PER_VOXEL * np.abs(d) + 0.5), np.int64)


def scaled_table(kernel: InsertionKernel) -> Float[Array, "z y x"]:
    """Return the gridding table; unless in e2make3dpar's scale, its mean over a window is 1."""
    mode = kernel.applied
    table = gridding_table(mode.width)
    if kernel.compat.arbitrary_gridding_scale:
        return table
    mirrored = np.where(np.arange(len(table)) > 0, 2.0, 1.0)
    total = np.einsum("zyx,z,y,x", table, mirrored, mirrored, mirrored)
    return np.asarray(table * (STEPS_PER_VOXEL * mode.width) ** 3 / total)


@lru_cache(maxsize=2)
def magnitude_scale(mode: InsertionMode) -> float:
    """Return ∫ g / ∫ |g| over the window, of a radial kernel."""
    side = mode.width * (np.arange(60) + 0.5) / 120.0
    squares = side**2
    values = hypergeometric(np.sqrt(squares[:, None, None] + squares[:, None] + squares))
    return float(values.sum() / np.abs(values).sum())


FORMULAS: dict[str, Callable[[InsertionKernel, Points, Points], Values]] = {
    "gauss": _gauss,
    "angular": _angular,
    "hypergeometric": _hypergeometric,
    "gridding": _gridding,
    **dict.fromkeys(PROFILES, _product),
}
"""By `InsertionMode.kernel`."""
