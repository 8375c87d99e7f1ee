"""One self-contained HTML page about a direct reconstruction, from what it left beside its map."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from halfmap.errors import DataError
from halfmap.io.eman.volumes import read_volume
from halfmap.io.reconstruction_record import (
    REASONS,
    SUFFIX,
    USED,
    ReconstructionRecord,
    read_record,
    record_file,
)
from halfmap.report import plots_reconstruction as plots
from halfmap.report.cards import Drawing, Plan, sections_of
from halfmap.report.maps import MapPictures, pictures_of_map
from halfmap.report.page import MOST_ROWS, file_size, rendered, size_text
from halfmap.report.plots_resolution import crossing


def find_record(argument: Path) -> Path | None:
    """Return the record that a user means by a map or by the record itself; None without one."""
    if argument.name.endswith(SUFFIX):
        return argument
    beside = record_file(argument)
    return beside if argument.suffix and beside.exists() else None


def reconstruction_page(record_path: Path) -> str:
    """Return the page of a reconstruction as HTML.

    Raises
    ------
    DataError
        The record cannot be read; a map that cannot be read is named on the page.
    HalfmapError
        The extra packages of the report are not installed.
    """
    record = read_record(record_path)
    return rendered("reconstruction.html", lambda: _content(record_path, record))


def _content(path: Path, record: ReconstructionRecord) -> dict[str, object]:
    notes, missing = record.notes, list[str]()
    maps = _maps(path, record)
    pictures = list(_pictures(maps, missing))
    by_reason = np.argsort(record.fate, kind="stable")  # those that were not listed come last
    dropped = by_reason[record.fate[by_reason] != USED]
    return {
        "root": Path(notes["map"]).name,
        "folder": path.parent.as_posix(),
        "headline": _headline(record),
        "facts": list(notes["facts"].items()),
        "remarks": [f"{_files(len(missing))} could not be read; listed below."] * bool(missing),
        "split": bool(len(record.fsc)),
        "sections": list(sections_of(_PLANS, record)),
        "made_by": "the reconstruction",
        "pictures": pictures,
        "fates": [(reason, f"{n:,}") for reason, n in _counts(record)],
        "dropped": [_row(record, i) for i in dropped[:MOST_ROWS]],
        "dropped_more": max(0, len(dropped) - MOST_ROWS),
        "seconds": [(phase, f"{s:,.1f} s") for phase, s in notes["seconds"].items()],
        "memory": size_text(float(notes["peak_bytes"])),
        "changed": list(notes["changed"].items()),
        "options": list(notes["options"].items()),
        "missing": missing,
        "files": [(f.name, file_size(f)) for f in (*maps.values(), path) if f.is_file()],
    }


def _headline(record: ReconstructionRecord) -> tuple[str, str]:
    n, n_used = len(record.fate), int(np.sum(record.fate == USED))
    verdict = "No half maps were made: how far the map can be trusted is not known."
    if len(record.fsc) > 1:
        frequency = np.arange(len(record.fsc)) / record.notes["fsc_box_A"]
        at = crossing(frequency, record.fsc, 0.143)
        verdict = (
            f"The halves agree up to {1.0 / at:#.3g} Å (FSC 0.143)."
            if at
            else "The FSC of the halves does not fall below 0.143."
        )
    return f"{n_used:,} of {n:,} images made this map", verdict


def _counts(record: ReconstructionRecord) -> Iterator[tuple[str, int]]:
    counts = np.bincount(record.fate, minlength=len(REASONS))
    return zip(REASONS, counts.tolist(), strict=True)


def _row(record: ReconstructionRecord, i: int) -> tuple[str, ...]:
    numbers = (record.quality[i], record.weight[i])
    said = (f"{x:.4g}" if np.isfinite(x) else "–" for x in numbers)
    return (str(record.row[i]), REASONS[record.fate[i]], *said)


def _maps(path: Path, record: ReconstructionRecord) -> dict[str, Path]:
    # The name alone: a record that was tampered with leads to no other folder.
    whole = path.with_name(Path(record.notes["map"]).name)
    if not len(record.fsc):
        return {"joined": whole}
    halves = {f"half {k}": whole.with_name(f"{whole.stem}_half{k}{whole.suffix}") for k in (1, 2)}
    return {"joined": whole, **halves}


def _pictures(maps: dict[str, Path], missing: list[str]) -> Iterator[MapPictures]:
    for name, path in maps.items():
        try:
            volume, pixel_size_A = read_volume(path)
        except DataError as error:
            missing.append(str(error))
            continue
        yield pictures_of_map(name, path, volume, pixel_size_A)


def _files(n: int) -> str:
    return f"{n} file{'' if n == 1 else 's'}"


_PLANS: tuple[Plan[ReconstructionRecord], ...] = (
    Plan(
        "resolution",
        "Resolution",
        (
            Drawing(
                "Fourier shell correlation",
                "Where the curve falls below 0.143 the map stops being reliable; halves whose "
                "orientations were found together agree further than the map deserves.",
                plots.fsc_figure,
            ),
        ),
    ),
    Plan(
        "coverage",
        "Fourier coverage",
        (
            Drawing(
                "Weight over shells",
                "The weight of a shell falls as its surface grows; where frequencies are without "
                "a weight the slices leave gaps: pad less, or take more views.",
                plots.shells_figure,
            ),
            Drawing(
                "Central sections of the weights",
                "Frequency 0 is in the middle. Coloured regions have no weight at all: a wedge "
                "or a cone of them blurs the map along its axis.",
                plots.sections_figure,
            ),
        ),
    ),
    Plan(
        "views",
        "Views",
        (
            Drawing(
                "Directions of the slices",
                "Each slice that was used, with its symmetry mates. Large empty regions, or bars "
                "far from the line, mean that the map is less resolved in some directions.",
                plots.views_figure,
            ),
        ),
    ),
    Plan(
        "slices",
        "Slices",
        (
            Drawing(
                "Quality numbers",
                "Small is good; what lies beyond the dashed line was dropped (--keep).",
                plots.quality_figure,
            ),
            Drawing(
                "Weights",
                "A slice of many particles counts more; a few large weights mean that few slices "
                "make the map.",
                plots.weights_figure,
            ),
        ),
    ),
)
