"""How an option is declared: its spelling, what became of it, its range, its words.

One annotation on one field is all there is. The command line, ``--help``, presets,
``docs/options.md``, the saved options and the labels of ``_optimiser.star`` read it::

    initial_lowpass_A: Annotated[
        float,
        Range(0.0, above=True, off=-1.0),
        Option("ini_high", IMPLEMENTED, "Low-pass filter of the starting map."),
    ] = -1.0
"""

from dataclasses import dataclass
from enum import Enum
from math import inf
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class Status(Enum):
    """What became of an option in this version; to change it is a change of one word."""

    IMPLEMENTED = "implemented"
    NO_MEANING = "no meaning here"
    LATER = "not in this version"


IMPLEMENTED: Final = Status.IMPLEMENTED
NO_MEANING: Final = Status.NO_MEANING
LATER: Final = Status.LATER


class OnContinue(Enum):
    """Whether ``--continue`` may change an option."""

    FIXED = "fixed for the run"
    FREE = "may be changed with --continue"
    UNLESS_AUTO = "may be changed with --continue, unless the sampling is automatic"
    RESET = "counts for one command only"


FREE: Final = OnContinue.FREE
UNLESS_AUTO: Final = OnContinue.UNLESS_AUTO
RESET: Final = OnContinue.RESET


@dataclass(frozen=True, slots=True)
class Option:
    """What a field of `OptionGroup` says beyond its name, type and default."""

    spelling: str
    """As typed after ``--`` and in a preset: the peer's word."""
    status: Status
    help: str
    """What it does here, in our words."""
    differs: str = ""
    """Where it differs from RELION, or why it has no meaning here."""
    label: str = ""
    """Column of ``_optimiser.star`` that holds it."""
    on_continue: OnContinue = OnContinue.FIXED


@dataclass(frozen=True, slots=True)
class Range:
    """Closed interval of numbers, with one value outside it that means *off*.

    >>> str(Range(0, 3)), str(Range(0.0, above=True, off=-1.0))
    ('from 0 to 3', 'above 0, or -1')
    """

    low: float
    high: float = inf
    above: bool = False
    """The lower end itself is excluded."""
    off: float | None = None

    def __contains__(self, value: float) -> bool:
        inside = self.low < value <= self.high if self.above else self.low <= value <= self.high
        return inside or value == self.off

    def __str__(self) -> str:
        if self.high < inf:
            start = f"above {self.low:g} and at most" if self.above else f"from {self.low:g} to"
            text = f"{start} {self.high:.10g}"
        else:
            text = f"above {self.low:g}" if self.above else f"{self.low:g} or more"
        return text if self.off is None else f"{text}, or {self.off:g}"

    def check(self, value: float) -> float:
        """Return the value, or raise ValueError when it lies outside."""
        if value not in self:
            raise ValueError(f"expected {self}")
        return value

    def __get_pydantic_core_schema__(
        self, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Let pydantic apply the range after the conversion from text."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))


@dataclass(frozen=True, slots=True)
class Expected:
    """What to tell a user whose value was refused, where type and range do not say it."""

    text: str


class Repeats:
    """Beside the type of an option that may be given again and again: its texts, a line each."""


def _none_if_said(value: object) -> object:
    """Take RELION's word ``None`` for an absent file."""
    return None if value in ("None", "none", "") else value


File = Annotated[Path | None, BeforeValidator(_none_if_said), Expected("a file name, or None")]
"""A file that may be absent."""


def _no_folder(value: object) -> object:
    """Refuse a name that ends like a folder: the path of it would be taken for a root."""
    if str(value).endswith("/"):
        raise ValueError("expected a root of names, not a folder")
    return value


Root = Annotated[Path, BeforeValidator(_no_folder)]
"""What names of files begin with."""


class OptionGroup(BaseModel):
    """Options that are shown together; the first line of the docstring is the heading."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True, validate_default=False
    )
