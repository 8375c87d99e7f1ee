"""Figures about the search by iteration: its steps, its accuracy, and how much still changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from halfmap.report.plot_style import (
    GUIDE,
    INK,
    SERIES,
    iteration_axis,
    need_iterations,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from halfmap.report.run_record import RunRecord, StateRecord

FINE_ENOUGH = 0.75
"""A step below this share of the accuracy cannot be used: the sampling stays."""


def accuracy_figure(record: RunRecord) -> Figure:
    """Draw the steps of the second pass and the accuracies that the images allow."""
    states = [state for state in record.iterated if state.sampling]
    need_iterations(states)
    figure = new_figure(4.2)
    above, below = figure.subplots(2, 1, sharex=True)
    oversampling = np.array([max(s.value("rlnAdaptiveOversampleOrder"), 0.0) for s in states])
    rows = (
        (above, "rlnPsiStep", "rlnOverallAccuracyRotations", "rotation (°)"),
        (below, "rlnOffsetStep", "rlnOverallAccuracyTranslationsAngst", "translation (Å)"),
    )
    for axes, step_label, accuracy_label, unit in rows:
        step = np.array([state.value(step_label) for state in states]) / 2.0**oversampling
        accuracy = np.array([state.value(accuracy_label) for state in states])
        _step_and_accuracy(axes, [state.number for state in states], step, accuracy)
        axes.set_ylabel(unit)
    figure.legend(*above.get_legend_handles_labels(), loc="outside upper left", ncols=3)
    above.set_xlabel("")
    return figure


def changes_figure(record: RunRecord) -> Figure:
    """Draw how far the best poses moved in each iteration."""
    rows = (
        ("rlnChangesOptimalOrientations", "orientations (°)"),
        ("rlnChangesOptimalOffsets", "offsets (Å)"),
    )
    states = [state for state in record.iterated if np.isfinite(state.value(rows[0][0]))]
    need_iterations(states)
    figure = new_figure(3.6)
    for axes, (label, unit) in zip(figure.subplots(2, 1, sharex=True), rows, strict=True):
        numbers = [state.number for state in states]
        axes.plot(numbers, [state.value(label) for state in states], color=INK, marker="o")
        _log_if_wide(axes, [state.value(label) for state in states])
        iteration_axis(axes, numbers)
        axes.set_ylabel(unit)
    figure.axes[0].set_xlabel("")
    return figure


def confidence_figure(record: RunRecord) -> Figure:
    """Draw the mean of the largest probability of each particle by iteration."""
    states: list[StateRecord] = [s for s in record.iterated if s.value("rlnAveragePmax") > 0]
    need_iterations(states)
    figure = new_figure(2.6)
    axes = figure.add_subplot()
    numbers = [state.number for state in states]
    axes.plot(numbers, [s.value("rlnAveragePmax") for s in states], color=INK, marker="o")
    iteration_axis(axes, numbers)
    axes.set_ylim(0.0, 1.0)
    axes.set_ylabel("mean Pmax")
    return figure


def _step_and_accuracy(
    axes: Axes, numbers: list[int], step: np.ndarray, accuracy: np.ndarray
) -> None:
    axes.plot(numbers, step, color=SERIES[0], drawstyle="steps-mid", marker="_", label="step")
    axes.plot(numbers, accuracy, color=INK, marker="o", label="accuracy")
    axes.plot(numbers, FINE_ENOUGH * accuracy, color=GUIDE, ls="--", lw=1.0)
    axes.lines[-1].set_label(f"{FINE_ENOUGH} × accuracy")
    _log_if_wide(axes, [*step, *accuracy])
    iteration_axis(axes, numbers)


def _log_if_wide(axes: Axes, values: list[float]) -> None:
    """Take a logarithmic y axis when the values span more than a factor of ten."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    positive = [value for value in values if value > 0]
    if not positive or max(positive) <= 10 * min(positive):
        axes.set_ylim(bottom=0.0)
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.yaxis.set_minor_formatter(NullFormatter())
