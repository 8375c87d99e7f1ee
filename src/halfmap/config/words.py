"""From the words of a command line, or the lines of a preset, to ``spelling -> text``.

Both end in the same texts, so that a value means the same wherever it was written.
Nothing is abbreviated; a hyphen counts as an underscore (``--dry-run``).
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import yaml

from halfmap.config.catalogue import Catalogue, Declaration
from halfmap.config.declare import Repeats
from halfmap.config.options import REFINE

PRESET_SUFFIXES = (".yaml", ".yml")
YAML_NULL = "tag:yaml.org,2002:null"


@dataclass(frozen=True, slots=True)
class Given:
    """The value of one option as it was written."""

    text: str | None
    """None sets the option back to its default (an empty value in a preset)."""
    where: str
    """For messages: ``--sym``, or file and line of a preset."""


@dataclass(frozen=True, slots=True)
class Words:
    """What was written, before anything of it is understood as a number or a name."""

    values: dict[str, Given] = field(default_factory=dict)
    presets: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    """What stands in the files of another program and says nothing to us."""

    def append(self, spelling: str, given: Given) -> None:
        """Note one more value of an option that may be given again and again."""
        earlier = self.values.get(spelling)
        text = given.text if earlier is None else f"{earlier.text}\n{given.text}"
        self.values[spelling] = Given(text, given.where)

    def add(self, spelling: str, given: Given) -> None:
        """Note a value; a second one for the same option must be the same."""
        earlier = self.values.setdefault(spelling, given)
        if earlier.text != given.text:
            self.problems.append(
                f"{given.where}: found twice, {earlier.text!r} and {given.text!r}; "
                "expected once. Keep one of them"
            )


def unknown(where: str, spelling: str, catalogue: Catalogue = REFINE) -> str:
    """Say that nothing is called so, and what was perhaps meant."""
    names = {name.lower(): name for name in catalogue.by_spelling}
    near = get_close_matches(spelling.lower(), names, n=1, cutoff=0.7)
    hyphens = "--" if where.startswith("--") else ""
    help_of = f"see halfmap {catalogue.command} --help"
    advice = f"did you mean {hyphens}{names[near[0]]}?" if near else help_of
    return f"{where}: no option is called so; {advice}"


def read_command_line(argv: Sequence[str], catalogue: Catalogue = REFINE) -> Words:
    """Sort the words after ``halfmap refine`` (or another command) into options and presets."""
    words = Words()
    rest = deque(argv)
    while rest:
        word = rest.popleft()
        if word.startswith("--"):
            _take_option(word, rest, words, catalogue)
        elif word.endswith(PRESET_SUFFIXES):
            words.presets.append(Path(word))
        else:
            words.problems.append(
                f"{word}: expected an option (--name) or a preset (.yaml) here. "
                "Flags take no value; options have two hyphens"
            )
    return words


def _take_option(word: str, rest: deque[str], words: Words, catalogue: Catalogue) -> None:
    """Move one option, and its value if it has one, from ``rest`` to ``words``."""
    head, equals, text = word.partition("=")
    spelling = head[2:].replace("-", "_")
    declaration = catalogue.by_spelling.get(spelling)
    has_next = bool(rest) and not rest[0].startswith("--")
    if declaration is None:
        words.problems.append(unknown(head, spelling, catalogue))
        if has_next and not equals and not rest[0].endswith(PRESET_SUFFIXES):
            rest.popleft()  # most likely its value: one mistake, one message
        return
    note = words.append if declaration.marker(Repeats) else words.add
    if equals:
        note(spelling, Given(text, head))
    elif declaration.is_flag:
        words.add(spelling, Given("true", head))
    elif has_next:
        note(spelling, Given(rest.popleft(), head))
    elif _value_may_be_absent(declaration):
        words.add(spelling, Given("", head))
    else:
        words.problems.append(f"{head}: found no value after it, expected one")


def _value_may_be_absent(declaration: Declaration) -> bool:
    """``--gpu`` is the only option of RELION's whose value may be left out."""
    return declaration.spelling == "gpu"


def read_preset(path: Path, catalogue: Catalogue = REFINE) -> Words:
    """Read ``spelling: value`` lines; unknown and repeated names become problems."""
    words = Words()
    try:
        # Composed, not loaded: the scalars stay as written, so 0.10, C1 and 1e-3 are texts.
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        words.problems.append(f"{path}: {error.strerror}; expected a preset file. Check the path")
        return words
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        words.problems.append(f"{path}: expected YAML, found {' '.join(str(error).split())}")
        return words
    if isinstance(root, yaml.MappingNode):
        for key, value in root.value:
            _take_line(words, path, (key, value), catalogue)
    elif root is not None:
        words.problems.append(f"{path}: expected lines of the form option: value")
    return words


def _take_line(
    words: Words, path: Path, line: tuple[yaml.Node, yaml.Node], catalogue: Catalogue
) -> None:
    """Note one line of a preset."""
    key, value = line
    where = f"{path}, line {key.start_mark.line + 1}, {key.value}"
    spelling = str(key.value).replace("-", "_")
    if spelling not in catalogue.by_spelling:
        words.problems.append(unknown(where, spelling, catalogue))
    elif not isinstance(value, yaml.ScalarNode):
        words.problems.append(f"{where}: found a list or a table, expected a single value")
    else:
        is_null = value.tag == YAML_NULL
        words.add(spelling, Given(None if is_null else str(value.value), where))
