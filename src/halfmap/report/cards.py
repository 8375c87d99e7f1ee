"""Cards and sections of a page: each figure with its sentence, or with why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from halfmap.report.plot_style import Absent, svg_uri

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Source = TypeVar("Source")
"""What the figures of a page are drawn from."""


@dataclass(frozen=True, slots=True)
class Card:
    """One figure, or why there is none."""

    title: str
    reading: str
    """One sentence: how to read it."""
    uri: str
    absent: str


@dataclass(frozen=True, slots=True)
class Section:
    """Figures that belong together."""

    anchor: str
    title: str
    cards: tuple[Card, ...]


def always(source: object) -> bool:
    """Say that there is something to show on every page."""
    del source
    return True


@dataclass(frozen=True)
class Drawing(Generic[Source]):
    """How a card comes to be."""

    title: str
    reading: str
    draw: Callable[[Source], Figure]
    wanted: Callable[[Source], bool] = always


@dataclass(frozen=True)
class Plan(Generic[Source]):
    """How a section comes to be."""

    anchor: str
    title: str
    drawings: tuple[Drawing[Source], ...]
    wanted: Callable[[Source], bool] = always


def sections_of(plans: Sequence[Plan[Source]], source: Source) -> Iterator[Section]:
    """Yield every section; a figure that cannot be drawn says why."""
    for plan in plans:
        if not plan.wanted(source):
            continue
        drawings = (drawing for drawing in plan.drawings if drawing.wanted(source))
        cards = tuple(_card(drawing, source) for drawing in drawings)
        if len({card.absent for card in cards}) == 1 and cards[0].absent:
            # Nothing at all, and for one reason: it is said once.
            cards = (replace(cards[0], title=""),)
        yield Section(plan.anchor, plan.title, cards)


def _card(drawing: Drawing[Source], source: Source) -> Card:
    try:
        return Card(drawing.title, drawing.reading, svg_uri(drawing.draw(source)), "")
    except Absent as absent:
        return Card(drawing.title, drawing.reading, "", str(absent))
