"""How EMAN2 writes a processor and its parameters: ``name:key=value:key=value``.

``true`` and ``false`` are 1 and 0, then come whole numbers, numbers and text; quotation marks
around a value are dropped. ``none`` does nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from halfmap.errors import OptionError

NOTHING = "none"
_TRUTHS = {"true": 1, "false": 0}
FORM = "name:parameter=value:parameter=value"


@dataclass(frozen=True, slots=True)
class ProcessorText:
    """A processor as it was asked for."""

    name: str
    parameters: Mapping[str, int | float | str]


def parse_processor(text: str) -> ProcessorText:
    """Take the text of a processor apart.

    Raises
    ------
    OptionError
        If it has another form.

    Examples
    --------
    >>> parse_processor("mask.soft:outer_radius=-4:value=0.5").parameters
    {'outer_radius': -4, 'value': 0.5}
    """
    name, *pairs = text.strip().split(":")
    if not name or "(" in name or "=" in name:
        raise OptionError(f"found the processor {text!r}, expected {FORM}")
    parameters: dict[str, int | float | str] = {}
    for pair in filter(None, pairs):
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise OptionError(f"processor {text!r}: found {pair!r}, expected parameter=value")
        if key.strip() in parameters:
            raise OptionError(f"processor {text!r}: {key.strip()} is given twice")
        parameters[key.strip()] = _value(value.strip())
    return ProcessorText(name, parameters)


def _value(text: str) -> int | float | str:
    bare = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    if bare.lower() in _TRUTHS:
        return _TRUTHS[bare.lower()]
    for kind in (int, float):
        try:
            return kind(bare)
        except ValueError:
            continue
    return bare
