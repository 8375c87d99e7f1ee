"""One self-contained HTML page from the files of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import halfmap
from halfmap.errors import HalfmapError
from halfmap.report.headline import facts, headline, iteration_rows, remarks
from halfmap.report.maps import class_notes, class_pictures, map_pictures
from halfmap.report.plot_style import COLOURS, house_style
from halfmap.report.read_run import read_run
from halfmap.report.run_record import RunRecord, StateRecord
from halfmap.report.sections import Sources, all_sections, particle_history

MOST_ROWS = 200
"""Rows of a table of images that are shown."""


def report_page(argument: Path) -> str:
    """Return the page of a run as HTML.

    Parameters
    ----------
    argument
        The root of the run, its folder, or any of its files.

    Raises
    ------
    DataError
        There is no run.
    HalfmapError
        The extra packages of the report are not installed.
    """
    record = read_run(argument)
    return rendered("page.html", lambda: _content(record))


def rendered(template: str, content: Callable[[], Mapping[str, object]]) -> str:
    """Fill a template of this package; figures of the content are drawn in the house style.

    Raises
    ------
    HalfmapError
        The extra packages of the report are not installed.
    """
    _require("matplotlib", "jinja2")
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("halfmap", "report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    always = {"version": halfmap.__version__, "colours": COLOURS}
    with house_style():
        return environment.get_template(template).render(**always, **content())


def _require(*packages: str) -> None:
    absent = [name for name in packages if find_spec(name) is None]
    if absent:
        raise HalfmapError(
            f"a report needs {' and '.join(absent)}, not installed here; "
            f"install with: pip install 'halfmap[report]'"
        )


def _content(record: RunRecord) -> dict[str, object]:
    state = _state_with_maps(record)
    averages = list(class_pictures(state, record.missing))
    pictures = averages or list(map_pictures(state.files, record.missing))
    history = list(particle_history(record.iterated or record.states))
    head, *rows = record.quarantine or ((),)
    return {
        "root": record.files.root.name,
        "folder": record.files.root.parent.as_posix(),
        "headline": headline(record),
        "facts": facts(record, history[-1][1] if history else None),
        "remarks": remarks(record),
        "split": record.split,
        "pictures": pictures,
        "notes": class_notes(state) if record.has_classes else {},
        "flat": bool(averages),
        "several": record.has_classes,
        "pictures_of": state.name,
        "sections": list(all_sections(Sources(record, history))),
        "iterations": iteration_rows(record),
        "quarantine_head": head,
        "quarantine_rows": rows[:MOST_ROWS],
        "quarantine_more": max(0, len(rows) - MOST_ROWS),
        "command": record.command,
        "program": record.program,
        "options": _text(record.last.files.options),
        "optimiser": sorted(record.last.optimiser.items()),
        "files": [(file.name, file_size(file)) for file in record.files.all()],
        "missing": record.missing,
        "made_by": "the run",
    }


def _state_with_maps(record: RunRecord) -> StateRecord:
    """Return the newest state that has maps, or the last."""
    shown = (s for s in reversed(record.states) if s.files.maps or s.files.classes.is_file())
    return next(shown, record.last)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


def file_size(file: Path) -> str:
    """Return the size of a file in words."""
    return size_text(float(file.stat().st_size))


def size_text(size: float) -> str:
    """Return a number of bytes in words.

    >>> size_text(1234567.0)
    '1.23 MB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.3g} {unit}"
