"""How accurate the run will find its poses to be, in maps as they are expected.

The estimate is the run's own (`halfmap.steps.accuracy`), which looks at no image: with fewer
trials, orientations drawn at random, and a window that ends where the map does.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from halfmap.engine.job import Job
from halfmap.engine.planning.planted import drawn_angles, expected_references
from halfmap.model.half_model import HalfModel
from halfmap.model.particles import Poses
from halfmap.model.schedule import Schedule
from halfmap.steps.accuracy import TrialRules, expected_accuracy, make_trials

N_TRIALS = 32
LARGEST_WINDOW = 96
"""Of a trial, px; beyond it details that are finer by a factor are seen better by the same."""


class ExpectedAccuracy:
    """Estimates accuracies once for each resolution.

    Parameters
    ----------
    rows
        Particles of one half and one image geometry.
    power
        Of `halfmap.engine.planning.planted.expected_power`.
    """

    def __init__(
        self,
        job: Job,
        model: HalfModel,
        known: tuple[Poses, Int[Array, " row"]],
        power: Float[Array, " shell"],
    ) -> None:
        poses, rows = known
        self._job, self._model, self._power = job, model, power
        self._rows = rows[np.linspace(0, len(rows) - 1, N_TRIALS).astype(np.int64)]
        angles = poses.angles_deg.copy()
        angles[self._rows] = drawn_angles(N_TRIALS, np.random.default_rng(1), flat=job.flat)
        self._poses = replace(poses, angles_deg=angles)
        self._found: dict[int, tuple[float, float]] = {}

    def __call__(self, schedule: Schedule) -> tuple[float, float]:
        """Return the accuracies of angles, degrees, and offsets, Å, in an iteration."""
        shell = schedule.resolution_shell
        if shell not in self._found:
            self._found[shell] = self._at(schedule)
        return self._found[shell]

    def _at(self, schedule: Schedule) -> tuple[float, float]:
        job, shell = self._job, schedule.resolution_shell
        size = min(2 * (shell + 1), LARGEST_WINDOW, job.box)
        finer = max(1.0, 2 * (shell + 1) / size)
        seen = replace(schedule, resolution_shell=min(shell, size // 2 - 1))
        first = expected_references(job, self._power, seen, size)[:1]
        (rows, images), *_ = job.by_geometry(self._rows)
        rules = TrialRules(size, job.options.random_seed, images.ctf, job.interpolation)
        how = rules, images.geometry
        trials = make_trials(job.particles, self._poses, rows, self._model, how)
        found = expected_accuracy((trials,), first, np.ones(1), job.kernels)
        return found.best_rotation_deg / finer, found.best_translation_A / finer
