"""Image names and what the headers of the stacks say: places, numbers, boxes, pixel sizes."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy import ndarray as Array

from halfmap.config.checking import CheckOptions
from halfmap.engine.checking.findings import Finding, Severity
from halfmap.engine.checking.particle_set import ParticleSet, as_floats
from halfmap.engine.checking.repairs.base import Repair, Repaired, pixel_size_label
from halfmap.errors import DataError
from halfmap.io.image_names import find_beside, split_image_name
from halfmap.io.mrc import MrcHeader, read_header

_SHOWN = 3
_TRIES = 100
"""Stacks that are sought in vain before a whole set counts as absent: discs may be slow."""
_ENDS = (".mrcs", ".mrc", ".st")
_NOT_SET = (0.0, 1.0)
"""Pixel sizes that many programs write when they do not know one."""
_SAME_PIXEL = 0.01


class Headers:
    """The headers of the stacks of a set, each read once."""

    def __init__(self) -> None:
        self._known: dict[str, MrcHeader | None] = {}

    def of(self, path: str) -> MrcHeader | None:
        """Return a header, or None if there is none that can be read."""
        if path not in self._known:
            try:
                self._known[path] = read_header(path)
            except DataError:
                self._known[path] = None
        return self._known[path]


def stack_repairs() -> tuple[Repair, ...]:
    """Return the repairs that look at stacks, in order."""
    headers = Headers()
    return (
        found_stacks,
        partial(counted_from_one, headers=headers),
        partial(boxes_of_headers, headers=headers),
        partial(pixels_of_headers, headers=headers),
        marked_stacks,
    )


def found_stacks(whole: ParticleSet, options: CheckOptions) -> Repaired:
    """Find stacks that are not where the table says."""
    folder = whole.path.parent
    names, index = _stacks(whole)
    folders = [folder, folder.parent, *([options.relative_to] if options.relative_to else [])]
    absent = [not find_beside(name, folder).exists() for name in names]
    new = _found_again(
        [n if gone else None for n, gone in zip(names, absent, strict=True)], folders
    )
    findings = []
    moved = [k for k, name in enumerate(new) if name is not None]
    if moved:
        k = moved[0]
        findings.append(
            Finding(
                Severity.PROBLEM,
                f"{_some(len(moved), len(names))} not where the table says, but found: {names[k]}",
                rows=whole.file_rows(np.isin(index, moved)),
                repair=f"they are called by where they are: {new[k]}",
            )
        )
        whole = _renamed(whole, index, {k: str(new[k]) for k in moved})
    lost = [k for k, gone in enumerate(absent) if gone and new[k] is None]
    if lost:
        shown = ", ".join(names[k] for k in lost[:_SHOWN])
        findings.append(
            Finding(
                Severity.PROBLEM,
                f"{_some(len(lost), len(names))} absent: {shown}",
                f"files, from {Path.cwd()} or from the folder of the table",
                "Put them there, say --relative_to FOLDER, or judge the table alone (--no_stacks)",
                whole.file_rows(np.isin(index, lost)),
            )
        )
    return whole, findings


def _some(n: int, total: int) -> str:
    return f"{n:,} of {total:,} stacks {'is' if n == 1 else 'are'}"


def _found_again(names: Sequence[str | None], folders: Sequence[Path]) -> list[Path | None]:
    """Look for each absent stack; give up when many of them, and no other, were sought in vain."""
    found: list[Path | None] = []
    tried, any_found = 0, False
    for name in names:
        given_up = tried >= _TRIES and not any_found
        place = None if name is None or given_up else _elsewhere(name, folders)
        tried += name is not None
        any_found |= place is not None
        found.append(place)
    return found


def _elsewhere(name: str, folders: Sequence[Path]) -> Path | None:
    """Return where a stack is, by the ends of its path and by other extensions."""
    path = Path(name)
    for ending in _endings(path):
        for folder in folders:
            candidate = folder / ending
            if candidate.is_file():
                return candidate
    return None


def _endings(path: Path) -> Iterator[Path]:
    """Yield ever shorter ends of a path, each with its own and with other extensions."""
    others = [end for end in _ENDS if end != path.suffix]
    parts = [part for part in path.parts if part not in ("/", ".", "..")]
    for start in range(len(parts)):
        ending = Path(*parts[start:])
        yield ending
        yield from (ending.with_suffix(end) for end in others)


def counted_from_one(whole: ParticleSet, _: CheckOptions, *, headers: Headers) -> Repaired:
    """Count images from one where a stack is counted from zero."""
    names, index = _stacks(whole)
    numbers = _numbers(whole)
    zero = np.unique(index[numbers == 0])
    words = [str(name).partition("@")[0] for name in whole.particles["rlnImageName"]]
    strange = np.unique(index[[not word.isdecimal() for word in words]])
    sound = []
    for k in zero.tolist():
        header = headers.of(str(find_beside(names[k], whole.path.parent)))
        if k not in strange and (header is None or numbers[index == k].max() < header.shape[0]):
            sound.append(k)
    rows = np.isin(index, sound)
    if not rows.any():
        return whole, []
    finding = Finding(
        Severity.PROBLEM,
        f"images of {names[sound[0]]} are counted from 0",
        "from 1",
        rows=whole.file_rows(rows),
        repair="1 is added",
    )
    images = whole.particles["rlnImageName"].copy()
    for row in np.flatnonzero(rows).tolist():
        images[row] = f"{numbers[row] + 1:06d}@{str(images[row]).partition('@')[2]}"
    return whole.with_particles({"rlnImageName": images}), [finding]


def boxes_of_headers(whole: ParticleSet, _: CheckOptions, *, headers: Headers) -> Repaired:
    """Take boxes from the headers, where the table says something else."""
    label = "rlnImageSize"
    boxes = _by_group(whole, headers, lambda header: float(header.shape[2]))
    if label not in whole.optics:
        if not boxes or any(len(found) != 1 for found in boxes.values()):
            return whole, []
        return _set_optics(whole, label, {g: f.pop() for g, f in boxes.items()}), []
    findings, new = [], {}
    said = as_floats(whole.optics[label])
    for row, found in boxes.items():
        if len(found) == 1 and found != {said[row]}:
            new[row] = found.pop()
            findings.append(
                Finding(
                    Severity.PROBLEM,
                    f"{label} of optics group {whole.optics['rlnOpticsGroup'][row]} is "
                    f"{said[row]:g}, its stacks have {new[row]:g}",
                    "one box",
                    repair=f"{new[row]:g}, as the headers say",
                )
            )
    return (_set_optics(whole, label, new) if new else whole), findings


def pixels_of_headers(whole: ParticleSet, _: CheckOptions, *, headers: Headers) -> Repaired:
    """Compare pixel sizes with the headers; take theirs where the table has none."""
    sizes = _by_group(whole, headers, lambda header: round(header.pixel_size_A, 5))
    known = {g: f - set(_NOT_SET) for g, f in sizes.items()}
    label = pixel_size_label(whole)
    n = len(whole.optics["rlnOpticsGroup"])
    if label is None:
        if len(known) < n or any(len(found) != 1 for found in known.values()):
            return whole, []
        new = {g: found.pop() for g, found in known.items()}
        finding = Finding(
            Severity.PROBLEM,
            "data_optics has no pixel size",
            repair=f"{new[0]:g} Å, as the headers say",
        )
        return _set_optics(whole, "rlnImagePixelSize", new), [finding]
    said = as_floats(whole.optics[label])
    findings = []
    for row, found in known.items():
        other = [size for size in found if abs(size - said[row]) > _SAME_PIXEL * said[row]]
        if other:
            findings.append(
                Finding(
                    Severity.WARNING,
                    f"{label} of optics group {whole.optics['rlnOpticsGroup'][row]} is "
                    f"{said[row]:g} Å, headers of its stacks say {other[0]:g} Å",
                    "the same; a run believes the table",
                    "Find out which is right",
                )
            )
    return whole, findings


def marked_stacks(whole: ParticleSet, _: CheckOptions) -> Repaired:
    """Mark stacks that are not called .mrcs, which RELION takes for single images."""
    images = whole.particles["rlnImageName"]
    plain = np.array(
        ["@" in str(name) and not str(name).endswith((".mrcs", ":mrcs")) for name in images]
    )
    if not plain.any():
        return whole, []
    finding = Finding(
        Severity.NOTICE,
        f"{str(images[np.argmax(plain)]).partition('@')[2]} is a stack and not called .mrcs",
        "the name that RELION insists on",
        rows=whole.file_rows(plain),
        repair="':mrcs' is added to its name, which tells RELION",
    )
    marked = np.where(plain, np.array([f"{name}:mrcs" for name in images], object), images)
    return whole.with_particles({"rlnImageName": marked}), [finding]


def _stacks(whole: ParticleSet) -> tuple[list[str], Int[Array, " particle"]]:
    """Return the stacks by first appearance, and that of each particle."""
    paths = [split_image_name(str(name))[1] for name in whole.particles["rlnImageName"]]
    index = {path: k for k, path in enumerate(dict.fromkeys(paths))}
    return list(index), np.array([index[path] for path in paths], dtype=np.int64)


def _numbers(whole: ParticleSet) -> Int[Array, " particle"]:
    return np.array([split_image_name(str(name))[0] for name in whole.particles["rlnImageName"]])


def _renamed(
    whole: ParticleSet, index: Int[Array, " particle"], new: dict[int, str]
) -> ParticleSet:
    images = whole.particles["rlnImageName"].copy()
    for row, k in enumerate(index.tolist()):
        if k in new:
            number, at, _ = str(images[row]).partition("@")
            images[row] = f"{number}@{new[k]}" if at else new[k]
    return whole.with_particles({"rlnImageName": images})


def _by_group(
    whole: ParticleSet, headers: Headers, value: Callable[[MrcHeader], float]
) -> dict[int, set[float]]:
    """Return what the headers of each row of the optics table say."""
    names, index = _stacks(whole)
    group = whole.floats("rlnOpticsGroup")
    found: dict[int, set[float]] = {}
    for row, number in enumerate(as_floats(whole.optics["rlnOpticsGroup"]).tolist()):
        for k in np.unique(index[group == number]).tolist():
            header = headers.of(str(find_beside(names[k], whole.path.parent)))
            if header is not None:
                found.setdefault(row, set()).add(value(header))
    return found


def _set_optics(whole: ParticleSet, label: str, values: dict[int, float]) -> ParticleSet:
    n = len(whole.optics["rlnOpticsGroup"])
    old = whole.optics.get(label)
    words = ["0"] * n if old is None else [str(word) for word in old]
    for row, value in values.items():
        words[row] = f"{value:.9g}"
    return whole.with_optics({label: np.array(words, object)})
