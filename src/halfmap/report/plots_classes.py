"""Figures about classes: how they share the particles, how far each carries, who still moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.report.plot_style import (
    INK,
    Absent,
    iteration_axis,
    need_iterations,
    new_figure,
    resolution_upwards,
    series_colours,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from halfmap.report.run_record import RunRecord, StateRecord

NAMED = 12
"""More classes than this are drawn without names."""
LEGEND_COLUMNS = 5
"""Names side by side; with one more the last is cut off at the edge."""


def shares_figure(record: RunRecord) -> Figure:
    """Draw the share of each class by iteration, and below the particles that changed class."""
    states, shares = _by_iteration(record, "ClassDistribution")
    numbers = [state.number for state in states]
    figure = new_figure(4.2)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1.0))
    for k, colour in enumerate(series_colours(shares.shape[1])):
        above.plot(numbers, 100 * shares[:, k], color=colour, marker=".", label=_name(k))
    above.set(ylabel="share (%)", ylim=(0.0, None))
    changed = np.array([state.value("rlnChangesOptimalClasses") for state in states])
    # Nobody has a class to change from before the first iteration.
    changed[(changed > 1.0) | (np.array(numbers) == 1)] = np.nan
    below.plot(numbers, 100 * changed, color=INK, marker="o")
    below.set(ylabel="changed (%)", ylim=(0.0, None))
    iteration_axis(below, numbers)
    name_classes(figure, shares.shape[1])
    return figure


def class_resolution_figure(record: RunRecord) -> Figure:
    """Draw the resolution of each class by iteration; an empty class has none."""
    states, found = _by_iteration(record, "EstimatedResolution")
    _, shares = _by_iteration(record, "ClassDistribution")
    numbers = [state.number for state in states]
    known = (found > 0.0) & (found < 999.0) & (shares > 0.0)
    figure = new_figure(3.2)
    axes = figure.add_subplot()
    for k, colour in enumerate(series_colours(found.shape[1])):
        detail = np.where(known[:, k], 1.0 / np.where(known[:, k], found[:, k], 1.0), np.nan)
        axes.plot(numbers, detail, color=colour, marker=".", label=_name(k))
    iteration_axis(axes, numbers)
    model = record.last.model
    if model is None or not np.isfinite(model.nyquist_per_A):
        raise Absent("the pixel size is unknown: no model STAR file could be read")
    resolution_upwards(axes, model.nyquist_per_A)
    name_classes(figure, found.shape[1])
    return figure


def _by_iteration(
    record: RunRecord, label: str
) -> tuple[list[StateRecord], Float[Array, "iteration class"]]:
    """Return the states with a column of ``model_classes``, and the column of each."""
    states: list[StateRecord] = []
    columns: list[Array] = []
    for state in record.iterated:
        column = state.model.classes.get(label) if state.model is not None else None
        if column is not None and (not columns or len(column) == len(columns[0])):
            states.append(state)
            columns.append(column)
    need_iterations(states)
    return states, np.array(columns)


def name_classes(figure: Figure, n: int) -> None:
    """Name the classes above a figure, unless there are too many."""
    if n <= NAMED:
        figure.legend(loc="outside upper left", ncols=LEGEND_COLUMNS)


def _name(k: int) -> str:
    return f"class {k + 1}"
