"""Which file a stack is, so that a copy of it is never taken for that of another.

A name alone does not say it: stacks are written again under the name they had.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass

from halfmap.errors import DataError
from halfmap.io.mrc import HEADER_BYTES, MrcHeader, read_header

SAMPLE_BYTES = 4096
"""Read at the middle and at the end."""


@dataclass(frozen=True, slots=True)
class StackIdentity:
    """What is the same as long as the bytes of a file are."""

    path: str
    """With all links followed."""
    file: int
    """Its number in the file system: a file that takes the place of another has its own."""
    size: int
    modified_ns: int
    changed_ns: int
    """Unlike the time above no program can set it back."""
    header: str
    """Digest of the MRC header."""
    sample: str
    """Digest of pieces of the data."""

    def text(self) -> str:
        """Return all of it as a line of JSON, the same for the same stack."""
        return json.dumps(asdict(self), sort_keys=True)

    def still_holds(self, status: os.stat_result) -> bool:
        """Whether a file is as it was, as far as the file system tells."""
        return status_of(status) == (self.file, self.size, self.modified_ns, self.changed_ns)


def status_of(status: os.stat_result) -> tuple[int, int, int, int]:
    """Return what the file system tells of a file: number, size, and two times."""
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def identify(path: str) -> tuple[StackIdentity, MrcHeader]:
    """Return which file a stack is and what it holds; reads about 10 kB.

    Raises
    ------
    DataError
        If it cannot be read, or is no sound MRC file.
    """
    header = read_header(path)
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # pread needs no buffer
            status = os.fstat(file.fileno())
            pieces = [
                os.pread(file.fileno(), length, max(0, offset))
                for offset, length in (
                    (0, HEADER_BYTES),
                    (status.st_size // 2, SAMPLE_BYTES),
                    (status.st_size - SAMPLE_BYTES, SAMPLE_BYTES),
                )
            ]
        real = os.path.realpath(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Check the file.") from error
    head, *samples = (hashlib.sha256(piece).hexdigest() for piece in pieces)
    return StackIdentity(real, *status_of(status), head, "".join(samples)), header
