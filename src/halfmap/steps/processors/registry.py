"""All processors by name, and those that were asked for made ready to run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from math import isfinite
from typing import Any, Protocol

from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.errors import DataError, OptionError
from halfmap.model.processor_text import NOTHING, ProcessorText, parse_processor
from halfmap.model.structure_factor import StructureFactor
from halfmap.steps.processors.arithmetic import ARITHMETIC
from halfmap.steps.processors.filters import FILTERS
from halfmap.steps.processors.masks import MASKS
from halfmap.steps.processors.moving import MOVING
from halfmap.steps.processors.normalising import NORMALISING
from halfmap.steps.processors.picture import Kind, Parameter, Picture, Processor
from halfmap.steps.processors.resampling import RESAMPLING
from halfmap.steps.processors.thresholds import THRESHOLDS

GROUPS = (NORMALISING, FILTERS, MASKS, ARITHMETIC, RESAMPLING, THRESHOLDS, MOVING)
PROCESSORS: Mapping[str, Processor] = {p.name: p for group in GROUPS for p in group}


class Files(Protocol):
    """Reads what parameters name."""

    def picture(self, name: str) -> Float[Array, "..."]:
        """Read an image or a map."""
        ...

    def curve(self, name: str) -> StructureFactor:
        """Read a structure factor."""
        ...


@dataclass(frozen=True, slots=True)
class Ready:
    """A processor with the values of all its parameters."""

    name: str
    given: Mapping[str, Any]

    @property
    def processor(self) -> Processor:
        """The processor; it is found by its name, so that this can be sent to other ranks."""
        return PROCESSORS[self.name]

    def apply(self, picture: Picture) -> Picture:
        """Return the picture processed.

        Raises
        ------
        DataError
            If the processor cannot be used on this picture.
        """
        try:
            return self.processor.apply(picture, self.given)
        except DataError as error:
            raise DataError(f"processor {self.name}: {error}") from error


def make_ready(texts: Sequence[str], option: str, files: Files) -> list[Ready]:
    """Check processors, all of them, and read the files that they name.

    Raises
    ------
    OptionError
        See `checked`.
    DataError
        If a file cannot be used.
    """
    return [replace(each, given=_loaded(each, files)) for each in checked(texts, option)]


def checked(texts: Sequence[str], option: str) -> list[Ready]:
    """Check processors, all of them; files have only their names.

    Parameters
    ----------
    texts
        As the user wrote them; ``none`` is left out.
    option
        That had them, for messages.

    Raises
    ------
    OptionError
        If there is no such processor or parameter, or a value is not what it should be: all that
        is wrong is listed, with what exists.
    """
    ready, problems = [], []
    for text in texts:
        try:
            asked = parse_processor(text)
            if asked.name != NOTHING:
                ready.append(_checked(asked))
        except OptionError as error:
            problems.append(str(error))
    if problems:
        raise OptionError("\n  ".join([f"--{option} cannot be used:", *problems]))
    return ready


def process(picture: Picture, processors: Sequence[Ready]) -> Picture:
    """Return a picture after some processors, in their order."""
    for number, each in enumerate(processors):
        picture = replace(
            each.apply(replace(picture, seed=(*picture.seed, number))), seed=picture.seed
        )
    return picture


def _checked(asked: ProcessorText) -> Ready:
    processor = PROCESSORS.get(asked.name)
    if processor is None:
        near = get_close_matches(asked.name, PROCESSORS, 3, 0.6)
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        raise OptionError(
            f"found the processor {asked.name!r}, expected one of {', '.join(sorted(PROCESSORS))}."
            f"{meant}"
        )
    known = {parameter.name: parameter for parameter in processor.parameters}
    for name in asked.parameters:
        if name not in known:
            raise OptionError(
                f"processor {processor.name}: found the parameter {name!r}, expected "
                f"{', '.join(known) or 'none'}"
            )
    given = {
        name: _value(processor.name, parameter, asked.parameters.get(name))
        for name, parameter in known.items()
    }
    if processor.one_of and all(given[name] is None for name in processor.one_of):
        raise OptionError(f"processor {processor.name}: expected {' or '.join(processor.one_of)}")
    return Ready(processor.name, given)


def _value(processor: str, parameter: Parameter, found: int | float | str | None) -> Any:
    """Return the value of a parameter, checked; that of a file is its name."""
    if found is None:
        if parameter.needed:
            raise OptionError(
                f"processor {processor}: expected {parameter.name}= ({parameter.help})"
            )
        return parameter.default
    value = _of_kind(parameter.kind, found)
    low = parameter.least
    if value is None or (low is not None and value < low):
        least = "" if low is None else f" from {low:g} on"
        raise OptionError(
            f"processor {processor}: found {parameter.name}={found}, expected "
            f"{parameter.kind.value}{least} ({parameter.help})"
        )
    return value


def _of_kind(kind: Kind, found: int | float | str) -> Any:
    """Return a value of a kind, None if it is none."""
    if kind in (Kind.TEXT, Kind.MAP, Kind.CURVE):
        return str(found)
    if kind is Kind.NUMBERS:
        return _numbers(str(found))
    if isinstance(found, str) or not isfinite(found):
        return None
    whole = int(found) == found
    if kind is Kind.NUMBER:
        return found
    return int(found) if whole and (kind is Kind.WHOLE or found in (0, 1)) else None


def _numbers(text: str) -> list[float] | None:
    try:
        numbers = [float(part) for part in text.strip("[]()").split(",")]
    except ValueError:
        return None
    return numbers if all(map(isfinite, numbers)) else None


def _loaded(ready: Ready, files: Files) -> dict[str, Any]:
    """Return the values with files in place of their names."""
    given = dict(ready.given)
    for parameter in ready.processor.parameters:
        name = given[parameter.name]
        if name is not None and parameter.kind is Kind.MAP:
            given[parameter.name] = files.picture(name)
        elif name is not None and parameter.kind is Kind.CURVE:
            given[parameter.name] = files.curve(name)
    return given
