"""Running a program that is not ours: its words in a log, its end within a time limit."""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from halfmap.errors import ProgramError
from halfmap.io.child_process import environment_without_ranks

LAST_LINES = 8
"""Of what a program said, shown when it fails."""


def run_helper(command: Sequence[str], log: Path, time_limit_s: float) -> None:
    """Run a program to its end, or to the time limit, when it is ended with all its children.

    Parameters
    ----------
    command
        Program and arguments; no shell reads them.
    log
        Takes what the program writes to its standard output and error.
    time_limit_s
        0 waits for ever.

    Raises
    ------
    ProgramError
        If it cannot be started, fails, or takes too long.
    """
    said = " ".join(command)
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment_without_ranks(os.environ),
                start_new_session=True,
            )
        except OSError as error:
            raise ProgramError(
                f"`{said}` cannot be started: {error.strerror}. Check the program"
            ) from error
        try:
            code = process.wait(time_limit_s or None)
        except subprocess.TimeoutExpired:
            raise ProgramError(
                f"`{said}` did not end within {time_limit_s:g} s, expected it to, and was ended. "
                f"Raise --external_time_limit, or see what it said{_last_words(log)}"
            ) from None
        finally:  # also when we are interrupted: nobody would end it later
            if process.poll() is None:
                end_group(process)
    if code != 0:
        how = f"exit code {code}" if code > 0 else f"signal {-code}"
        raise ProgramError(
            f"`{said}` ended with {how}, expected 0. See what it said{_last_words(log)}"
        )


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a program that leads a session of its own, and all it has started."""
    with suppress(ProcessLookupError, PermissionError):  # all have ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
    shown = "".join(f"\n  {line}" for line in lines[-LAST_LINES:])
    return f" in {log}:{shown}" if shown else f": nothing ({log})"
