"""What is said of classes: their shares after an iteration, and each of them in the end."""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_SHARES = 8
"""Shares listed one by one on the line of an iteration; of more the range is said."""
MOST_LINES = 12
"""Classes that the end lists, the largest; the rest is counted."""
_UNKNOWN = 900.0


@dataclass(frozen=True, slots=True)
class ClassSummary:
    """One class at the end of a run."""

    number: int
    """From 1."""
    share: float
    n_particles: int
    """Whose best pose is in it."""
    resolution_A: float
    """999 when unknown."""

    @property
    def is_empty(self) -> bool:
        """Whether no particle has any share in it."""
        return self.share == 0.0


def shares_text(shares: Sequence[float], changed: float) -> str:
    """Return the shares of the classes and the fraction of particles that changed theirs.

    >>> shares_text([0.6604, 0.3396, 0.0], 0.041)
    'classes 66, 34, 0 %, 4.1 % changed'
    """
    if len(shares) <= MOST_SHARES:
        listed = ", ".join(f"{100 * share:.0f}" for share in shares) + " %"
    else:
        filled = [100 * share for share in shares if share > 0.0]
        n_empty = len(shares) - len(filled)
        listed = f"{min(filled):.2g} to {max(filled):.2g} %"
        listed += f", {n_empty} empty" if n_empty else ""
    moved = f", {100 * changed:.1f} % changed" if changed < 1.0 else ""
    return f"classes {listed}{moved}"


def classes_text(classes: Sequence[ClassSummary]) -> str:
    """Return one line for each of the largest classes, and name the empty ones."""
    filled = sorted((c for c in classes if not c.is_empty), key=lambda c: -c.share)
    shown = sorted(filled[:MOST_LINES], key=lambda c: c.number)
    lines = [
        f"  class {c.number:<3d} {100 * c.share:5.1f} %  {c.n_particles:>8,} "
        f"{'particle ' if c.n_particles == 1 else 'particles'}  {_resolution(c.resolution_A)}"
        for c in shown
    ]
    if len(filled) > len(shown):
        lines.append(f"  and {len(filled) - len(shown)} smaller ones")
    empty = [str(c.number) for c in classes if c.is_empty]
    if empty:
        lines.append(f"  empty: class{'es' if len(empty) > 1 else ''} {', '.join(empty)}")
    return "\n".join(lines)


def _resolution(resolution_A: float) -> str:
    return f"{resolution_A:.1f} Å" if resolution_A < _UNKNOWN else "unknown resolution"
