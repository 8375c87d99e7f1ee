"""The modes of direct reconstruction: for each its window, its kernel, its correction.

A sample at k (voxels of the volume) is added to the ``width`` voxels per axis that begin at
floor(k - offset), with the weight g(d, k) where d = voxel - k (`halfmap.model.kernel_values`).
"""

from dataclasses import dataclass, replace
from math import pi
from typing import Any

from halfmap.errors import OptionError
from halfmap.model.compat import Compat


@dataclass(frozen=True, slots=True)
class InsertionMode:
    """What distinguishes a mode from the others."""

    name: str
    offset: float
    width: int
    kernel: str
    """Formula of g: a key of `halfmap.model.kernel_values.FORMULAS`."""
    spread: tuple[float, float, float] = (1.0, 0.0, 0.0)
    """Of a Gaussian exp(-h d²): (a, b, c) of 1/h = a + b |k| + c |k|²."""
    least_sharpness: float = 0.0
    """h is at least this."""
    share: bool = False
    """Samples weigh less the wider their kernel: 1 / (1 + 2 exp(-h))³."""
    weight: str = "value"
    """What is added to the weight of a voxel: the ``value`` of g, its ``magnitude``, or ``one``."""
    correction: str = "none"
    """A key of `halfmap.model.radial_correction.CORRECTIONS`."""
    reach: int = 0
    """Samples up to this far beyond Nyquist, px, are inserted too."""
    inner: bool = False
    """Voxels at Nyquist along x get nothing."""

    @property
    def exact(self) -> bool:
        """Whether samples stay where they are, and a map is fitted to them."""
        return self.kernel == "none"


_I2, _I3, _I5 = 4.0 / pi**2, 6.4 / pi**2, 10.4 / pi**2
"""Squares of the 1/e half-widths of Gaussians, voxels²."""
_WIDENING = (0.15, 0.0, 1.0 / 4000.0)
"""gauss_var widens with |k|, in voxels of the padded volume, as e2make3dpar has it."""

MODES = {
    mode.name: mode
    for mode in (
        InsertionMode("nearest_neighbor", -0.5, 1, "nearest"),
        InsertionMode("trilinear", 0.0, 2, "linear"),
        InsertionMode("gauss_2", 0.0, 2, "gauss", (_I2, 0.0, 0.0), correction="gauss_2"),
        InsertionMode(
            "gauss_3",
            0.5,
            3,
            "gauss",
            (_I3 / 4.0, _I3 / 32.0, 0.0),
            share=True,
            correction="gauss_3",
        ),
        InsertionMode("gauss_5", 2.0, 6, "gauss", (_I5, 0.0, 0.0), correction="gauss_5"),
        InsertionMode("gauss_5_slow", 2.0, 6, "angular", (_I5, 0.0, 0.0), correction="gauss_5"),
        InsertionMode("gauss_var", 2.0, 6, "gauss", _WIDENING, 0.1),
        InsertionMode(
            "gypergeom_5", 1.5, 5, "hypergeometric", weight="magnitude", correction="quartic"
        ),
        InsertionMode("gridding_5", 1.5, 5, "gridding", weight="one", correction="gridding"),
        InsertionMode("gridding_7", 2.5, 7, "gridding", weight="one", correction="gridding"),
        InsertionMode("experimental", 0.0, 2, "gauss", (_I2, 0.0, 0.0)),
        InsertionMode("kaiser_bessel", 1.0, 4, "kaiser_bessel", correction="profile"),
        InsertionMode(
            "kaiser_bessel_derived", 1.0, 4, "kaiser_bessel_derived", correction="profile"
        ),
    )
}
"""By the word after ``--mode``."""

LEAST_SQUARES = InsertionMode("least_squares", 0.0, 0, "none")
"""Nothing is inserted (`halfmap.steps.exact_sums`)."""

ITERATIVE_FIRST = replace(MODES["gauss_var"], name="iterative, first pass", reach=3)
ITERATIVE_NEXT = replace(
    ITERATIVE_FIRST, name="iterative", spread=(2.0, 0.0, 0.0), least_sharpness=0.0
)
"""What is inserted then is what the last map does not explain (`halfmap.steps.iterative`)."""

_WINDOWS: dict[str, dict[str, Any]] = {
    "gauss_5": {"offset": 2.5},
    "gauss_5_slow": {"offset": 2.5},
    "gauss_var": {"offset": 2.5},
    ITERATIVE_FIRST.name: {"offset": 2.5, "inner": True},
    ITERATIVE_NEXT.name: {"offset": 2.5, "inner": True},
}
"""Windows of 6 voxels that are not even."""
_WEIGHTS: dict[str, dict[str, Any]] = {
    "gauss_5_slow": {"weight": "one"},
    "gypergeom_5": {"weight": "value", "correction": "none"},
}
"""Weights that can vanish."""


def insertion_mode(name: str) -> InsertionMode:
    """Return a mode by the word after ``--mode``.

    Raises
    ------
    OptionError
        If there is no such mode.
    """
    listed = {**MODES, LEAST_SQUARES.name: LEAST_SQUARES}
    known = {**listed, "hypergeom_5": MODES["gypergeom_5"]}
    if name not in known:
        raise OptionError(f"--mode: found {name!r}; expected one of {', '.join(sorted(listed))}")
    return known[name]


def as_in_eman2(mode: InsertionMode, compat: Compat) -> InsertionMode:
    """Return a mode with the window and the weights that e2make3dpar has for it, as is wanted."""
    window = _WINDOWS.get(mode.name, {}) if compat.uneven_windows else {}
    weights = _WEIGHTS.get(mode.name, {}) if compat.unstable_weights else {}
    return replace(mode, **window, **weights)
