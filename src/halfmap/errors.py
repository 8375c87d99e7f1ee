"""Every error a user can cause, and nothing else.

Each message has three parts: what was found, what was expected, what to do.
"""


class HalfmapError(Exception):
    """Base class; the command line prints it without a traceback."""

    exit_code = 1
    everywhere = False
    """Whether every rank raises it, so that one of them can say it for all."""


class OptionError(HalfmapError):
    """The options ask for something unknown, impossible or contradictory."""

    exit_code = 2


class DataError(HalfmapError):
    """An input file does not contain what its metadata promises."""

    exit_code = 3


class ProgramError(HalfmapError):
    """A program that was asked to help failed, or did not end in time."""

    exit_code = 5


class CollectiveError(HalfmapError):
    """At least one rank failed; raised on all of them, with the exit code of the first."""

    exit_code = 4
    everywhere = True


class SignalledError(HalfmapError):
    """A signal asked the run to stop; it can be continued."""

    exit_code = 75
