"""How the kernels are compiled.

Never ``parallel``: threads belong to the caller, one unit each. ``nogil`` lets them run side
by side. ``fastmath`` lets the compiler reorder a sum (always in the same way), so that it can
use vector registers; it also assumes that there is no NaN, so bad images are found outside.
"""

from typing import Any

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
