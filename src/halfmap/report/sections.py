"""What a page shows, in order: each figure with the sentence that says how to read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from halfmap.report import (
    plots_classes,
    plots_particles,
    plots_resolution,
    plots_search,
    plots_spectra,
    plots_time,
)
from halfmap.report.cards import Drawing, Plan, Section, sections_of
from halfmap.report.read_run import read_particles
from halfmap.report.run_record import RunRecord, StateRecord

MOST_TABLES = 8
"""Particle tables that are read: the last, and others spread evenly over the run."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What figures are drawn from."""

    record: RunRecord
    history: plots_particles.History

    @property
    def symmetry(self) -> str:
        """Point group of the run."""
        return self.record.last.sampling.get("rlnSymmetryGroup", "C1")

    @property
    def step_deg(self) -> float:
        """Angular step of the last coarse search."""
        return self.record.last.value("rlnPsiStep")


def _of_classes(sources: Sources) -> bool:
    return sources.record.has_classes


def _of_halves(sources: Sources) -> bool:
    return sources.record.split


def all_sections(sources: Sources) -> Iterator[Section]:
    """Yield every section; a figure that cannot be drawn says why."""
    yield from sections_of(_PLANS, sources)


def particle_history(states: Sequence[StateRecord]) -> Iterator[plots_particles.NamedTable]:
    """Yield names and particle tables of at most `MOST_TABLES` states, oldest first."""
    picks = np.unique(np.linspace(0, len(states) - 1, MOST_TABLES).round().astype(int))
    for state in (states[i] for i in picks if states):
        table = read_particles(state)
        if table is not None and table.n > 0:
            yield state.name, table


_PLANS: tuple[Plan[Sources], ...] = (
    Plan(
        "resolution",
        "Resolution",
        (
            Drawing(
                "Fourier shell correlation",
                "Where the curve falls below 0.143 the joined map stops being reliable; a curve "
                "that does not settle around zero beyond it points to a mask or to duplicates.",
                lambda s: plots_resolution.fsc_figure(s.record),
                wanted=_of_halves,
            ),
            Drawing(
                "Resolution by iteration",
                "Up is better; the dotted line is the finest detail that the search was shown, "
                "and the solid one should stay clearly below it.",
                lambda s: plots_resolution.resolution_figure(s.record),
            ),
        ),
    ),
    Plan(
        "classes",
        "Classes",
        (
            Drawing(
                "Shares by iteration",
                "A classification is done when the shares stay level and few particles still "
                "change their class; a class that falls to nothing was one too many.",
                lambda s: plots_classes.shares_figure(s.record),
            ),
            Drawing(
                "Resolution of each class",
                "Up is better; a small class that stays far below the others has collected what "
                "fits nowhere.",
                lambda s: plots_classes.class_resolution_figure(s.record),
            ),
        ),
        wanted=_of_classes,
    ),
    Plan(
        "search",
        "Search",
        (
            Drawing(
                "Sampling and accuracy",
                "Automatic sampling refines the steps until they are finer than 0.75 of the "
                "accuracy that the images allow; finer steps would find nothing more.",
                lambda s: plots_search.accuracy_figure(s.record),
            ),
            Drawing(
                "Changes by iteration",
                "How far the best pose of a particle moves on average; in a run that converges "
                "both fall, then level off.",
                lambda s: plots_search.changes_figure(s.record),
            ),
        ),
    ),
    Plan(
        "particles",
        "Particles",
        (
            Drawing(
                "View directions",
                "Each view, with its symmetry mates. Large empty regions, or bars far from the "
                "line, mean preferred orientation: the map is less resolved in some directions.",
                lambda s: plots_particles.orientation_figure(s.history, s.symmetry, s.step_deg),
            ),
            Drawing(
                "Certainty of the poses",
                "The bold curve is the newest. Pmax near 1 and few significant samples mean "
                "that one pose wins clearly; a peak at Pmax 0 is particles that fit nowhere.",
                lambda s: plots_particles.certainty_figure(s.history),
            ),
            Drawing(
                "Offsets",
                "Shifts that centre the particles: a round cloud around zero is healthy, a pile "
                "at its rim means that the offset range is too small.",
                lambda s: plots_particles.offset_figure(s.history),
            ),
            Drawing(
                "Mean Pmax by iteration",
                "It falls when the steps get finer and rises again as the map gains detail; near 1 "
                "all the time, on noisy images, it hints at a starting map with too much detail.",
                lambda s: plots_search.confidence_figure(s.record),
            ),
            Drawing(
                "Norm corrections",
                "One narrow peak is healthy; outliers are images of another contrast, such as "
                "carbon edges or contamination.",
                lambda s: plots_particles.norm_figure(s.history),
            ),
            Drawing(
                "Intensity scale by micrograph",
                "Values near 1 are healthy; a group far below 1 has thick ice or few particles.",
                lambda s: plots_spectra.scale_figure(s.record),
            ),
        ),
    ),
    Plan(
        "power",
        "Signal and noise",
        (
            Drawing(
                "Noise spectra",
                "Noise of the images, one curve per optics group and half; the curves of the "
                "two halves should coincide.",
                lambda s: plots_spectra.noise_figure(s.record),
            ),
            Drawing(
                "Signal and its ratio to noise",
                "Where the signal-to-noise ratio (SSNR) falls below 1 the map is mostly damped "
                "by its prior.",
                lambda s: plots_spectra.signal_figure(s.record),
            ),
        ),
    ),
    Plan(
        "time",
        "Time",
        (
            Drawing(
                "Time by iteration and phase",
                "Mean over the ranks; expectation should take most of it, and waiting (palest "
                "grey) little.",
                lambda s: plots_time.time_by_iteration_figure(s.record.timing),
            ),
            Drawing(
                "Time by rank and phase",
                "Over the whole run; diamonds of one height mean that the particles were shared "
                "evenly, a low one that its rank waited (rank 0 leads and may have none).",
                lambda s: plots_time.time_by_rank_figure(s.record.timing),
            ),
        ),
    ),
)
