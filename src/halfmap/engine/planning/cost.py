"""What the expectation of an iteration costs, and how that changes with what is searched."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, slots=True)
class Cost:
    """What the expectation of an iteration takes."""

    particle_s: float
    """CPU seconds of one thread for a particle."""
    coarse_s: float
    """Of them, those that are spent on every coarse state."""
    unit_s: float
    """The same to turn the sums of a unit into integers."""
    slices_s: float
    """The same for all coarse slices of a half."""
    fresh_s: float
    """The same of a thread for the pages of new memory: sums and a grid, once in an iteration."""
    thread_bytes: int
    """Memory of a thread, less the grid of its unit."""
    n_significant: float
    """Coarse states that mattered, in the median."""
    occupied: float = 1.0
    """Directions, of all classes, in which a particle has any weight: which share of all."""
    n_rows: int = 0
    """Coarse slices; 0 where each particle cuts its own."""

    def grown(self, share: float, power: float, cubed: float) -> "Cost":
        """Return the cost in a larger window; ``cubed``: of the voxels."""
        factor = share**power
        return replace(
            self,
            particle_s=self.particle_s * factor,
            coarse_s=self.coarse_s * factor,
            unit_s=self.unit_s * cubed,
            fresh_s=self.fresh_s * cubed,
            slices_s=self.slices_s * factor,
            thread_bytes=int(self.thread_bytes * share**2),
        )

    def where_particles_were(self, share: float) -> "Cost":
        """Return the cost where only a share of the directions is searched.

        Directions in which no particle had any weight have a prior of zero.
        """
        if self.n_rows == 0:
            return self
        return replace(
            self,
            particle_s=self.particle_s - (1.0 - share) * self.coarse_s,
            coarse_s=share * self.coarse_s,
            slices_s=share * self.slices_s,
            n_rows=max(1, round(share * self.n_rows)),
        )

    def occupied_by(self, n: float) -> float:
        """Return the share of the directions in which any of ``n`` particles has any weight."""
        return float(-np.expm1(n * np.log1p(-min(self.occupied, 1.0 - 1e-9))))
