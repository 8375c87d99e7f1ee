"""The text of the console: pure functions from numbers to lines of at most 120 characters."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field

from halfmap.engine.telling.class_text import ClassSummary, classes_text, shares_text
from halfmap.model.schedule import Changes

COLUMNS_EVERY = 20
"""Iteration lines between two column heads."""

_WIDTH = 100
_UNKNOWN = 900.0
"""RELION writes 999 for what is not known yet."""

_HEADS = (
    ("it", "", 3),
    ("resolution", "Å", 10),
    ("step", "° / Å", 12),
    ("accuracy", "° / Å", 12),
    ("changes", "° / Å", 13),
    ("Pmax", "", 5),
    ("size", "px", 5),
    ("busy", "%", 4),
    ("time", "s", 8),
)


@dataclass(frozen=True, slots=True)
class IterationLine:
    """What one iteration gave."""

    iteration: int
    resolution_A: float
    angular_step_deg: float
    """Of the second, oversampled pass; infinite if angles stay."""
    offset_step_A: float
    """Of the second, oversampled pass; infinite if offsets stay."""
    accuracy_rotation_deg: float
    accuracy_translation_A: float
    changes: Changes
    mean_max_probability: float
    current_size_px: int
    seconds: Mapping[str, float]
    """Wall time of each phase, in the order to be shown."""
    busy_fraction: float | None = None
    """Share of the ranks' time that was work, not waiting."""
    class_shares: tuple[float, ...] = ()
    """Of a run with several classes."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended."""

    converged: bool
    resolution_A: float
    n_iterations: int
    seconds: float
    files: Mapping[str, object] = field(default_factory=dict)
    """What each file is, and its path."""
    reason: str = ""
    """Why it stopped before it had converged; empty for a run of a given length."""
    classes: tuple[ClassSummary, ...] = ()
    """Of a run with several."""


def duration_text(seconds: float) -> str:
    """Return a time span as a person says it.

    >>> duration_text(4.25), duration_text(75), duration_text(7380)
    ('4.2 s', '1 min 15 s', '2 h 03 min')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def resolution_text(resolution_A: float) -> str:
    """Return a resolution with three figures that mean something.

    >>> resolution_text(3.4217), resolution_text(35.5556), resolution_text(999.0)
    ('3.42 Å', '35.6 Å', 'unknown')
    """
    if not 0.0 < resolution_A < _UNKNOWN:
        return "unknown"
    return f"{resolution_A:.{2 if resolution_A < 10 else 1}f} Å"


def paragraph(message: str) -> str:
    """Wrap a message at words, its later lines indented; its own line breaks stay."""
    return "\n".join(
        textwrap.fill(
            line,
            _WIDTH,
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
        )
        for line in message.splitlines()
    )


def header_text(plan: Mapping[str, object]) -> str:
    """Return the plan as aligned names and values; a value of None is left out."""
    shown = {name: str(value) for name, value in plan.items() if value is not None}
    width = max(map(len, shown), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in shown.items())


def column_heads() -> str:
    """Return the two head lines of the iteration table: names, and units."""
    names = "  ".join(f"{name:>{width}}" for name, _, width in _HEADS)
    units = "  ".join(f"{unit:>{width}}" for _, unit, width in _HEADS)
    return f"{names}  by phase\n{units}".rstrip()


def iteration_text(line: IterationLine) -> str:
    """Return one line of the iteration table; ``-`` stands for what is not known yet."""
    busy = "-" if line.busy_fraction is None else f"{100 * line.busy_fraction:.0f}"
    cells = (
        str(line.iteration),
        _number(line.resolution_A, 2),
        f"{_number(line.angular_step_deg, 2)} / {_number(line.offset_step_A, 2)}",
        f"{_number(line.accuracy_rotation_deg, 2)} / {_number(line.accuracy_translation_A, 2)}",
        f"{_number(line.changes.orientations_deg, 2)} / {_number(line.changes.offsets_A, 2)}",
        f"{line.mean_max_probability:.3f}",
        str(line.current_size_px),
        busy,
        f"{sum(line.seconds.values()):.1f}",
    )
    row = "  ".join(f"{cell:>{head[2]}}" for cell, head in zip(cells, _HEADS, strict=True))
    phases = ", ".join(f"{name} {seconds:.1f}" for name, seconds in line.seconds.items())
    if line.class_shares:
        phases += f"; {shares_text(line.class_shares, line.changes.classes)}"
    return f"{row}  {phases}".rstrip()


def progress_text(label: str, count: tuple[int, int], seconds: float, left_s: float | None) -> str:
    """Return the line of a log about a step that goes on, with the time it still takes if known.

    ``count`` is what is done, and all there is.
    """
    done, total = count
    far = f"{100 * done // total} % ({done} of {total}) in {duration_text(seconds)}"
    left = "" if left_s is None else f", about {duration_text(left_s)} left"
    return f"  {label}: {far}{left}"


def ending_text(ending: Ending, n_warnings: int) -> str:
    """Return the last words of a run: how it ended, and its files."""
    iterations = f"{ending.n_iterations} iteration{'' if ending.n_iterations == 1 else 's'}"
    at = resolution_text(ending.resolution_A)
    took = duration_text(ending.seconds)
    if ending.converged:
        first = f"converged at {at} after {iterations} ({took})"
    elif ending.reason:
        first = f"stopped at {at} after {iterations} ({took}), not converged: {ending.reason}"
    else:
        first = f"finished at {at} after {iterations} ({took})"
    if n_warnings:
        plural = "" if n_warnings == 1 else "s"
        first += f"; {n_warnings} warning{plural} above"
    if not ending.files:
        return paragraph(first)
    width = max(map(len, ending.files))
    files = "\n".join(f"  {name:<{width}}  {path}" for name, path in ending.files.items())
    if not ending.classes:
        return f"{paragraph(f'{first}; files:')}\n{files}"
    return f"{paragraph(f'{first}; classes:')}\n{classes_text(ending.classes)}\nfiles:\n{files}"


def _number(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if abs(value) < _UNKNOWN else "-"
