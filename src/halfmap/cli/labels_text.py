"""What ``halfmap refine --print_metadata_labels`` prints."""

from collections.abc import Iterable

from halfmap.config.options import declarations
from halfmap.io.labels import LABELS, SECTIONS

Row = tuple[str, str, str]


def labels_text() -> str:
    """Return all columns of STAR files that are read or written, with unit and meaning.

    Options that a run saves in ``_optimiser.star`` are explained by their own declaration.
    """
    options = [
        (d.option.label, "", f"--{d.spelling}: {d.option.help}")
        for d in declarations()
        if d.option.label and d.option.label not in LABELS
    ]
    parts = [
        _section(title, [(f"{n}", label.unit, label.meaning) for n, label in section.items()])
        for title, section in SECTIONS.items()
    ]
    return "\n".join([*parts, _section("Options", options)])


def _section(title: str, rows: Iterable[Row]) -> str:
    lines = (f"_{name:<42} {unit:<5} {meaning}" for name, unit, meaning in rows)
    return "\n".join([title, *(f"  {line}" for line in lines), ""])
