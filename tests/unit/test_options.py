"""The declarations: RELION's list, its defaults, its labels, and what is saved."""

import json
import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from halfmap.config.command_line import expected, parse
from halfmap.config.declare import Status
from halfmap.config.options import (
    OUR_GROUPS,
    RefineOptions,
    by_spelling,
    declarations,
    from_mapping,
    to_mapping,
)
from halfmap.config.relion_labels import relion_labels
from halfmap.errors import OptionError
from halfmap.model.symmetry import point_group

OURS = {
    by_name.spelling
    for by_name in declarations()
    if any(by_name.name in group.model_fields for group in OUR_GROUPS)
}


def options(**values: object) -> RefineOptions:
    mandatory = {"particles_file": "p.star", "reference_file": "r.mrc", "output_root": "run"}
    return RefineOptions.model_validate(mandatory | values)


@pytest.fixture(scope="module")
def relion_list(shared: Path) -> dict[str, str | None]:
    """Spelling and default of every option that RELION prints."""
    text = (shared / "options" / "relion_refine.txt").read_text()
    rows = re.findall(r"^ *--(\w+) (?:\((.*?)\) )?: ", text, flags=re.MULTILINE)
    return {spelling: default or None for spelling, default in rows}


def test_every_option_of_relion_is_known_and_no_other_but_ours(
    relion_list: dict[str, str | None],
) -> None:
    assert len(relion_list) == 142
    assert set(by_spelling()) == set(relion_list) | OURS
    assert not set(relion_list) & OURS


def test_defaults_are_those_of_relion(relion_list: dict[str, str | None]) -> None:
    different = {}
    for declaration in declarations():
        if declaration.spelling in OURS or declaration.required:
            continue
        theirs, ours = relion_list[declaration.spelling], declaration.default
        if isinstance(ours, bool):
            same = ours == (theirs == "true")
        elif isinstance(ours, int | float):
            same = ours == float(str(theirs))
        else:
            same = (ours or "none").lower() == (theirs or "none").lower()
        if not same:
            different[declaration.spelling] = (theirs, ours)

    # RELION prints the default of the flag that is absent; ours has devices or none.
    assert different == {"gpu": ("false", None)}


def test_spellings_and_code_names_are_unique() -> None:
    assert len(by_spelling()) == len(declarations()) == len({d.name for d in declarations()})


@pytest.mark.parametrize("declaration", declarations(), ids=lambda d: d.spelling)
def test_each_option_says_what_it_does(declaration) -> None:
    assert declaration.option.help.endswith(".")
    assert expected(declaration)
    # An option that is accepted without effect must give its reason.
    assert declaration.option.differs or declaration.option.status is not Status.NO_MEANING


def test_saved_options_come_back_equal() -> None:
    before = options(symmetry="d7", initial_lowpass_A=40, zero_mask=True, solvent_mask_file="m.mrc")

    assert from_mapping(to_mapping(before)) == before
    assert from_mapping(json.loads(json.dumps(to_mapping(before)))) == before
    assert from_mapping(yaml.safe_load(yaml.safe_dump(to_mapping(before)))) == before


def test_saved_options_have_all_the_spellings_in_plain_types() -> None:
    saved = to_mapping(options())

    assert list(saved) == list(by_spelling())
    assert all(isinstance(v, str | int | float | bool | None) for v in saved.values())


@pytest.mark.parametrize(
    "saved", [{"helix_ordr": 1}, {"i": "p", "ref": "r", "o": "o", "oversampling": 4}, {"i": "p"}]
)
def test_saved_options_that_make_no_sense_are_refused(saved: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        from_mapping(saved)


def test_options_cannot_be_changed_after_they_were_read() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        options().oversampling = 2  # type: ignore[misc]


def test_no_norm_and_no_scale_win() -> None:
    both = options(norm_correction=True, scale_correction=True)
    neither = options(norm_correction=True, scale_correction=True, no_norm_correction=True)

    assert (both.corrects_norm, both.corrects_scale) == (True, True)
    assert (neither.corrects_norm, neither.corrects_scale) == (False, True)


def test_the_last_iteration_is_that_of_the_kind_of_run() -> None:
    assert options().last_iteration == 50
    assert options(iterations=7).last_iteration == 7
    assert options(iterations=7, auto_refine=True).last_iteration == 999
    assert options(auto_refine=True, max_auto_iterations=3).last_iteration == 3


def test_a_data_weight_that_is_not_given_is_one() -> None:
    assert (options().data_weight, options(tau2_fudge=4).data_weight) == (1.0, 4.0)


REAL_GROUPS = "C1 c4 CI CS C3H C3V D1 D2 D4H D3V S4 T TD TH O OH I I1 I2 I3 I4 IH I2H"
OTHER_NAMES = "C0 C D D0 S S3 S0 I5 I5H I0 OD TV X1 relax"


@pytest.mark.parametrize("name", f"{REAL_GROUPS} {OTHER_NAMES}".split())
def test_a_point_group_is_accepted_here_if_it_exists(name: str) -> None:
    def accepts(make) -> bool:
        try:
            make()
        except (OptionError, ValidationError):
            return False
        return True

    assert accepts(lambda: options(symmetry=name)) == accepts(lambda: point_group(name))


@pytest.mark.parametrize(
    ("case", "iteration"), [("halves", "it003"), ("local", "it001"), ("em_flat", "it001")]
)
def test_labels_of_the_optimiser_file_have_the_values_of_relion(
    shared: Path, monkeypatch: pytest.MonkeyPatch, case: str, iteration: str
) -> None:
    golden = shared / "golden" / "relion"
    monkeypatch.chdir(golden)
    words = (golden / case / "command.txt").read_text().split()
    command = words[words.index("--i") :]
    theirs = {}
    for line in (golden / case / f"run_{iteration}_optimiser.star").read_text().splitlines():
        if line.startswith("_rln"):
            label, value = line.split()
            theirs[label[1:]] = value.strip('"')

    for label, value in relion_labels(parse(command).options).items():
        if isinstance(value, bool | int | float):
            assert float(theirs[label]) == float(value), label
        else:
            assert theirs[label] == value, label
