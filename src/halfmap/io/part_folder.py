"""The folder of the parts of a run: what its files are called, and when they go."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from halfmap.io.parts import RESULTS, SUMS
from halfmap.io.private_folder import is_private_folder


class PartFiles(NamedTuple):
    """The two files of a part."""

    sums: Path
    results: Path


def part_folder(root: Path, elsewhere: Path | None) -> Path:
    """Return the folder for the parts of a run.

    Parameters
    ----------
    root
        Beginning of the names of all output files.
    elsewhere
        A folder that several runs may share; None: the parts stand beside the output.
    """
    if elsewhere is None:
        return root.with_name(f"{root.name}_parts")
    mark = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]
    return elsewhere / f"{root.name}_parts_{mark}"


def part_files(folder: Path, half: int, writer: str, generation: int) -> PartFiles:
    """Return the names of a part.

    >>> part_files(Path("run_parts"), 0, "3fa9_rank004", 2).sums.name
    'half1_3fa9_rank004_2_sums.h5'
    """
    stem = f"half{half + 1}_{writer}_{generation}"
    return PartFiles(folder / f"{stem}{SUMS}", folder / f"{stem}{RESULTS}")


def sums_files(folder: Path) -> list[Path]:
    """Return the files of sums in a folder, by name; none if there is no such folder of ours."""
    return sorted(folder.glob(f"half*{SUMS}")) if is_private_folder(folder) else []


def results_files(folder: Path) -> list[Path]:
    """Return the files of results in a folder, by name."""
    return sorted(folder.glob(f"half*{RESULTS}")) if is_private_folder(folder) else []


def empty_folder(folder: Path) -> None:
    """Remove the parts, what is left of unfinished ones, and the folder if nothing else is in it.

    Raises
    ------
    OSError
        If the system does not let us.
    """
    if not is_private_folder(folder):
        return
    for pattern in (f"half*{SUMS}", f"half*{RESULTS}", ".half*.part"):
        for file in folder.glob(pattern):
            file.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()
