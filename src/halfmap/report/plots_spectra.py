"""Figures about power: noise of the images, signal of the map, and the scale of micrographs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy import ndarray as Array

from halfmap.report.plot_style import (
    COLOURS,
    GUIDE,
    INK,
    Absent,
    new_figure,
    resolution_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from halfmap.report.run_record import ModelRecord, RunRecord

_DASHES: tuple[str | tuple[int, tuple[int, ...]], ...] = ("-", (0, (5, 2)), (0, (1, 1)), "-.")
_NAMED_GROUPS = 12
"""With more scale groups than this, their names are left out."""


def noise_figure(record: RunRecord) -> Figure:
    """Draw the noise variance of every optics group and half."""
    models = _models(record)
    if not any(model.noise for model in models.values()):
        raise Absent("no noise spectra: the model STAR file has no optics groups")
    figure = new_figure(3.1)
    axes = figure.add_subplot()
    for half, model in models.items():
        for group, (frequency, variance) in model.noise.items():
            name = half if len(model.noise) == 1 else f"{half}, optics group {group}"
            axes.plot(
                frequency,
                variance,
                color=COLOURS[half],
                ls=_DASHES[(group - 1) % len(_DASHES)],
                label=name,
            )
    axes.set_yscale("log")
    axes.set_ylabel("noise variance σ²")
    _finish(axes, models)
    return figure


def signal_figure(record: RunRecord) -> Figure:
    """Draw the signal variance and the signal-to-noise ratio of the map."""
    models = _models(record)
    figure = new_figure(4.4)
    above, below = figure.subplots(2, 1, sharex=True)
    for half, model in models.items():
        if not {"Resolution", "ReferenceTau2", "SsnrMap"} <= model.shells.keys():
            raise Absent("no signal spectra: the model STAR file has no table of its class")
        frequency = model.shells["Resolution"][1:]
        # The halves often share these; the broad line of the first shows below the second.
        look = {"color": COLOURS[half], "lw": 3.4 if half == "half 1" else 1.5, "label": half}
        above.plot(frequency, _positive(model.shells["ReferenceTau2"]), **look)
        below.plot(frequency, _positive(model.shells["SsnrMap"]), **look)
    below.axhline(1.0, color=GUIDE, ls="--", lw=0.9)
    above.set(yscale="log", ylabel="signal variance τ²")
    below.set(yscale="log", ylabel="SSNR of the map")
    _finish(above, models)
    _finish(below, models)
    above.set_xlabel("")
    below.legend().remove()
    return figure


def scale_figure(record: RunRecord) -> Figure:
    """Draw the intensity scale of every group of micrographs."""
    models = {half: m for half, m in _models(record).items() if len(m.group_scales)}
    if not models:
        raise Absent("no scales: the model STAR file has no table of groups")
    first = next(iter(models.values()))
    named = len(first.group_scales) <= _NAMED_GROUPS
    figure = new_figure(3.0 if named else 2.6)
    axes = figure.add_subplot()
    axes.axhline(1.0, color=GUIDE, ls="--", lw=0.9)
    for half, model in models.items():
        number = np.arange(1, len(model.group_scales) + 1)
        axes.plot(number, model.group_scales, "o" if named else ".", color=COLOURS[half])
        axes.lines[-1].set(label=half, alpha=0.85)
    if named:
        names = [name if len(name) <= 24 else f"…{name[-23:]}" for name in first.group_names]
        axes.set_xticks(range(1, len(names) + 1), names, rotation=25, ha="right", fontsize=8)
        axes.set_xlim(0.4, len(names) + 0.6)
    else:
        from matplotlib.ticker import MaxNLocator

        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("group number")
    axes.set_ylabel("scale of the group")
    axes.legend(loc="best")
    return figure


def _models(record: RunRecord) -> dict[str, ModelRecord]:
    """Return the models of the last state that has any, by half."""
    for state in reversed(record.states):
        if state.models:
            return dict(state.models)
    raise Absent("no spectra: no model STAR file could be read")


def _positive(values: Array) -> Array:
    """Return a spectrum from shell 1 on for a logarithmic axis: gaps where it is zero."""
    return np.where(values[1:] > 0, values[1:], np.nan)


def _finish(axes: Axes, models: dict[str, ModelRecord]) -> None:
    nyquist = next(iter(models.values())).nyquist_per_A
    if np.isfinite(nyquist):
        resolution_axis(axes, nyquist)
    if len(axes.get_legend_handles_labels()[1]) > 1:
        axes.legend(loc="best", labelcolor=INK)
