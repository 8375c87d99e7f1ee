"""What a repair is."""

from collections.abc import Callable

from halfmap.config.checking import CheckOptions
from halfmap.engine.checking.findings import Finding
from halfmap.engine.checking.particle_set import ParticleSet

Repaired = tuple[ParticleSet, list[Finding]]
"""The set as it should be, and what was found; the same set where nothing can be done."""

Repair = Callable[[ParticleSet, CheckOptions], Repaired]
