"""Figures about the particles: where they look from, where they lie, how sure their poses are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.errors import OptionError
from halfmap.model.rotations import direction_angles, direction_vectors
from halfmap.model.symmetry import point_group
from halfmap.report.plot_style import COLOURS, GUIDE, INK, SERIES, Absent, age_colours, new_figure
from halfmap.report.run_record import HALVES, ParticleTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NamedTable = tuple[str, ParticleTable]
History = Sequence[NamedTable]
"""Names of states, oldest first, and their particles."""

_DOTS_UP_TO = 3000
"""More particles than this are drawn as densities."""
_VIEWS_PER_CELL = 40
"""So many views, on average, in a cell of the density on the sphere, lest it show its noise."""


def orientation_figure(history: History, symmetry: str, step_deg: float) -> Figure:
    """Draw the view directions on a map of the sphere, and their angle to the z axis.

    Parameters
    ----------
    history
        Particles; the newest are drawn.
    symmetry
        Point group; every view is drawn with its mates.
    step_deg
        Angular step of the search, so that no bar is narrower than the rings of its grid.
    """
    table = _newest(history)
    if table.rot_deg is None or table.tilt_deg is None:
        raise Absent("no orientations: the particle table has no rlnAngleRot and rlnAngleTilt yet")
    views = _views(np.stack([table.rot_deg, table.tilt_deg], axis=1), symmetry)
    return view_figure(views, _by_half(table), step_deg)


def view_figure(
    views: Float[Array, "m particle 2"], halves: list[tuple[Array, str]], step_deg: float
) -> Figure:
    """Draw views on a map of the sphere, and their angle to the z axis.

    Parameters
    ----------
    views
        rot and tilt of each particle and of its symmetry mates.
    halves
        Rows of the particles of each half, and the colour of the half.
    step_deg
        As of `orientation_figure`.
    """
    figure = new_figure(4.6)
    grid = figure.add_gridspec(2, 1, height_ratios=(2.6, 1.5))
    _sphere(figure.add_subplot(grid[0], projection="mollweide"), views, halves)
    _tilts(figure.add_subplot(grid[1]), views[..., 1].ravel(), step_deg)
    return figure


def offset_figure(history: History) -> Figure:
    """Draw the shifts that centre the particles, and how long they are."""
    table = _newest(history)
    if table.offset_x_A is None or table.offset_y_A is None:
        raise Absent("no offsets: the particle table has no rlnOriginXAngst and rlnOriginYAngst")
    x, y = table.offset_x_A, table.offset_y_A
    reach = max(float(np.max(np.hypot(x, y))), 1.0) * 1.05
    figure = new_figure(3.1)
    plane, lengths = figure.subplots(1, 2, width_ratios=(1.15, 1.0))
    if len(x) <= _DOTS_UP_TO:
        for half, colour in _by_half(table):
            plane.plot(x[half], y[half], ".", color=colour, ms=4, alpha=0.7, mew=0)
    else:
        plane.hexbin(x, y, gridsize=40, bins="log", cmap="Greys", edgecolors="face", lw=0.2)
    plane.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    plane.set(xlabel="x offset (Å)", ylabel="y offset (Å)")
    draw_bars(lengths, np.hypot(x, y), [(np.arange(len(x)), INK)])
    lengths.set(xlabel="length (Å)", ylabel="particles", xlim=(0, reach))
    return figure


def certainty_figure(history: History) -> Figure:
    """Draw the distributions of Pmax and of the number of significant samples by iteration."""
    figure = new_figure(3.1)
    left, right = figure.subplots(1, 2)
    pmax = [(name, t.max_probability) for name, t in history if t.max_probability is not None]
    count = [(name, t.n_significant) for name, t in history if t.n_significant is not None]
    if not pmax and not count:
        raise Absent("no Pmax: the particle tables have no rlnMaxValueProbDistribution yet")
    _overlaid(left, pmax, np.linspace(0.0, 1.0, 21))
    most = max((float(np.max(values)) for _, values in count), default=1.0)
    # Between whole numbers: a count of 1 has a bar of its own.
    _overlaid(right, count, np.unique(np.round(np.geomspace(1.0, most + 1.0, 24))) - 0.5)
    right.set_xscale("log")
    left.set(xlabel="Pmax", ylabel="particles (%)")
    right.set(xlabel="significant samples")
    handles, names = right.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=2)
    return figure


def norm_figure(history: History) -> Figure:
    """Draw the distribution of the intensity corrections of the images."""
    table = _newest(history)
    if table.norm is None:
        raise Absent("no norm corrections: the particle table has no rlnNormCorrection")
    figure = new_figure(2.6)
    axes = figure.add_subplot()
    draw_bars(axes, table.norm, _by_half(table))
    axes.set(xlabel="norm correction", ylabel="particles")
    return figure


def _newest(history: History) -> ParticleTable:
    if not history:
        raise Absent("no particles: no data STAR file could be read")
    return history[-1][1]


def _by_half(table: ParticleTable) -> list[tuple[Array, str]]:
    """Return the rows of each half and its colour; all rows in ink when there are no halves."""
    if table.half is None or not {1, 2} <= set(np.unique(table.half)):
        return [(np.arange(table.n), INK)]
    return [(np.flatnonzero(table.half == i + 1), COLOURS[h]) for i, h in enumerate(HALVES)]


def _views(angles_deg: Float[Array, "particle 2"], symmetry: str) -> Float[Array, "m particle 2"]:
    """Return rot and tilt of every view and of its symmetry mates."""
    try:
        operators = point_group(symmetry).direction_operators
    except OptionError:
        operators = np.eye(3)[None]
    return mates_of(angles_deg, operators)


def mates_of(
    angles_deg: Float[Array, "particle 2"], operators: Float[Array, "m 3 3"]
) -> Float[Array, "m particle 2"]:
    """Return rot and tilt of every view when it is turned by each operator."""
    vectors = direction_vectors(angles_deg)
    return direction_angles(np.einsum("mij,pj->mpi", operators, vectors))


def _sphere(
    axes: Axes, views: Float[Array, "m particle 2"], halves: list[tuple[Array, str]]
) -> None:
    longitude = np.radians((views[..., 0] + 180.0) % 360.0 - 180.0)
    latitude = np.radians(90.0 - views[..., 1])
    if longitude.size <= _DOTS_UP_TO:
        for rows, colour in halves:
            axes.plot(longitude[:, rows].ravel(), latitude[:, rows].ravel(), ".", color=colour)
            axes.lines[-1].set(markersize=4, alpha=0.7, markeredgewidth=0)
    else:
        # Cells of equal area: steps of rot, and of the sine of the latitude.
        rings = int(np.clip(np.sqrt(longitude.size / _VIEWS_PER_CELL / 2.0), 10, 36))
        edges = (
            np.linspace(-np.pi, np.pi, 2 * rings + 1),
            np.arcsin(np.linspace(-1.0, 1.0, rings + 1)),
        )
        counts, _, _ = np.histogram2d(longitude.ravel(), latitude.ravel(), edges)
        shown = np.ma.masked_equal(counts.T, 0) * (counts.size / longitude.size)
        darkest = max(2.0, float(shown.max()))
        mesh = axes.pcolormesh(*edges, shown, cmap="Greys", vmin=0.0, vmax=darkest, rasterized=True)
        axes.figure.colorbar(mesh, ax=axes, label="density (even = 1)", shrink=0.8)
    axes.set_xticks(np.radians([-120, -60, 0, 60, 120]), [])
    axes.set_yticks(np.radians([60, 30, 0, -30, -60]), ["30°", "60°", "tilt 90°", "120°", "150°"])
    axes.tick_params(labelsize=8)
    axes.set_xlabel("rot: −180° at the left, 0° in the middle, 180° at the right", fontsize=8)


def _tilts(axes: Axes, tilt_deg: Float[Array, " view"], step_deg: float) -> None:
    """Draw the angle between view and z axis; opposite views count as one."""
    folded = np.minimum(tilt_deg, 180.0 - tilt_deg)
    width = next((w for w in (5.0, 7.5, 10.0, 15.0) if w >= step_deg), 15.0)
    edges = np.linspace(0.0, 90.0, round(90.0 / width) + 1)
    share = 100.0 * np.histogram(folded, edges)[0] / len(folded)
    axes.stairs(share, edges, fill=True, color=INK, alpha=0.85)
    even = -100.0 * np.diff(np.cos(np.radians(edges)))
    axes.stairs(even, edges, color=SERIES[0], lw=2.0, label="evenly spread")
    axes.legend(loc="upper left")
    axes.set(xlabel="angle between view and z axis (°)", ylabel="views (%)", xlim=(0, 90))
    axes.set_xticks(range(0, 91, 15))


def _overlaid(axes: Axes, curves: list[tuple[str, Array]], edges: Float[Array, " edge"]) -> None:
    for (name, values), colour in zip(curves, age_colours(len(curves)), strict=True):
        counts, _ = np.histogram(values, edges)
        newest = name == curves[-1][0]
        label = name if newest or name == curves[0][0] else None
        share = 100.0 * counts / max(len(values), 1)
        axes.stairs(share, edges, color=colour, lw=2.2 if newest else 1.1, label=label)
    axes.set_ylim(bottom=0.0)
    if not curves:
        axes.text(0.5, 0.5, "not in the table", transform=axes.transAxes, ha="center", color=GUIDE)


def draw_bars(axes: Axes, values: Array, parts: Sequence[tuple[Array, str]]) -> None:
    """Draw a histogram, the parts of the values on top of each other in their colours."""
    edges = np.linspace(*_span(values), int(np.clip(np.sqrt(len(values)), 8, 60)) + 1)
    base = np.zeros(len(edges) - 1)
    for rows, colour in parts:
        top = base + np.histogram(values[rows], edges)[0]
        axes.stairs(top, edges, baseline=base, fill=True, color=colour)
        base = top
    axes.set_ylim(bottom=0.0)


def _span(values: Array) -> tuple[float, float]:
    low, high = float(np.min(values)), float(np.max(values))
    return (low, high) if high > low else (low - 0.5, high + 0.5)
