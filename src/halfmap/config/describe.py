"""``halfmap refine --help``: what a user may type, group by group."""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from halfmap.config.catalogue import Catalogue, Declaration
from halfmap.config.declare import Range, Status
from halfmap.config.options import REFINE

UNITS = {
    "_A": "Å",
    "_px": "px",
    "_deg": "°",
    "_GB": "GB",
    "_MB": "MB",
    "_shells": "shells",
}
KINDS = {int: "N", float: "X", Path: "FILE"}

USAGE = """\
usage: halfmap refine [PRESET.yaml ...] --i PARTICLES.star --ref MAP.mrc --o ROOT [options]
       halfmap refine [PRESET.yaml ...] --i PARTICLES.star --K 50 --o ROOT [options]    in 2D
       halfmap refine --continue ROOT_itNNN_optimiser.star [options]
       mpirun -n 9 halfmap refine ...        the same on 9 ranks; srun works, too

Refine a cryo-EM map from particle images. Options have RELION's names; --name value and
--name=value are the same. A preset is a file of lines `name: value` (see configs/); the
command line wins over it, a later preset over an earlier one. Flags take no value, but
--name=false takes back a flag that a preset sets.
"""

ENDING = "Every option in full, and where it differs from RELION: docs/options.md\n"


def default_text(declaration: Declaration) -> str:
    """Return the default as it would be typed, or an empty text."""
    default = declaration.default
    if declaration.is_flag or default is None or default == "":
        return ""
    return f"{default:g}" if isinstance(default, float) else str(default)


def value_word(declaration: Declaration) -> str:
    """Return what stands for the value: its unit where it has one.

    Units come from the end of the code name, where they are written once.
    """
    if declaration.is_flag:
        return ""
    unit = next((u for end, u in UNITS.items() if declaration.name.endswith(end)), "")
    if unit:
        return unit
    if declaration.name == "output_root":
        return "ROOT"
    annotation = declaration.field.annotation
    if "file" in declaration.name.split("_") or annotation == Path | None:
        return "FILE"
    return KINDS.get(annotation, "NAME") if isinstance(annotation, type) else "NAME"


def refine_help(width: int) -> str:
    """Return the help text of ``halfmap refine``, in lines of at most ``width`` characters."""
    return help_text(REFINE, width, USAGE, ENDING)


def help_text(catalogue: Catalogue, width: int, usage: str, ending: str) -> str:
    """Return the help text of a command, in lines of at most ``width`` characters."""
    blocks = [usage]
    for group in catalogue.groups:
        heading = (group.__doc__ or "").rstrip(".")
        members = [d for d in catalogue.declarations if d.group == heading]
        blocks.append(f"{heading}\n" + "\n".join(_group_lines(members, width)) + "\n")
    return "\n".join([*blocks, ending])


def _group_lines(members: Sequence[Declaration], width: int) -> Iterator[str]:
    """Describe what works; name what does not."""
    for declaration in members:
        if declaration.option.status is Status.IMPLEMENTED:
            yield from _option_lines(declaration, width)
    for status, words in (
        (Status.NO_MEANING, "accepted, without meaning here: "),
        (Status.LATER, "not in this version: "),
    ):
        names = ", ".join(f"--{d.spelling}" for d in members if d.option.status is status)
        if names:
            yield textwrap.fill(
                words + names,
                width,
                initial_indent="  ",
                subsequent_indent="      ",
                break_on_hyphens=False,
            )


def _option_lines(declaration: Declaration, width: int) -> Iterator[str]:
    """Yield spelling and value at the left, the text beside it."""
    left = f"  --{declaration.spelling} {value_word(declaration)}".rstrip()
    default, limits = default_text(declaration), declaration.marker(Range)
    facts = [str(limits)] if limits is not None else []
    facts += [f"default {default}"] if default else []
    text = declaration.option.help + (f" [{'; '.join(facts)}]" if facts else "")
    column = 34
    lines = textwrap.wrap(text, max(width - column, 20), break_on_hyphens=False)
    if len(left) + 2 > column:
        yield left
        left = ""
    for line in lines:
        yield f"{left:<{column}}{line}"
        left = ""
