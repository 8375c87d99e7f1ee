"""What a repair is."""

from collections.abc import Callable

from halfmap.config.checking import CheckOptions
from halfmap.engine.checking.findings import Finding
from halfmap.engine.checking.particle_set import ParticleSet
from halfmap.io.optics_table import PIXEL_SIZES

Repaired = tuple[ParticleSet, list[Finding]]
"""The set as it should be, and what was found; the same set where nothing can be done."""

Repair = Callable[[ParticleSet, CheckOptions], Repaired]


def pixel_size_label(whole: ParticleSet) -> str | None:
    """Return the column of the optics table that gives the pixel size, None if none does."""
    return next((label for label in PIXEL_SIZES if label in whole.optics), None)
