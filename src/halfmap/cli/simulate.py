"""``halfmap simulate``: from the words of a user to checked options."""

import argparse
import math
import shlex
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from halfmap import __version__
from halfmap.engine.simulation.options import (
    Declaration,
    SimulateOptions,
    declarations,
    problems,
)
from halfmap.engine.simulation.simulate import simulate
from halfmap.engine.telling.console import Console
from halfmap.errors import OptionError

NOUNS = {int: "a whole number", float: "a number", Path: "a file name", str: "a word"}
METAVARS = {int: "N", float: "X", Path: "FILE"}
NOTHING = ""
"""Stands for the value of an option that was given without one."""


def run(argv: list[str]) -> int:
    """Run the command; return the exit code.

    Raises
    ------
    HalfmapError
        With all that is wrong with the options, or with the data.
    """
    if {"-h", "--help"} & set(argv):
        _parser(nargs=None).print_help()
        return 0
    options = parse(argv)
    command = shlex.join(["halfmap", "simulate", *argv])
    simulate(options, f"{command} (halfmap {__version__})", Console())
    return 0


def parse(argv: Sequence[str]) -> SimulateOptions:
    """Understand the words after ``halfmap simulate``.

    Raises
    ------
    OptionError
        Lists every unknown word, bad value, contradiction and missing file at once.
    """
    words, unknown = _parser(nargs="?").parse_known_args(argv)
    found = [_unknown_problem(word) for word in unknown if word.startswith("-")]
    if unknown and not found:
        found = [f"{word}: expected an option (--name) here" for word in unknown]
    values: dict[str, Any] = {}
    for declaration in declarations():
        text = getattr(words, declaration.name, None)
        if text is None:
            continue
        try:
            values[declaration.name] = _value(declaration, text)
        except ValueError:
            found.append(_refusal(declaration, text))
    options = SimulateOptions(**values)
    found += problems(options) + _missing_files(options)
    if found:
        lines = "\n".join(f"  {problem}" for problem in found)
        raise OptionError(
            f"the options cannot be used:\n{lines}\nAll options: halfmap simulate --help"
        )
    return options


def _parser(nargs: str | None) -> argparse.ArgumentParser:
    """Return a parser that sorts words; their meaning is checked later, all at once.

    With ``nargs`` "?" a value may be missing: a problem like any other, to be listed with them.
    """
    parser = argparse.ArgumentParser(
        prog="halfmap simulate",
        description="Make particle images from a map, from atoms or from a phantom.",
        epilog="example: halfmap simulate --phantom --n 1000 --box 48 --angpix 4 --snr 0.1 --o sim",
        allow_abbrev=False,
        add_help=False,
        argument_default=argparse.SUPPRESS,
    )
    for declaration in declarations():
        _add(parser, declaration, nargs)
    return parser


def _add(parser: argparse.ArgumentParser, declaration: Declaration, nargs: str | None) -> None:
    option, default = declaration.option, declaration.default
    flag = f"--{option.spelling}"
    if declaration.kind is bool:
        parser.add_argument(flag, dest=declaration.name, action="store_true", help=option.help)
        return
    parser.add_argument(
        flag,
        dest=declaration.name,
        nargs=nargs,
        const=NOTHING if nargs else None,
        metavar="|".join(option.choices) or METAVARS[declaration.kind],
        help=option.help if default is None else f"{option.help} [{default}]",
    )


def _value(declaration: Declaration, text: Any) -> Any:
    """Return the value of a text, or raise ValueError."""
    if declaration.kind is bool:
        return text
    if text == NOTHING:
        raise ValueError
    value = declaration.kind(text)
    if declaration.kind is float and not math.isfinite(value):
        raise ValueError
    return value


def _refusal(declaration: Declaration, text: str) -> str:
    found = "no value after it" if text == NOTHING else repr(text)
    return f"--{declaration.option.spelling}: found {found}, expected {NOUNS[declaration.kind]}"


def _unknown_problem(word: str) -> str:
    spelling = word.lstrip("-").split("=")[0]
    names = [declaration.option.spelling for declaration in declarations()]
    near = get_close_matches(spelling, names, n=1, cutoff=0.6)
    advice = f"did you mean --{near[0]}?" if near else "see halfmap simulate --help"
    return f"{word}: no option is called so; {advice}"


def _missing_files(options: SimulateOptions) -> list[str]:
    inputs = {
        "--map": options.map_file,
        "--pdb": options.structure_file,
        "--poses": options.poses_file,
    }
    return [
        f"{flag} {path}: found {'a folder' if path.is_dir() else 'no such file'}, "
        f"expected a file. Check the path; it counts from {Path.cwd()}"
        for flag, path in inputs.items()
        if path is not None and not path.is_file()
    ]
