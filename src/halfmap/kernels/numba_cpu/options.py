"""How the kernels are compiled.

Never ``parallel``: threads belong to the caller, one unit each. ``nogil`` lets them run side
by side. ``fastmath`` lets the compiler reorder a sum (always in the same way), so that it can
use vector registers; it also assumes that there is no NaN, so bad images are found outside.

Machine code is kept between runs. numba forgets it when the file of a function changes, but not
when the file of another function that was compiled into it does; `compiled` makes all files of
this folder count.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal

from numba import njit

FAST: dict[str, Any] = {
    "fastmath": True,
    "nogil": True,
    "error_model": "numpy",
    "cache": True,
    "boundscheck": False,
}
EXACT: dict[str, Any] = {
    "fastmath": False,
    "nogil": True,
    "error_model": "numpy",
    "cache": True,
    "boundscheck": False,
}
"""Rounds as written: where integers are made, and where NaN must be seen."""


@cache
def sources_digest() -> str:
    """Return a digest of all files of this folder."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def compiled(
    options: dict[str, Any], inline: Literal["never", "always"] = "never"
) -> Callable[..., Any]:
    """Return a decorator that compiles a function, its code being kept with `sources_digest`."""

    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher: Any = njit(inline=inline, **options)(function)
        kept = dispatcher._cache._cache_file
        kept._source_stamp = (kept._source_stamp, sources_digest())
        return dispatcher

    return decorate
