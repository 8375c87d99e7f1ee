"""Kinds of values that only ``halfmap reconstruct`` has."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator

from halfmap.config.declare import Expected

Lengths = tuple[int, ...]


def _numbers(value: object) -> Lengths:
    if isinstance(value, tuple):
        return value
    return tuple(int(part) for part in str(value).split(","))


def _padded(value: object) -> Lengths:
    """Understand ``x`` or ``x,y``; 0 is no padding, a negative number the automatic one."""
    if isinstance(value, tuple):
        return value
    if str(value).strip().startswith("-"):
        return AUTOMATIC
    lengths = _numbers(value)
    return () if set(lengths) == {0} else _even(_of(lengths, (1, 2)))


def _volume(value: object) -> Lengths:
    return _even(_output(value))


def _output(value: object) -> Lengths:
    return _of(_numbers(value), (0, 1, 3))


def _of(lengths: Lengths, counts: tuple[int, ...]) -> Lengths:
    if len(lengths) not in counts or any(length < 1 for length in lengths):
        raise ValueError(lengths)
    return lengths


def _even(lengths: Lengths) -> Lengths:
    if any(length % 2 for length in lengths):
        raise ValueError(lengths)
    return lengths


AUTOMATIC: Lengths = (-1,)
PaddedSize = Annotated[
    Lengths,
    BeforeValidator(_padded),
    Expected("an even size X or X,Y, 0 for none, or -1 for the automatic one"),
]
VolumeSize = Annotated[Lengths, BeforeValidator(_volume), Expected("even sizes: X or X,Y,Z")]
OutputSize = Annotated[Lengths, BeforeValidator(_output), Expected("sizes: X or X,Y,Z")]


def _lines(value: object) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else tuple(str(value).split("\n"))


Texts = Annotated[tuple[str, ...], BeforeValidator(_lines)]
"""Of an option that may be given again and again."""


MAP_SUFFIXES = (".hdf", ".hdf5", ".h5", ".mrc", ".map")


def _map_file(value: object) -> object:
    if Path(str(value)).suffix.lower() not in MAP_SUFFIXES:
        raise ValueError(value)
    return value


MapFile = Annotated[
    Path, BeforeValidator(_map_file), Expected(f"a name that ends in {', '.join(MAP_SUFFIXES)}")
]


def _some_map_file(value: object) -> object:
    return None if value in ("None", "none", "", None) else _map_file(value)


SomeMapFile = Annotated[
    Path | None,
    BeforeValidator(_some_map_file),
    Expected(f"a name that ends in {', '.join(MAP_SUFFIXES)}, or None"),
]


def _parallelism(value: object) -> str:
    """Understand ``thread:N`` and ``mpi:N:folder``."""
    text = str(value)
    if text and not re.fullmatch(r"(thread|mpi):[1-9]\d{0,5}(:.*)?", text):
        raise ValueError(text)
    return text


EmanParallelism = Annotated[
    str, BeforeValidator(_parallelism), Expected("thread:N, or mpi:N:FOLDER")
]
