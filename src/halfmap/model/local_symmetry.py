"""Parts of a map that are alike although the whole is not: masks, and where their copies lie.

An operator moves a point x of the masked part to R x + t of its copy; coordinates count from the
voxel n // 2, R is the matrix of the Euler angles (`halfmap.model.rotations`).
"""

from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from numpy import ndarray as Array


@dataclass(frozen=True, slots=True)
class Operator:
    """From the masked part to one of its copies."""

    rotation: Float[Array, "3 3"]
    """Acts on (x, y, z)."""
    shift_A: Float[Array, " 3"]
    """Along x, y, z."""


@dataclass(frozen=True, slots=True)
class AlikeRegion:
    """One part of the map and its copies."""

    mask_file: Path
    """1 where the part is, 0 to 1; read when it is needed: there may be many."""
    operators: tuple[Operator, ...]
    """To the copies; the part itself is not among them."""
