"""Signals that ask a run to stop: from a user, or from a queue before the time is up."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from halfmap.errors import SignalledError

STOPPING = (signal.SIGTERM, signal.SIGUSR1)
"""What queues send before they kill."""
_heard: list[str] = []
"""A signal belongs to the process: there is one such list."""


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Take note of signals instead of dying; `check_signals` raises them where that does no harm.

    Only the main thread can listen; elsewhere signals do what they did before.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _note) for number in STOPPING}
    try:
        yield
    finally:
        _heard.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


def check_signals() -> None:
    """Raise `SignalledError` if a signal has come; called from any thread.

    Raises
    ------
    SignalledError
        Naming the signal.
    """
    if _heard:
        raise SignalledError(f"stopped by {_heard[0]}")


def ask_to_stop(why: str) -> None:
    """Stop the run as after a signal; called from any thread."""
    _heard.append(why)


def _note(number: int, frame: FrameType | None) -> None:
    del frame
    _heard.append(signal.Signals(number).name)
