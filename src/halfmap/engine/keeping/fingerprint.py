"""What the sums of an iteration depend on, as one short text.

Two runs whose fingerprints agree compute the same bytes for the same units: so sums of one can be
taken by the other. The fingerprint covers all arguments of a unit's computation, not a list of
options that somebody must keep complete.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy import ndarray as Array

import halfmap
from halfmap.engine.job import Job
from halfmap.engine.keeping.digest import digest
from halfmap.model.particles import Poses
from halfmap.parallel.units import Unit
from halfmap.steps.search import Search


def fingerprint(
    job: Job, search: Search, poses: Poses, units: Sequence[Unit], iteration: int
) -> str:
    """Return the fingerprint of the sums of one half in one iteration.

    Parameters
    ----------
    search
        Of the half and any image geometry. Its model holds the maps: of other ranks than a
        half's root it may not.
    poses
        Of all particles, before the iteration.
    units
        Of the iteration.
    """
    plan = replace(search.plan, images=job.images[0])
    made_by = (halfmap.__version__, np.__version__, type(job.kernels).__name__)
    read = (job.source.form, job.cut_size, job.options.normalise)
    images = (job.images, job.geometry, read, job.padding, job.shown)
    state = (iteration, search.model, plan, poses)
    return digest((made_by, job.data_digest, images, state, _cut(units)))


def _cut(units: Sequence[Unit]) -> tuple[Array, ...]:
    """Return the units as few arrays: there may be tens of thousands."""
    kinds = np.array([(unit.number, unit.half, unit.geometry, len(unit.rows)) for unit in units])
    return kinds, np.concatenate([unit.rows for unit in units])
