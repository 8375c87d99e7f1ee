"""``halfmap check``: from the words of a user to checked options; exit code 3 for problems."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from pydantic import ValidationError

from halfmap.config.checking import CheckOptions, problems
from halfmap.errors import OptionError

_DESCRIPTION = """\
Check a particle table before a run: columns, optics, halves, and the headers of all stacks. Say
what would be changed, and with --fix write a repaired copy. Reads STAR files of RELION 2 to 5
and .cs files of cryoSPARC, and converts one into the other without loss."""
_EPILOG = """\
Exit code: 0 if a run can use the table (warnings or not), 3 if it cannot.
example: halfmap check particles.star --deep --fix"""
_METAVARS = {"Path": "FILE", "int": "N", "float": "X"}


def run(argv: Sequence[str]) -> int:
    """Check; return the exit code.

    Raises
    ------
    HalfmapError
        With all that is wrong with the options, or if a file cannot be written.
    """
    options = parse(argv)
    from halfmap.engine.checking.check import check  # not before it is needed: start-up

    return check(options, _say)


def _say(text: str) -> None:
    """Write to standard output, whatever letters it knows, until its reader has gone (``| head``).

    What is to be written to files is written all the same.
    """
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, errors="replace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parse(argv: Sequence[str]) -> CheckOptions:
    """Understand the words after ``halfmap check``.

    Raises
    ------
    OptionError
        Lists every bad value, contradiction and missing file at once.
    """
    words = vars(_parser().parse_args(argv))
    try:
        options = CheckOptions.model_validate({k: v for k, v in words.items() if v is not None})
    except ValidationError as error:
        texts = [
            f"--{detail['loc'][0]}: found {detail['input']!r}; {detail['msg']}"
            for detail in error.errors()
        ]
        raise _refusal(texts) from error
    found = problems(options)
    if found:
        raise _refusal(found)
    return options


class _Parser(argparse.ArgumentParser):
    """Raises where `argparse` would end the program."""

    def error(self, message: str) -> NoReturn:
        """Refuse unknown and incomplete words."""
        raise _refusal([message])


def _refusal(texts: Sequence[str]) -> OptionError:
    lines = "\n".join(f"  {text}" for text in texts)
    return OptionError(f"the options cannot be used:\n{lines}\nAll options: halfmap check --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="halfmap check",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for name, field in CheckOptions.model_fields.items():
        flags = [f"--{name}"] + ([f"--{name.replace('_', '-')}"] if "_" in name else [])
        if field.is_required():
            parser.add_argument(name, metavar="TABLE", help=field.description)
        elif field.annotation is bool:
            parser.add_argument(*flags, dest=name, action="store_true", help=field.description)
        else:
            metavar = next(m for kind, m in _METAVARS.items() if kind in str(field.annotation))
            parser.add_argument(*flags, dest=name, metavar=metavar, help=field.description)
    return parser
