"""The modes of direct reconstruction: for each its window, its kernel, its correction.

A sample at k (voxels of the volume) is added to the ``width`` voxels per axis that begin at
floor(k - offset), with the weight g(voxel - k).
"""

from dataclasses import dataclass
from math import pi


@dataclass(frozen=True, slots=True)
class InsertionMode:
    """What distinguishes a mode from the others."""

    name: str
    offset: float
    width: int
    kernel: str
    """Formula of g: ``one``, ``linear``, ``gauss`` (exp(-d² / spread))."""
    spread: float = 0.0
    """Of a Gaussian, voxels²."""
    correction: float = 0.0
    """a of the factor exp(a ρ² / Vy²) with which the map is multiplied."""


MODES = {
    mode.name: mode
    for mode in (
        InsertionMode("nearest_neighbor", -0.5, 1, "one"),
        InsertionMode("trilinear", 0.0, 2, "linear"),
        InsertionMode("gauss_2", 0.0, 2, "gauss", 4.0 / pi**2, 4.0),
    )
}
"""By the word after ``--mode``."""
