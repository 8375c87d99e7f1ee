"""What a run itself says about a set: its own reading and its own look at the stacks."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from numpy import ndarray as Array

from halfmap.config.checking import CheckOptions
from halfmap.engine.checking.findings import Finding, Severity
from halfmap.engine.checking.particle_set import ParticleSet
from halfmap.errors import DataError
from halfmap.io.particle_table import particles_of
from halfmap.io.problems import ListedError
from halfmap.io.stack_check import check_stacks
from halfmap.model.particles import Particles


@dataclass(frozen=True, slots=True)
class Verdict:
    """The particles as a run would have them, or why not."""

    particles: Particles | None
    order: Int[Array, " particle"]
    """Row of the set of each of them: a run sorts by micrograph."""
    findings: tuple[Finding, ...]


def judge(whole: ParticleSet, options: CheckOptions) -> Verdict:
    """Read a set as ``halfmap refine`` would."""
    order = np.arange(len(whole))
    if "rlnMicrographName" in whole.particles:
        order = np.argsort(whole.particles["rlnMicrographName"], kind="stable")
    split = "rlnRandomSubset" in whole.particles and {1.0, 2.0} <= set(
        whole.floats("rlnRandomSubset").tolist()
    )
    if options.no_stacks and "rlnImageSize" not in whole.optics:
        # A run reads it from the stacks; any even box does here.
        whole = whole.with_optics({"rlnImageSize": np.full(len(whole.optics["rlnOpticsGroup"]), 2)})
    try:
        particles, _, _ = particles_of(
            whole.star, ctf=not options.no_ctf, half_seed=0 if split else None
        )
        if not options.no_stacks:
            check_stacks(particles)
    except DataError as error:
        return Verdict(None, order, findings_of(error))
    return Verdict(particles, order, ())


def findings_of(error: DataError) -> tuple[Finding, ...]:
    """Return the problems of an error, one by one."""
    texts = error.problems if isinstance(error, ListedError) else (str(error),)
    return tuple(Finding(Severity.PROBLEM, text.rstrip(".")) for text in texts)
