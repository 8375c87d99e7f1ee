"""What ``--ios`` stands for: options whose values an optimisation set names."""

from collections.abc import Callable, Mapping
from pathlib import Path

from halfmap.config.words import Given, Words
from halfmap.errors import DataError

FilesOfSet = Callable[[Path], Mapping[str, str]]
"""Reads a set: files by label. Handed in, as options know no file format but their own."""

LINKS = {
    "i": "rlnTomoParticlesFile",
    "ref": "rlnTomoReferenceMap1File",
    "solvent_mask": "rlnTomoReferenceMaskFile",
}
"""Label of the set by the option that it stands for."""
_NO_FILE = (None, "", "none", "None")


def knows_no_sets(path: Path) -> Mapping[str, str]:
    """Read no set."""
    raise DataError(f"{path}: optimisation sets are not read here")


def linked(values: Mapping[str, Given], read: FilesOfSet) -> Words:
    """Return the options that the set of ``--ios`` gives, less those that are given themselves.

    Parameters
    ----------
    values
        What was written. A set that is not there gives nothing: it is said elsewhere.
    read
        Reads the set.
    """
    asked = values.get("ios")
    if asked is None or asked.text in _NO_FILE or not Path(str(asked.text)).is_file():
        return Words()
    where = f"{asked.where} {asked.text}"
    try:
        files = read(Path(str(asked.text)))
    except DataError as error:
        return Words(problems=[f"{asked.where}: {error}"])
    open_ = [name for name in LINKS if _is_open(name, values)]
    found = {
        name: Given(files[LINKS[name]], f"{where}, {LINKS[name]}")
        for name in open_
        if LINKS[name] in files
    }
    words = Words(values=found)
    if found:
        given = ", ".join(f"--{name} {value.text}" for name, value in found.items())
        words.ignored.append(f"{where} stands for {given}")
    if "i" in open_ and "i" not in found:
        words.problems.append(
            f"{where}: found no {LINKS['i']}, expected the particle table there or in --i. "
            "Add it, or give --i"
        )
    if "ref" in open_ and "ref" not in found:
        words.ignored.append(f"{where} names no starting map ({LINKS['ref']})")
    return words


def _is_open(name: str, values: Mapping[str, Given]) -> bool:
    """Whether an option waits for a value; a map is not wanted where one is to be made."""
    made = values.get("denovo_3dref")
    if name == "ref" and made is not None and made.text == "true":
        return False
    return name not in values or values[name].text in _NO_FILE
