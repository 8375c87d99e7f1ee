"""Figures about time: which phase took it, and which rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from halfmap.report.plot_style import GRID, INK, SERIES, Absent, iteration_axis, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from halfmap.report.run_record import Timing

_IN_UNITS = "units"
"""Time that the threads of a rank spent on particles, added up: a part of expectation."""
_BESIDE = (_IN_UNITS, "copying", "checkpoints")
"""What goes on while other phases last."""
_NO_WORK = ("wait", "idle")
"""Phases with these words in their names are drawn in the palest grey."""


def time_by_iteration_figure(timing: Timing | None) -> Figure:
    """Draw the time of each iteration, split into phases (mean over the ranks)."""
    known = _timing(timing)
    ranks = np.unique(known.rank)
    figure = new_figure(3.2)
    axes = figure.add_subplot()
    _stack(axes, known, "iteration", 1.0 / len(ranks))
    axes.figure.legend(loc="outside upper left", ncols=4)
    iteration_axis(axes, sorted(set(known.iteration.tolist())))
    return figure


def time_by_rank_figure(timing: Timing | None) -> Figure:
    """Draw the time of each rank over the whole run, split into phases."""
    known = _timing(timing)
    figure = new_figure(3.2)
    axes = figure.add_subplot()
    unit_s = _stack(axes, known, "rank", 1.0)
    inside = np.array([phase == _IN_UNITS for phase in known.phase])
    if inside.any():
        ranks = np.unique(known.rank)
        at_work = [known.seconds[inside & (known.rank == rank)].sum() / unit_s for rank in ranks]
        axes.plot(ranks, at_work, "D", color=INK, mec="white", label="threads at work")
    axes.figure.legend(loc="outside upper left", ncols=4)
    iteration_axis(axes, sorted(set(known.rank.tolist())))
    axes.set_xlabel("rank")
    return figure


def _timing(timing: Timing | None) -> Timing:
    if timing is None or len(timing.seconds) == 0:
        raise Absent("no times: halfmap writes them to <root>_timing.csv; other programs do not")
    return timing


def _stack(axes: Axes, timing: Timing, by: str, factor: float) -> float:
    """Draw stacked bars of the time of each phase, in order of appearance; return its unit in s."""
    keys, bar = np.unique(getattr(timing, by), return_inverse=True)
    phases = [name for name in dict.fromkeys(timing.phase) if name not in _BESIDE]
    seconds = np.zeros((len(phases), len(keys)))
    for name, key, value in zip(timing.phase, bar, timing.seconds, strict=True):
        if name in phases:
            seconds[phases.index(name), key] += value * factor
    unit, unit_name = _unit(float(seconds.sum(axis=0).max()))
    busy = [name for name in phases if not _waits(name)]
    bottom = np.zeros(len(keys))
    for name in (*busy, *(name for name in phases if _waits(name))):
        height = seconds[phases.index(name)] / unit
        colour = GRID if _waits(name) else SERIES[busy.index(name) % len(SERIES)]
        axes.bar(keys, height, bottom=bottom, color=colour, label=name)
        bottom = bottom + height
    axes.set_ylabel(f"time ({unit_name})")
    axes.grid(visible=False, axis="x")
    return unit


def _waits(phase: str) -> bool:
    return any(word in phase.lower() for word in _NO_WORK)


def _unit(longest_s: float) -> tuple[float, str]:
    """Return the seconds of the unit that suits a time span, and its name.

    >>> _unit(90.0), _unit(900.0), _unit(9000.0)
    ((1.0, 's'), (60.0, 'min'), (3600.0, 'h'))
    """
    if longest_s < 300.0:
        return 1.0, "s"
    return (60.0, "min") if longest_s < 7200.0 else (3600.0, "h")
