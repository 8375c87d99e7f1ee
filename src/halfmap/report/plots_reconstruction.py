"""Figures about a direct reconstruction: coverage of Fourier space, views, slices, FSC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.io.reconstruction_record import BAD_QUALITY, NO_WEIGHT, USED
from halfmap.report.plot_style import (
    COLOURS,
    GUIDE,
    INK,
    SERIES,
    Absent,
    new_figure,
    resolution_axis,
)
from halfmap.report.plots_particles import draw_bars, mates_of, view_figure
from halfmap.report.plots_resolution import mark_crossing, mark_levels
from halfmap.report.run_record import HALVES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from halfmap.io.reconstruction_record import ReconstructionRecord

DROPPED = SERIES[4]
_EMPTY = "#f3d9c4"
NO_COVERAGE = "no coverage: all weights are 0"
_DECADES = 4.0
"""Weights that are more powers of ten below the largest are drawn as the palest."""


def shells_figure(record: ReconstructionRecord) -> Figure:
    """Draw the mean weight of each shell, and which share of its frequencies has any."""
    frequency = record.shell_per_A
    if len(frequency) < 2 or not np.any(record.shell_weight > 0.0):
        raise Absent(NO_COVERAGE)
    figure = new_figure(3.4)
    axes = figure.add_subplot()
    axes.plot(frequency, record.shell_weight, color=INK, label="mean weight")
    axes.set(yscale="log", ylabel="mean weight")
    resolution_axis(axes, float(frequency[-1]))
    share = axes.twinx()
    share.plot(frequency, 100.0 * record.shell_filled, color=SERIES[0], ls=(0, (4, 2)))
    share.lines[-1].set_label("frequencies with a weight")
    share.set(ylim=(0.0, 104.0), ylabel="frequencies with a weight (%)")
    share.grid(visible=False)
    figure.legend(loc="outside upper left", ncols=2)
    return figure


def sections_figure(record: ReconstructionRecord) -> Figure:
    """Draw three central sections of the weights, in powers of ten; the centre is frequency 0."""
    planes = {
        "xy": _whole(record.section_xy),
        "xz": _whole(record.section_xz),
        "yz": record.section_yz,
    }
    largest = max(float(np.nanmax(plane, initial=0.0)) for plane in planes.values())
    if largest <= 0.0:
        raise Absent(NO_COVERAGE)
    from matplotlib import colormaps

    colours = colormaps["Greys"].with_extremes(bad=_EMPTY)
    figure = new_figure(2.6)
    limits = {"vmin": np.log10(largest) - _DECADES, "vmax": np.log10(largest)}
    for axes, (name, plane) in zip(figure.subplots(1, 3), planes.items(), strict=True):
        with np.errstate(divide="ignore", invalid="ignore"):
            shown = np.ma.masked_invalid(np.log10(plane))
        image = axes.imshow(shown, cmap=colours, origin="lower", interpolation="nearest", **limits)
        axes.set(xticks=[], yticks=[], xlabel=name[0], ylabel=name[1])
        axes.grid(visible=False)
    figure.colorbar(image, ax=figure.axes, label="weight (power of 10)", shrink=0.7)
    return figure


def _whole(half: Float[Array, "line x"]) -> Float[Array, "line twice_x"]:
    """Return a section with its mates: from -Nyquist to below Nyquist along both axes."""
    mates = np.roll(half[::-1, :0:-1], 1, axis=0)
    return np.concatenate([mates, half[:, :-1]], axis=1)


def views_figure(record: ReconstructionRecord) -> Figure:
    """Draw the views of the slices that are used, with their symmetry mates."""
    used = record.fate == USED
    known = record.angles_deg[used]
    if not len(known):
        raise Absent("no views: no slice was used")
    # A view is the third row of the orientation A; that of A R is the view turned by R transposed.
    views = mates_of(known, record.operators.transpose(0, 2, 1))
    half = record.half[used]
    halves = [(np.flatnonzero(half == i), COLOURS[name]) for i, name in enumerate(HALVES)]
    return view_figure(views, halves if half.any() else [(np.arange(len(known)), INK)], 0.0)


def quality_figure(record: ReconstructionRecord) -> Figure:
    """Draw the quality numbers of all slices, those that were dropped apart, and the threshold."""
    known = np.isfinite(record.quality)
    values, bad = record.quality[known], record.fate[known] == BAD_QUALITY
    if len(values) == 0 or float(np.ptp(values)) == 0.0:
        raise Absent(
            "no qualities to compare: all slices have the same quality number, "
            "as those of tilt series and of particle tables do"
        )
    figure = new_figure(2.9)
    axes = figure.add_subplot()
    draw_bars(axes, values, [(np.flatnonzero(~bad), INK), (np.flatnonzero(bad), DROPPED)])
    axes.patches[0].set_label("kept")
    axes.patches[1].set_label("dropped")
    threshold = record.notes["largest_quality"]
    if threshold is not None:
        axes.axvline(
            threshold, color=GUIDE, ls="--", lw=1.2, label=f"largest kept: {threshold:.4g}"
        )
    axes.set(xlabel="quality number (small is good)", ylabel="slices")
    figure.legend(loc="outside upper left", ncols=3)
    return figure


def weights_figure(record: ReconstructionRecord) -> Figure:
    """Draw the weights of the slices that passed the judgement of quality."""
    values = record.weight[(record.fate == USED) | (record.fate == NO_WEIGHT)]
    values = values[np.isfinite(values)]
    if len(values) == 0 or float(np.ptp(values)) == 0.0:
        raise Absent("no weights to compare: all slices weigh the same")
    figure = new_figure(2.9)
    axes = figure.add_subplot()
    draw_bars(axes, values, [(np.arange(len(values)), INK)])
    axes.set(xlabel="weight", ylabel="slices")
    return figure


def fsc_figure(record: ReconstructionRecord) -> Figure:
    """Draw the FSC of the half maps."""
    if len(record.fsc) < 2:
        raise Absent("no FSC: half maps were not made, or have no FSC (--halves makes them)")
    frequency = np.arange(len(record.fsc)) / record.notes["fsc_box_A"]
    figure = new_figure(3.4)
    axes = figure.add_subplot()
    mark_levels(axes)
    axes.plot(frequency, record.fsc, color=INK, lw=2.2)
    mark_crossing(axes, frequency, record.fsc)
    resolution_axis(axes, float(frequency[-1]))
    axes.set(ylim=(-0.1, 1.04), ylabel="FSC between the halves")
    return figure
