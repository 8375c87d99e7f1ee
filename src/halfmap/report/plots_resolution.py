"""Figures about how far the map can be trusted, and how it got there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.report.maps import unfiltered_fsc
from halfmap.report.plot_style import (
    GUIDE,
    INK,
    SERIES,
    Absent,
    age_colours,
    iteration_axis,
    need_iterations,
    new_figure,
    resolution_axis,
    resolution_upwards,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from halfmap.report.run_record import RunRecord, StateRecord


def crossing(
    frequency: Float[Array, " shell"], fsc: Float[Array, " shell"], level: float
) -> float | None:
    """Return the frequency where a curve first falls below a level, between shells; or None.

    >>> crossing(np.array([0.0, 0.1, 0.2]), np.array([1.0, 1.0, 0.0]), 0.5)
    0.15
    """
    below = np.flatnonzero(fsc[1:] < level)
    if len(below) == 0:
        return None
    i = int(below[0])
    drop = fsc[i] - fsc[i + 1]
    share = (fsc[i] - level) / drop if drop > 0 else 0.0
    return round(float(frequency[i] + share * (frequency[i + 1] - frequency[i])), 12)


def fsc_figure(record: RunRecord) -> Figure:
    """Draw the FSC of every iteration, the last one bold, and that of unfiltered half maps."""
    curves = [(state, _fsc(state)) for state in record.iterated]
    known = [(state, curve) for state, curve in curves if curve is not None]
    if not known:
        raise Absent("no FSC: it needs two half-sets (--split_random_halves) and one iteration")
    figure = new_figure(3.7)
    axes = figure.add_subplot()
    _reference_lines(axes, record)
    for (state, (frequency, fsc)), colour in zip(known, age_colours(len(known)), strict=True):
        newest = state is known[-1][0]
        label = state.name if newest or state is known[0][0] else None
        axes.plot(frequency, fsc, color=colour, lw=2.2 if newest else 1.0, label=label)
    unfiltered = unfiltered_fsc(record.last.files)
    if unfiltered is not None:
        axes.plot(*unfiltered, color=SERIES[0], ls=(0, (4, 2)), lw=1.6)
        axes.lines[-1].set_label("unfiltered half maps")
    mark_crossing(axes, *known[-1][1])
    resolution_axis(axes, _nyquist(record))
    axes.set_ylim(-0.1, 1.04)
    axes.set_ylabel("FSC between the halves")
    figure.legend(loc="outside upper left", ncols=3)
    return figure


def resolution_figure(record: RunRecord) -> Figure:
    """Draw the resolution and the size of the Fourier window by iteration."""
    states = [s for s in record.iterated if np.isfinite(s.value("rlnCurrentResolution"))]
    need_iterations(states)
    numbers = [state.number for state in states]
    resolution = 1.0 / np.array([state.value("rlnCurrentResolution") for state in states])
    pixel, box, size = (
        np.array([state.value(f"rln{label}") for state in states])
        for label in ("PixelSize", "OriginalImageSize", "CurrentImageSize")
    )
    figure = new_figure(3.2)
    axes = figure.add_subplot()
    axes.plot(numbers, 0.5 * size / (box * pixel), color=GUIDE, marker="_", ls=":")
    axes.lines[-1].set_label("finest detail looked at")
    axes.plot(numbers, resolution, color=INK, marker="o", label="resolution")
    axes.annotate(
        f"{1 / resolution[-1]:#.3g} Å",
        (numbers[-1], resolution[-1]),
        xytext=(-7, 5),
        textcoords="offset points",
        ha="right",
        weight="bold",
    )
    iteration_axis(axes, numbers)
    resolution_upwards(axes, _nyquist(record))
    figure.legend(loc="outside upper left", ncols=2)
    return figure


def _fsc(state: StateRecord) -> tuple[Array, Array] | None:
    """Return frequency and FSC inside the Fourier window of a state, or None."""
    model = state.model
    if model is None or not {"Resolution", "GoldStandardFsc"} <= model.shells.keys():
        return None
    frequency, fsc = model.shells["Resolution"], model.shells["GoldStandardFsc"]
    size = state.value("rlnCurrentImageSize")
    n = len(fsc) if not np.isfinite(size) else min(int(size) // 2, len(fsc) - 1) + 1
    return (frequency[:n], fsc[:n]) if np.any(fsc[1:]) else None


def _nyquist(record: RunRecord) -> float:
    model = record.last.model
    if model is None or not np.isfinite(model.nyquist_per_A):
        raise Absent("the pixel size is unknown: no model STAR file could be read")
    return model.nyquist_per_A


def _reference_lines(axes: Axes, record: RunRecord) -> None:
    mark_levels(axes)
    joined_A = record.last.value("rlnJoinHalvesUntilThisResolution")
    if record.split and joined_A > 0:
        axes.axvspan(0.0, 1.0 / joined_A, color="#f1f3f5", zorder=0)
        axes.text(
            0.5 / joined_A,
            0.02,
            "halves\njoined",
            ha="center",
            color=GUIDE,
            fontsize=8,
        )


def mark_levels(axes: Axes) -> None:
    """Draw the lines at which an FSC is read."""
    for level in (0.143, 0.5):
        axes.axhline(level, color=GUIDE, lw=0.9, ls="--")
        # Beside the y axis, in axes coordinates, so that no curve is under it.
        axes.text(
            1.0,
            level + 0.012,
            f"{level}",
            color=GUIDE,
            ha="right",
            fontsize=8.5,
            transform=axes.get_yaxis_transform(),
        )
    axes.axhline(0.0, color=GUIDE, lw=0.7)


def mark_crossing(axes: Axes, frequency: Array, fsc: Array) -> None:
    """Mark where an FSC falls below 0.143, and say which resolution that is."""
    at = crossing(frequency, fsc, 0.143)
    if at:
        axes.plot([at], [0.143], "o", color=INK, ms=5)
        axes.annotate(
            f"{1 / at:#.3g} Å",
            (at, 0.143),
            xytext=(7, 8),
            textcoords="offset points",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.85},
            weight="bold",
        )
