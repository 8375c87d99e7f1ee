"""Asking another process what an HDF5 file holds, because a damaged file can crash the library."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import Any, Self

from halfmap.errors import DataError
from halfmap.io.child_process import environment_without_ranks
from halfmap.io.frames import read_arrays, read_header, write_frame

LIMIT_S = 600.0
"""A file whose headers take longer keeps the library busy for ever."""


class HdfScanner:
    """A process that looks into HDF5 files, started when first needed, and again if it dies.

    Parameters
    ----------
    limit_s
        For each file.
    """

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self._limit_s = limit_s
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def scan(self, path: str | Path, keys: Sequence[str] | None) -> list[dict[str, Any]]:
        """Return layout and attributes of all images; see `halfmap.io.eman.hdf_scan.scan`.

        Raises
        ------
        DataError
            If the file cannot be read, is damaged, or is not one of EMAN's.
        """
        _check_readable(path)
        answer = self._answer({"path": str(path), "keys": None if keys is None else list(keys)})
        if "images" in answer:
            images: list[dict[str, Any]] = answer["images"]
            return images
        if "refused" in answer:
            raise DataError(
                f"{path} is not a stack of EMAN's: {answer['refused']}. Expected images in "
                "/MDF/images. Write it again with EMAN2, or convert it to MRC."
            )
        raise DataError(
            f"{path} is damaged: {answer['damaged']}. Expected an HDF5 file. Copy it again."
        )

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        to_it, from_it = self._started()
        timer = threading.Timer(self._limit_s, self._end)
        timer.daemon = True
        timer.start()
        try:
            write_frame(to_it, request, {})
            text = read_arrays(from_it, read_header(from_it))["text"]
            answer: dict[str, Any] = json.loads(text.tobytes())
        except (OSError, EOFError, ValueError, KeyError):
            self._close()
            return {"damaged": "the HDF5 library crashes on it, or takes for ever"}
        finally:
            timer.cancel()
        return answer

    def _started(self) -> tuple[Any, BufferedReader]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "halfmap.io.eman.hdf_scan"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**environment_without_ranks(os.environ), "OPENBLAS_NUM_THREADS": "1"},
            )
        pipes = self._process.stdin, self._process.stdout
        assert isinstance(pipes[1], BufferedReader)
        return pipes[0], pipes[1]

    def _end(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    def _close(self) -> None:
        if self._process is not None:
            self._end()
            for pipe in (self._process.stdin, self._process.stdout):
                with suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]
            self._process.wait()
            self._process = None


def _check_readable(path: str | Path) -> None:
    try:
        with Path(path).open("rb") as file:
            start = file.read(8)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", error)
        raise DataError(f"{path} cannot be read: {reason}. Check the name.") from error
    if start != b"\x89HDF\r\n\x1a\n":
        raise DataError(f"{path} is not an HDF5 file. Check the name, or copy it again.")
