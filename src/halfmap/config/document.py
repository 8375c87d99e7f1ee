"""``docs/options.md`` from the declarations: ``python -m halfmap.config.document``."""

import re
import sys
from collections import Counter
from collections.abc import Iterator

from halfmap.config.catalogue import Catalogue, Declaration
from halfmap.config.command_line import expected
from halfmap.config.declare import OnContinue, OptionGroup, Status
from halfmap.config.describe import UNITS, default_text, value_word
from halfmap.config.options import GROUPS, OUR_GROUPS, REFINE, declarations

HEAD = """\
# Options of `halfmap refine`

Made from the declarations in `src/halfmap/config` by `python -m halfmap.config.document`;
do not edit. The names are RELION's. The same names are the keys of a preset (`configs/*.yaml`) and
of the options that are saved with a result (`*_options.yaml`).

* **implemented**: does what is said here.
* **no meaning here**: accepted, so that a RELION command works; a line says that it does nothing,
  and why.
* **not in this version**: known, but an error unless it has its default.

A value of -1 mostly means *off*, or *choose for me*, as in RELION. What `--continue` may change
says so; all else is fixed for the run.
"""


def document() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, _summary(), *(section(REFINE, group, "RELION") for group in GROUPS)])


def _summary() -> str:
    """Count what became of RELION's options."""
    own = {name for group in OUR_GROUPS for name in group.model_fields}
    count = Counter(d.option.status for d in declarations() if d.name not in own)
    total = sum(count.values())
    parts = ", ".join(f"{count[status]} {status.value}" for status in Status)
    return f"Of RELION's {total} options: {parts}.\n"


def section(catalogue: Catalogue, group: type[OptionGroup], original: str) -> str:
    """Return the section of a group; ``original`` is the program that the names are of."""
    heading = (group.__doc__ or "").rstrip(".")
    members = [d for d in catalogue.declarations if d.group == heading]
    entries = ("\n".join(_entry(d, original)) + "\n" for d in members)
    return f"## {heading}\n\n" + "\n".join(entries)


def _entry(declaration: Declaration, original: str) -> Iterator[str]:
    """Yield the lines about one option."""
    option = declaration.option
    yield f"### `--{option.spelling}`"
    yield ""
    yield " · ".join(_facts(declaration))
    yield ""
    yield _quoted(option.help)
    if option.differs:
        title = "Why" if option.status is Status.NO_MEANING else f"Unlike {original}"
        yield ""
        yield f"*{title}:* {_quoted(option.differs)}"


def _quoted(text: str) -> str:
    """Set the names of options in code type, so that their hyphens stay two."""
    return re.sub(r"(?<![`\w])--\w+", r"`\g<0>`", text)


def _facts(declaration: Declaration) -> Iterator[str]:
    """Yield status, value, default, code name, and what `--continue` may do."""
    option = declaration.option
    yield f"**{option.status.value}**"
    if declaration.is_flag:
        yield "flag"
    else:
        word = value_word(declaration)
        unit = f" ({word})" if word in UNITS.values() else ""
        default = f"default `{default_text(declaration) or 'none'}`"
        yield expected(declaration) + unit
        yield "mandatory" if declaration.required else default
    yield f"in code `{declaration.name}`"
    if option.on_continue is not OnContinue.FIXED:
        yield _quoted(option.on_continue.value)


if __name__ == "__main__":
    sys.stdout.write(document())
