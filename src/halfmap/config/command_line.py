"""From the words of a user to checked options, or to one error that lists every mistake."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from halfmap.config.catalogue import Catalogue, Declaration
from halfmap.config.declare import Expected, OnContinue, OptionGroup, Range
from halfmap.config.initialisation import IMAGE_OF
from halfmap.config.linked import LINKS, FilesOfSet, knows_no_sets, linked
from halfmap.config.options import REFINE, RefineOptions, by_spelling, declarations
from halfmap.config.rules import contradictions, forbidden_changes, notices
from halfmap.config.saved import OPTIMISER_SUFFIX, options_file, relion_words
from halfmap.config.words import Given, Words, read_command_line, read_preset
from halfmap.errors import OptionError

NOUNS: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Path: "a file name",
}
INPUT_FILES = (
    "particles_file",
    "tomo_optimisation_set_file",
    "reference_file",
    "solvent_mask_file",
    "second_solvent_mask_file",
    "lowpass_mask_file",
    "tau2_spectrum_file",
    "local_symmetry_file",
)


OptionsT = TypeVar("OptionsT", bound=OptionGroup)


@dataclass(frozen=True, slots=True)
class Request:
    """What a command line asks for."""

    options: RefineOptions
    given: frozenset[str]
    """Spellings that were given, on the command line or in a preset."""
    notices: tuple[str, ...]
    """One line for each thing that was asked for and has no effect."""
    words: tuple[str, ...] = ()
    """What it was understood from, as typed after ``halfmap refine``."""


class MissingFileError(OptionError):
    """Nothing is wrong but that files cannot be seen, perhaps from this node only."""

    depends_on_node = True


@dataclass(frozen=True, slots=True)
class _Written:
    """All texts that count, the later over the earlier."""

    saved: dict[str, Given]
    """Of the run that is continued; empty for a new run."""
    given: dict[str, Given]
    problems: list[str]
    ignored: list[str]


def expected(declaration: Declaration) -> str:
    """Say in words which values an option takes."""
    words = declaration.marker(Expected)
    if words is not None:
        return words.text
    noun = NOUNS.get(declaration.field.annotation, "a text")
    limits = declaration.marker(Range)
    return noun if limits is None else f"{noun} {limits}"


def parse(
    argv: Sequence[str],
    files_of_set: FilesOfSet = knows_no_sets,
    going_on: Path | None = None,
) -> Request:
    """Understand the words after ``halfmap refine``.

    Parameters
    ----------
    argv
        The words.
    files_of_set
        Reads the optimisation set of ``--ios``.
    going_on
        The ``_optimiser.star`` of an iteration of this very run: the words that began it count as
        if they named it with ``--continue``, and its later files may be replaced.

    Raises
    ------
    OptionError
        Lists every unknown word, bad value, contradiction and missing file at once.
    """
    written = _read(argv, files_of_set, going_on)
    options, refused = _resolve(written.saved | written.given)
    given = frozenset(written.given)
    # What a run would have given that cannot be continued, or a set, is not missing besides.
    unsaid: Collection[str] = LINKS if "ios" in given else ()
    if ("continue" in given or "--continue" in argv) and not written.saved:
        unsaid = refused
    wrong = [text for name, text in refused.items() if name in given or name not in unsaid]
    problems = [*written.problems, *wrong, *contradictions(options)]
    if written.saved:
        before, _ = _resolve(written.saved)
        problems += forbidden_changes(before, options, given - set(refused))
    missing = list(_missing_files(options, skip=set(refused)))
    if problems or missing:
        kind = OptionError if problems else MissingFileError
        raise kind(listing([*problems, *missing], REFINE))
    said = (*written.ignored, *notices(options, given))
    return Request(options, given, said, tuple(argv))


def inquiry(argv: Sequence[str]) -> RefineOptions | None:
    """Return the options if they only ask for information, which needs no input files.

    Raises
    ------
    OptionError
        As `parse`, but mandatory options may be absent.
    """
    written = _read(argv)
    options, refused = _resolve(written.given)
    asked = (options.version, options.print_metadata_labels, options.print_symmetry_ops)
    if not any(asked):
        return None
    problems = [*written.problems, *(refused[name] for name in refused if name in written.given)]
    if problems:
        raise OptionError(listing(problems, REFINE))
    return options


def _read(
    argv: Sequence[str],
    files_of_set: FilesOfSet | None = None,
    going_on: Path | None = None,
) -> _Written:
    """Join command line, presets, and the options of the run that is continued.

    A set named anew for a run that goes on gives nothing: it is written with the results.
    """
    command = read_command_line(argv)
    presets = [read_preset(path) for path in command.presets]
    given: dict[str, Given] = {}
    for words in (*presets, command):
        given |= words.values
    problems = [problem for words in (command, *presets) for problem in words.problems]
    if going_on is not None:
        given = {k: v for k, v in given.items() if k != "resume"}
        given |= {"continue": Given(str(going_on), "--continue"), "overwrite": _YES}
    saved = _read_saved(given)
    began = saved.values or given
    of_set = linked(began, files_of_set) if files_of_set else Words()
    began |= of_set.values
    ignored = [*saved.ignored, *of_set.ignored]
    if going_on is not None:
        found = [name for name in FOUND_AT_THE_START if name in given and name in saved.values]
        for name in found:
            ignored += _unlike(given.pop(name), saved.values[name])
    return _Written(saved.values, given, problems + saved.problems + of_set.problems, ignored)


_YES = Given("true", "--overwrite")
FOUND_AT_THE_START = ("random_seed", "K", "ini_high")
"""Options that a run fills in by itself: what began it may have left them open."""


def _unlike(asked: Given, saved: Given) -> Iterator[str]:
    """Say that a number does not count, unless it was left open or is that of the run."""
    try:
        numbers = [float(given.text or 0) for given in (asked, saved)]
    except ValueError:
        return
    if numbers[0] > 0.0 and numbers[0] != numbers[1]:
        yield f"{asked.where} {asked.text} does not count: the run began with {saved.text}"


def _read_saved(given: Mapping[str, Given]) -> Words:
    """Read the options of the run that ``--continue`` names, less those of one command."""
    asked = given.get("continue")
    if asked is None or asked.text is None:
        return Words()
    optimiser = Path(asked.text)
    ours = options_file(optimiser)
    if optimiser.name.endswith(OPTIMISER_SUFFIX) and ours.is_file():
        words = read_preset(ours)
    else:
        words = relion_words(optimiser)
    kept = {
        spelling: value
        for spelling, value in words.values.items()
        if by_spelling()[spelling].option.on_continue is not OnContinue.RESET
    }
    return Words(values=kept, problems=words.problems, ignored=words.ignored)


def _resolve(written: Mapping[str, Given]) -> tuple[RefineOptions, dict[str, str]]:
    return resolve(written, REFINE, RefineOptions)


def resolve(
    written: Mapping[str, Given], catalogue: Catalogue, kind: type[OptionsT]
) -> tuple[OptionsT, dict[str, str]]:
    """Return the options, and a problem for each one (by spelling) that was refused.

    What was refused has its default in the options, so that the rules between options
    can be checked all the same.
    """
    known = catalogue.by_spelling
    texts = {known[s].name: g.text for s, g in written.items() if g.text is not None}
    refused: dict[str, str] = {}
    try:
        return kind.model_validate(texts), refused
    except ValidationError as error:
        names = {str(detail["loc"][0]) for detail in error.errors()}
    for declaration in catalogue.declarations:
        if declaration.name in names:
            texts.pop(declaration.name, None)
            given = written.get(declaration.spelling)
            refused[declaration.spelling] = _refusal(declaration, given)
    unnamed = {option.name: "" for option in catalogue.declarations if option.required}
    return kind.model_validate(unnamed | texts), refused


def _refusal(declaration: Declaration, given: Given | None) -> str:
    """Say what was found and what was expected."""
    if given is None or given.text is None:
        return f"--{declaration.spelling}: missing, expected {expected(declaration)}"
    return f"{given.where}: found {given.text!r}, expected {expected(declaration)}"


def _missing_files(options: RefineOptions, skip: set[str]) -> Iterator[str]:
    """Yield a problem for each input file that is not there."""
    for declaration in declarations():
        if declaration.name not in INPUT_FILES or declaration.spelling in skip:
            continue
        name: Path | None = getattr(options, declaration.name)
        if name is None:
            continue
        of_stack = declaration.name == "reference_file"
        path = Path(IMAGE_OF.sub("", str(name))) if of_stack else name
        if not path.is_file():
            found = "a folder" if path.is_dir() else "no such file"
            yield (
                f"--{declaration.spelling} {name}: found {found}, expected "
                f"{expected(declaration)}. Check the path; it counts from {Path.cwd()}"
            )


def listing(problems: Sequence[str], catalogue: Catalogue) -> str:
    """Say all that is wrong with the options of a command."""
    lines = "\n".join(f"  {problem}" for problem in problems)
    return f"the options cannot be used:\n{lines}\nAll options: halfmap {catalogue.command} --help"
