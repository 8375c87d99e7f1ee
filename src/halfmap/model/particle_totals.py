"""Sums over the particles of a half-set of what each of them reports.

Taken on the leader, in particle order, when all reports are there: the same bits whoever
computed what, and when.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.model.particles import Particles


class ParticleReports(Protocol):
    """What the expectation reports of each particle, one row each."""

    @property
    def class_weight(self) -> Float[Array, "particle class"]:
        """Posterior of each class; sums to nearly one."""

    @property
    def class_offset_A(self) -> Float[Array, "particle class 2"]:
        """Offset (x, y) in each class, times its posterior."""

    @property
    def norm(self) -> Float[Array, " particle"]:
        """New normalisation correction."""

    @property
    def scale_signal(self) -> Float[Array, " particle"]:
        """Image times model, for the intensity scale."""

    @property
    def scale_power(self) -> Float[Array, " particle"]:
        """Model squared, for the intensity scale."""

    @property
    def offset_power_A2(self) -> Float[Array, " particle"]:
        """Squared distance (x² + y²) of the offset from its class's mean, times the posterior."""

    @property
    def log_likelihood(self) -> Float[Array, " particle"]:
        """Contribution to the log-likelihood."""

    @property
    def max_probability(self) -> Float[Array, " particle"]:
        """Largest posterior."""


@dataclass(frozen=True, slots=True)
class ParticleTotals:
    """Sums over particles; all of one half-set that its next statistics need from the leader."""

    n_particles: int
    class_weight: Float[Array, " class"]
    class_offset_A: Float[Array, "class 2"]
    optics_weight: Float[Array, " optics"]
    norm: float
    group_particles: Int[Array, " group"]
    """Particles of each scale group."""
    scale_signal: Float[Array, " group"]
    scale_power: Float[Array, " group"]
    offset_power_A2: float
    log_likelihood: float
    max_probability: float

    @property
    def weight(self) -> float:
        """Posterior weight of all particles and classes; nearly their number."""
        return float(self.class_weight.sum())

    @classmethod
    def of_rows(
        cls, reports: ParticleReports, particles: Particles, rows: Int[Array, " row"]
    ) -> "ParticleTotals":
        """Sum over some rows of the table, in the order given.

        Parameters
        ----------
        reports
            Of all particles.
        particles
            The whole table: which groups the particles belong to.
        rows
            Which particles count.
        """
        scale_group, n_groups = particles.scale_group[rows], len(particles.scale_groups)
        class_weight = reports.class_weight[rows]

        def by_group(values: Float[Array, " row"] | None) -> Array:
            return np.bincount(scale_group, values, minlength=n_groups)

        return cls(
            n_particles=len(rows),
            class_weight=class_weight.sum(axis=0),
            class_offset_A=reports.class_offset_A[rows].sum(axis=0),
            optics_weight=np.bincount(
                particles.optics_group[rows],
                class_weight.sum(axis=1),
                minlength=len(particles.optics),
            ),
            norm=float(reports.norm[rows].sum()),
            group_particles=by_group(None),
            scale_signal=by_group(reports.scale_signal[rows]),
            scale_power=by_group(reports.scale_power[rows]),
            offset_power_A2=float(reports.offset_power_A2[rows].sum()),
            log_likelihood=float(reports.log_likelihood[rows].sum()),
            max_probability=float(reports.max_probability[rows].sum()),
        )
