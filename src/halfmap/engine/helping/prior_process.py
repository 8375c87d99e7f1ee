"""A plug-in for the prior as its half sees it: a question, and an answer within a time limit.

The plug-in runs in a process of its own (`halfmap.engine.helping.prior_worker`), because only a
process can be ended when it hangs. It is started when first needed, kept, and started again after
it was ended.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from io import BufferedReader
from pathlib import Path
from typing import IO

import numpy as np
from numpy import ndarray as Array

from halfmap.engine.helping.helper_program import end_group
from halfmap.io.child_process import environment_without_ranks
from halfmap.io.frames import Header, read_arrays, read_header, write_frame
from halfmap.model.prior_input import PriorInput

LAST_MOMENT_S = 5.0


class PriorFailure(Exception):
    """The plug-in gave no map; the message says why."""


class PriorProcess:
    """One plug-in for one half.

    Parameters
    ----------
    name
        ``module:function``, or an entry point.
    log
        Takes what the plug-in prints; None drops it.
    time_limit_s
        For each answer, the start of the process included.
    """

    def __init__(self, name: str, log: Path | None, time_limit_s: float) -> None:
        self._name, self._log, self._limit_s = name, log, time_limit_s
        self._process: subprocess.Popen[bytes] | None = None
        self._hung = False

    def load(self) -> None:
        """Start the process and load the plug-in, unless that is done.

        Raises
        ------
        PriorFailure
            When it cannot be loaded.
        """
        with self._limited():
            self._started()

    def regularised(self, given: PriorInput) -> Array:
        """Return what the plug-in makes of a map, not yet looked at but for its shape.

        Raises
        ------
        PriorFailure
            When it raises, dies, takes too long, or returns something else than such a map.
        """
        values = {field.name: getattr(given, field.name) for field in fields(given)}
        arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
        words = {name: value for name, value in values.items() if name not in arrays}
        with self._limited():
            to_it, from_it = self._started()
            write_frame(to_it, words, arrays)
            header = _answer(read_header(from_it))
            kind, *shape = header["arrays"]["map"]
            if tuple(shape) == given.map.shape and np.dtype(kind).kind == "f":
                return read_arrays(from_it, header)["map"]
            self.close()  # what it wants to say is not read
        raise PriorFailure(
            f"returned {np.dtype(kind)} of shape {tuple(shape)}, expected floating-point numbers "
            f"of shape {given.map.shape}"
        )

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            end_group(self._process)
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    _close_quietly(pipe)
            self._process = None

    def _started(self) -> tuple[IO[bytes], BufferedReader]:
        """Return the pipes to and from the process, which is started if it does not run."""
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None:
            log = Path(os.devnull) if self._log is None else self._log
            with log.open("ab") as output:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "halfmap.engine.helping.prior_worker", self._name],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=output,
                    env=environment_without_ranks(os.environ),
                    start_new_session=True,
                )
            if self._hung:  # the time was over before there was anything to end
                self._end()
            self._greet()
        return _pipes(self._process)

    def _greet(self) -> None:
        assert self._process is not None
        try:
            _answer(read_header(_pipes(self._process)[1]))
        except PriorFailure:
            self.close()
            raise

    @contextmanager
    def _limited(self) -> Iterator[None]:
        """End the process when the time is over; turn whatever follows into a `PriorFailure`."""
        self._hung = False
        timer = threading.Timer(self._limit_s, self._end)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (OSError, EOFError, ValueError) as error:
            if self._hung:
                reason = f"gave no answer within {self._limit_s:g} s and was ended"
            else:
                reason = self._how_it_ended() or f"its process gave no answer ({error})"
            self.close()
            raise PriorFailure(reason) from error
        finally:
            timer.cancel()

    def _how_it_ended(self) -> str:
        """Say with which code a process ended whose pipe is closed; it may take it a moment."""
        if self._process is None:
            return ""
        try:
            return f"its process ended with code {self._process.wait(LAST_MOMENT_S)}"
        except subprocess.TimeoutExpired:
            return ""

    def _end(self) -> None:
        self._hung = True
        if self._process is not None:
            end_group(self._process)


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], BufferedReader]:
    assert process.stdin is not None
    assert isinstance(process.stdout, BufferedReader)
    return process.stdin, process.stdout


def _answer(header: Header) -> Header:
    error = header["words"].get("error", "")
    if error:
        raise PriorFailure(f"raised {error}")
    return header


def _close_quietly(pipe: object) -> None:
    try:
        pipe.close()  # type: ignore[attr-defined]
    except OSError:  # what was still to be written has no reader any more
        return
