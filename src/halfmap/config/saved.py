"""The resolved options beside the result: written with each iteration, read to go on.

The file is a preset that names every option, so it can also start another run. RELION keeps
its command line in the second line of ``_optimiser.star``: a run of RELION's goes on from that.
"""

import re
import shlex
from pathlib import Path

import yaml

import halfmap
from halfmap.config.options import RefineOptions, to_mapping
from halfmap.config.words import Given, Words, read_command_line

OPTIMISER_SUFFIX = "_optimiser.star"
RELION_COMMAND = "# --"
"""How the second line of RELION's file begins."""
OPTIONS_SUFFIX = "_options.yaml"


def options_file(optimiser_file: Path) -> Path:
    """Return where the options of an iteration are kept, beside its ``_optimiser.star``.

    >>> options_file(Path("job/run_it007_optimiser.star")).as_posix()
    'job/run_it007_options.yaml'
    """
    return optimiser_file.with_name(
        optimiser_file.name.removesuffix(OPTIMISER_SUFFIX) + OPTIONS_SUFFIX
    )


def to_yaml(options: RefineOptions) -> str:
    """Return the text of the options file."""
    head = f"# halfmap {halfmap.__version__}: all options of this run; usable as a preset\n"
    return head + yaml.safe_dump(to_mapping(options), sort_keys=False, allow_unicode=True)


def relion_words(optimiser: Path) -> Words:
    """Read the options of a run of RELION's; results go beside its own, to ``<root>_ctNNN``.

    Options that are unknown here (RELION 5 has more) are listed as ignored.
    """
    command = _command_line(optimiser)
    if command is None:
        return Words(problems=[f"--continue {optimiser}: {_why_not(optimiser)}"])
    words = read_command_line(shlex.split(command))
    number = re.search(r"_it(\d+)_optimiser\.star$", optimiser.name)
    root = words.values.get("o")
    if root is not None and number is not None:
        words.values["o"] = Given(f"{root.text}_ct{int(number[1])}", root.where)
    ignored = [f"from RELION's command line: {problem}" for problem in words.problems]
    return Words(values=words.values, ignored=ignored)


def _why_not(optimiser: Path) -> str:
    """Say why a run cannot be continued from a file."""
    wanted = f"the {OPTIMISER_SUFFIX} of an iteration, such as run_it007{OPTIMISER_SUFFIX}"
    if not optimiser.is_file():
        found = "a folder" if optimiser.is_dir() else "no such file"
        return f"found {found}, expected {wanted}. Check the path; it counts from {Path.cwd()}"
    if not optimiser.name.endswith(OPTIMISER_SUFFIX):
        return f"found another file, expected {wanted}. Name that of the iteration to go on from"
    return (
        f"found neither {options_file(optimiser).name} beside it (halfmap) nor its command line in "
        "its second line (RELION), expected one of them. Bring the files of the iteration back, or "
        "name another one"
    )


def _command_line(optimiser: Path) -> str | None:
    """Return the words of RELION's command, None if there are none."""
    if not optimiser.name.endswith(OPTIMISER_SUFFIX) or not optimiser.is_file():
        return None
    with optimiser.open(encoding="utf-8", errors="replace") as file:
        second = [file.readline() for _ in range(2)][1]
    return second[2:] if second.startswith(RELION_COMMAND) else None
