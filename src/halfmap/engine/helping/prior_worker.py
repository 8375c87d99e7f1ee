"""The process of a plug-in for the prior: ``python -m halfmap.engine.helping.prior_worker NAME``.

It answers frames (`halfmap.io.frames`) on its standard output until its standard input ends. What
the plug-in prints goes to standard error. One process serves one half; it knows of no other.
"""

import importlib
import os
import sys
import traceback
from collections.abc import Callable
from importlib.metadata import entry_points
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

import numpy as np

from halfmap.io.frames import read_arrays, read_header, write_frame
from halfmap.model.prior_input import PriorInput

ENTRY_POINTS = "halfmap.priors"
"""Group under which an installed package registers its plug-ins."""

Prior = Callable[[PriorInput], Any]


def load(name: str) -> Prior:
    """Return the plug-in: ``module:function``, or the name of an entry point.

    Raises
    ------
    LookupError
        When there is none of that name.
    """
    module, colon, function = name.partition(":")
    if colon:
        found: Any = importlib.import_module(module)
        for part in function.split("."):
            found = getattr(found, part)
    else:
        known = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise LookupError(
                f"no package registers a prior called {name} (registered: {listed}); "
                "name one of your own as module:function"
            )
        found = known[name].load()
    if not callable(found):
        raise LookupError(f"{name} is {type(found).__name__}, not a function")
    prior: Prior = found
    return prior


def serve(name: str, requests: BufferedReader, answers: IO[bytes]) -> None:
    """Load the plug-in, say whether that went well, and answer requests until there are no more."""
    try:
        prior = load(name)
    except Exception as error:  # whatever a module of the user's does
        traceback.print_exc()
        write_frame(answers, {"error": _described(error)}, {})
        return
    write_frame(answers, {"error": ""}, {})
    while True:
        try:
            header = read_header(requests)
        except EOFError:
            return
        values: dict[str, Any] = header["words"] | read_arrays(requests, header)
        given = PriorInput(**values)
        try:
            made = np.asarray(prior(given))
            made = made if made.dtype.kind in "fiub" else made.astype(np.float64)
            answer, maps = "", {"map": made}
        except Exception as error:  # whatever a function of the user's does
            traceback.print_exc()
            answer, maps = _described(error), {}
        # The process may be ended at any time after its answer: what was printed is in the log.
        sys.stdout.flush()
        sys.stderr.flush()
        write_frame(answers, {"error": answer}, maps)


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def main() -> None:
    """Keep both pipes for ourselves: plug-ins read nothing, and print to standard error."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    serve(sys.argv[1], requests, answers)


if __name__ == "__main__":
    main()
