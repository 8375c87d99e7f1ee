"""Marker files by which RELION's windows and scheduler follow a job.

An empty file in the job's folder says how it has ended. Another, made by RELION, asks it to stop:
then it does as after a signal, with a checkpoint.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from halfmap.engine.keeping.signals import ask_to_stop
from halfmap.errors import HalfmapError, SignalledError

SUCCESS, FAILURE, ABORTED = (
    f"RELION_JOB_EXIT_{word}" for word in ("SUCCESS", "FAILURE", "ABORTED")
)
ABORT_NOW = "RELION_JOB_ABORT_NOW"
SECONDS_BETWEEN_LOOKS = 1.0


@dataclass
class Followed:
    """A job that somebody follows."""

    folder: str
    """Where the markers are; empty when nobody follows."""
    exit_code: int = 1


@contextmanager
def followed(job: Followed, *, speaks: bool) -> Iterator[Followed]:
    """Remove old markers, look for a wish to stop during a block, and mark how it has ended.

    Parameters
    ----------
    job
        Its exit code, and its folder if it was not known before, are to be set in the block.
    speaks
        Whether this is the rank that does so.
    """
    if not speaks:
        yield job
        return
    _remove_markers(job.folder)
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(job, over), name="pipeline", daemon=True)
    watch.start()
    try:
        yield job
    except HalfmapError as error:
        job.exit_code = error.exit_code
        raise
    finally:
        over.set()
        watch.join()
        mark(job.folder, job.exit_code)


def mark(folder: str, exit_code: int) -> None:
    """Make the marker that says how a job has ended; also for those who will be ended."""
    if not folder:
        return
    ends = {0: SUCCESS, SignalledError.exit_code: ABORTED}
    try:
        Path(folder, ends.get(exit_code, FAILURE)).touch()
    except OSError as error:
        sys.stderr.write(
            f"halfmap: warning: --pipeline_control: found that {folder} cannot be written "
            f"({error.strerror}), expected the folder of a job: RELION does not see the end\n"
        )


def _remove_markers(folder: str) -> None:
    for name in (SUCCESS, FAILURE, ABORTED):
        if folder:
            Path(folder, name).unlink(missing_ok=True)


def _watch(job: Followed, over: threading.Event) -> None:
    while not over.wait(SECONDS_BETWEEN_LOOKS):
        if job.folder and Path(job.folder, ABORT_NOW).exists():
            ask_to_stop(f"the file {ABORT_NOW}")
            return
