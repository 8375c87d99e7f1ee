"""Gathers what the units return into one row a particle, whatever the order of arrival."""

from dataclasses import fields, replace

import numpy as np
from jaxtyping import Bool
from numpy import ndarray as Array

from halfmap.model.particle_totals import ParticleTotals
from halfmap.model.particles import Particles, Poses
from halfmap.parallel.units import Unit
from halfmap.steps.expectation import UnitResult

NOT_SEEN = 255
"""Of a particle that does not take part in an iteration; beside the faults of images."""


class ParticleResults:
    """The results of all particles of an iteration, filled unit by unit; on the leader.

    Sums over particles are taken in particle order when all are there: the same bits
    whoever computed what, and when.
    """

    def __init__(self, n_particles: int, n_classes: int) -> None:
        self.rows = UnitResult.empty(n_particles, n_classes)
        self.rows.fault[:] = NOT_SEEN

    def accept(self, unit: Unit, result: UnitResult) -> None:
        """Store the results of a unit."""
        for field in fields(UnitResult):
            getattr(self.rows, field.name)[unit.rows] = getattr(result, field.name)

    @property
    def good(self) -> Bool[Array, " particle"]:
        """Which particles took part."""
        return np.asarray(self.rows.fault == 0)

    def poses(self, before: Poses) -> Poses:
        """Return the new poses; particles that did not take part keep their old ones."""
        found = {
            field.name: np.where(
                self.good.reshape(-1, *[1] * (getattr(before, field.name).ndim - 1)),
                getattr(self.rows, field.name),
                getattr(before, field.name),
            )
            for field in fields(Poses)
        }
        return replace(before, **found)

    def totals(self, particles: Particles, half: int) -> ParticleTotals:
        """Sum over the good particles of one half, in particle order."""
        rows = np.flatnonzero(self.good & (particles.half == half))
        return ParticleTotals.of_rows(self.rows, particles, rows)
