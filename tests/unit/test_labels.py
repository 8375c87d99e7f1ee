"""One table of columns that says all there is to say, and no more."""

import re
from pathlib import Path

import pytest

import halfmap
from halfmap.cli.main import main
from halfmap.config.options import declarations
from halfmap.io.labels import LABELS, SECTIONS
from halfmap.io.star_columns import ColumnReader

SOURCE = Path(halfmap.__file__).parent


def test_every_column_that_the_code_names_has_a_meaning() -> None:
    known = LABELS.keys() | {d.option.label for d in declarations()}
    for file in sorted(SOURCE.rglob("*.py")):
        if file.name.startswith("labels_"):
            continue
        named = set(re.findall(r"\b(?:rln|hlf)[A-Z]\w+", file.read_text(encoding="utf-8")))
        # The code completes some names: rlnAngle, rlnOrigin.
        unexplained = {n for n in named if not any(label.startswith(n) for label in known)}
        assert not unexplained, f"{file}: add them to io/labels_particles.py or io/labels_run.py"


def test_no_column_is_explained_twice() -> None:
    names = [name for section in SECTIONS.values() for name in section]

    assert len(names) == len(set(names))


def test_the_columns_are_printed_with_unit_and_meaning_and_without_input_files(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["refine", "--print_metadata_labels"]) == 0

    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0][1:]: line for line in lines if line.startswith("  _")}
    assert "kV" in rows["rlnVoltage"]
    assert "acceleration voltage" in rows["rlnVoltage"]
    assert "--tau2_fudge" in rows["rlnTau2FudgeArg"]
    assert rows.keys() >= LABELS.keys()


def test_a_missing_column_is_explained() -> None:
    problems: list[str] = []

    ColumnReader({}, "data_optics", problems).floats("rlnVoltage")

    assert problems[0].startswith(
        "data_optics: the column rlnVoltage is missing (acceleration voltage, kV). "
    )
