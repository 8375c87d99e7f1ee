"""Arrays and a few words through a pipe, between two processes of ours.

A frame is a line of JSON, which says what follows, and the bytes of the arrays. Nothing in it is
code.
"""

import json
from collections.abc import Mapping
from io import BufferedReader
from typing import IO, Any

import numpy as np
from numpy import ndarray as Array

Header = dict[str, Any]
LONGEST_HEADER = 2**20
"""Bytes."""
LONGEST_AXIS = 2**31
_KINDS = {np.dtype(kind).str for kind in np.typecodes["AllInteger"] + np.typecodes["AllFloat"]}


def write_frame(pipe: IO[bytes], words: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write words (whatever JSON holds) and arrays."""
    packed = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    shapes = {name: [a.dtype.str, *a.shape] for name, a in packed.items()}
    pipe.write(json.dumps({"words": dict(words), "arrays": shapes}).encode() + b"\n")
    for values in packed.values():
        pipe.write(values.reshape(-1).view(np.uint8).data)
    pipe.flush()


def read_header(pipe: IO[bytes]) -> Header:
    """Read the line that begins a frame.

    Raises
    ------
    EOFError
        When the other side has gone.
    ValueError
        When what came is no frame.
    """
    line = pipe.readline(LONGEST_HEADER)
    if not line:
        raise EOFError("the other side has gone")
    header: Any = json.loads(line)
    parts = [header.get(part) for part in ("words", "arrays")] if isinstance(header, dict) else []
    if not parts or not all(isinstance(part, dict) for part in parts):
        raise ValueError(f"no frame: {line[:80]!r}")
    if not all(_is_frame_of_array(frame) for frame in header["arrays"].values()):
        raise ValueError(f"no numbers: {line[:80]!r}")
    return dict(header)


def _is_frame_of_array(frame: Any) -> bool:
    """Whether something is the type of numbers and the lengths of axes."""
    if not isinstance(frame, list) or not frame or frame[0] not in _KINDS:
        return False
    return all(isinstance(length, int) and 0 <= length < LONGEST_AXIS for length in frame[1:])


def read_arrays(pipe: BufferedReader, header: Header) -> dict[str, Array]:
    """Read the arrays of a frame whose header has been looked at."""
    found = {}
    for name, (kind, *shape) in header["arrays"].items():
        values = np.empty(shape, np.dtype(kind))
        octets = values.reshape(-1).view(np.uint8)
        if pipe.readinto(octets.data) != octets.size:
            raise EOFError("the other side has gone")
        found[name] = values
    return found
