"""The place for the files of a run: a folder, room in it, and nothing in their way."""

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from halfmap.errors import DataError
from halfmap.io.atomic import write_remedy

_PATTERNS = (
    "_it[0-9][0-9][0-9]*_*",
    "_data.star",
    "_model.star",
    "_optimiser.star",
    "_optimisation_set.star",
    "_sampling.star",
    "_class[0-9][0-9][0-9]*",
    "_classes.mrcs",
    "_half[12]_*",
    "_halfmap.h5",
    "_options.yaml",
    "_solvent_mask.mrc",
    "_solvent2.mrc",
    "_lowpass_mask.mrc",
)
RECORDS = (
    "_timing.csv",
    "_quarantine.star",
    "_prior.star",
    "_prior.log",
    "_unmasked_classes.mrcs",
    "_finished.txt",
)
"""Files about the whole run, to which each iteration adds or which it replaces."""
_BYTES_PER_VALUE = 16
"""Of a STAR table: numbers take 13, names more."""


def existing_outputs(root: Path) -> list[Path]:
    """Return the files of an earlier run with this root, sorted by name."""
    if not root.parent.is_dir():
        return []
    found = {
        file
        for pattern in (*_PATTERNS, *RECORDS)
        for file in root.parent.glob(_literal(root) + pattern)
    }
    return sorted(found)


def half_written(root: Path) -> list[Path]:
    """Return what a run that was killed while it wrote has left beside its files."""
    if not root.parent.is_dir():
        return []
    patterns = (f".{_literal(root)}{pattern}.part" for pattern in (*_PATTERNS, *RECORDS))
    return sorted({file for pattern in patterns for file in root.parent.glob(pattern)})


def written_iterations(root: Path) -> list[Path]:
    """Return the ``_optimiser.star`` of each iteration that was written to the end, newest first.

    The files of an iteration are complete where this one exists: it is written last.
    """
    if not root.parent.is_dir():
        return []
    number = re.compile(re.escape(root.name) + r"_it(\d+)_optimiser\.star")
    found = [(number.fullmatch(file.name), file) for file in root.parent.iterdir()]
    numbered = [(int(match[1]), file) for match, file in found if match is not None]
    return [file for _, file in sorted(numbered, reverse=True)]


def check_output(root: Path, *, overwrite: bool) -> list[Path]:
    """Make sure that a run can write its files; change nothing.

    Parameters
    ----------
    root
        Beginning of the names of all output files, e.g. ``Refine3D/job001/run``.
    overwrite
        Whether files of an earlier run may be replaced.

    Returns
    -------
    list of Path
        Files of an earlier run, to be removed or replaced; empty unless ``overwrite``.

    Raises
    ------
    DataError
        If the folder cannot be made or written to, or holds an earlier run.
    """
    folder = root.parent
    there = _nearest(folder)
    if not there.is_dir():
        raise DataError(f"{there} is a file; expected a folder for the output. Change --o.")
    if there not in (folder, folder.parent):  # a long wrong path is a typing mistake
        raise DataError(
            f"The output folder {folder} does not exist, nor does {folder.parent}. "
            "Create it, or correct --o."
        )
    if not os.access(there, os.W_OK | os.X_OK):
        raise DataError(
            f"Nothing can be written to {there.resolve()}. "
            "Change its permissions, or choose another folder with --o."
        )
    existing = existing_outputs(root)
    if existing and not overwrite:
        names = ", ".join(file.name for file in existing[:5])
        more = f" and {len(existing) - 5} more" if len(existing) > 5 else ""
        raise DataError(
            f"{folder} already holds a run called {root.name!r}: {names}{more}. "
            "Choose another --o, or replace it with --overwrite."
        )
    return existing


def iteration_bytes(shape: tuple[int, int], n_particles: int, n_columns: int, n_maps: int) -> int:
    """Estimate the size of the files that one iteration writes.

    Parameters
    ----------
    shape
        Planes and box of a map, px.
    n_particles, n_columns
        Size of the particle table.
    n_maps
        Classes of all halves.

    >>> iteration_bytes((256, 256), n_particles=100_000, n_columns=25, n_maps=2) // 2**20
    176
    """
    depth, box = shape
    maps = 4 * depth * box**2 * n_maps
    table = n_particles * n_columns * _BYTES_PER_VALUE
    exact = n_particles * 9 * 8
    statistics = 200_000 * 8 * n_maps if depth > 1 else 8 * 8 * box * n_maps
    return maps + table + exact + statistics


def external_bytes(box: int, padding: int, n_maps: int, *, flat: bool) -> int:
    """Estimate the size of what is written for an external program in one iteration.

    >>> external_bytes(256, 2, 1, flat=False) // 2**20
    835
    """
    padded = padding * box
    sums = 3 * 4 * (1 if flat else padded) * padded * (padded // 2 + 1)
    return (sums + 4 * (1 if flat else box) * box**2) * n_maps


def make_room(folder: Path, old: Iterable[Path] = ()) -> None:
    """Create the folder of the output if it is missing, but not its parents; remove old files.

    Raises
    ------
    DataError
        If the system does not let us.
    """
    try:
        folder.mkdir(exist_ok=True)
        for file in old:
            file.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"The output folder {folder} could not be prepared. {write_remedy(error) or error}"
        ) from error


def check_disc_space(folder: Path, n_bytes: int) -> None:
    """Make sure that a folder, which need not exist yet, has room for ``n_bytes``.

    Raises
    ------
    DataError
        If the file system has less space left.
    """
    free = free_bytes(folder)
    if free < n_bytes:
        raise DataError(
            f"{folder.resolve()} has {_size_text(free)} left; the run needs about "
            f"{_size_text(n_bytes)}. Free some space, or choose another folder with --o."
        )


def free_bytes(folder: Path) -> int:
    """Return the free space of a folder, which need not exist yet."""
    return shutil.disk_usage(_nearest(folder)).free


def _nearest(folder: Path) -> Path:
    """Return a folder or, if it does not exist, the closest of its parents that does."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _size_text(n_bytes: int) -> str:
    """Return a size in GiB, or in MiB if it is a small one.

    >>> _size_text(3 * 2**30), _size_text(7_500_000)
    ('3.0 GiB', '7.2 MiB')
    """
    return f"{n_bytes / 2**30:.1f} GiB" if n_bytes >= 2**29 else f"{n_bytes / 2**20:.1f} MiB"


def _literal(root: Path) -> str:
    """Return the file part of the root with the wildcards of `glob` made harmless."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in root.name)
