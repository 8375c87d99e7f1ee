"""The presets that come with halfmap."""

from pathlib import Path

import pytest

from halfmap.config.command_line import parse
from halfmap.config.options import RefineOptions
from halfmap.config.words import read_preset

CONFIGS = Path(__file__).parents[2] / "configs"
PRESETS = sorted(CONFIGS.glob("*.yaml"))


def read(preset: Path, folder: Path) -> RefineOptions:
    for name in ("p.star", "r.mrc"):
        (folder / name).touch()
    files = ["--i", str(folder / "p.star"), "--ref", str(folder / "r.mrc"), "--o", "run"]
    request = parse([str(preset), *files])
    assert request.notices == ()
    return request.options


def test_there_are_presets() -> None:
    names = {path.stem for path in PRESETS}

    assert {"autorefine", "local_refine", "em", "demo", "class2d", "class3d"} <= names


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_needs_only_the_files_and_asks_for_nothing_without_effect(
    preset: Path, tmp_path: Path
) -> None:
    assert read(preset, tmp_path).correct_ctf


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_says_how_to_use_it(preset: Path) -> None:
    text = preset.read_text()

    assert text.startswith("# ")
    assert f"halfmap refine configs/{preset.name}" in text


def test_a_local_refinement_is_local_from_the_start(tmp_path: Path) -> None:
    options = read(CONFIGS / "local_refine.yaml", tmp_path)

    assert options.auto_refine
    assert options.healpix_order >= options.local_search_healpix_order


def test_values_stay_as_they_are_written(tmp_path: Path) -> None:
    # YAML itself would make a float, an integer of base 60, and a boolean of these.
    (tmp_path / "a.yaml").write_text("i: 1.10\no: 1:30\nref: no\n")

    texts = {name: given.text for name, given in read_preset(tmp_path / "a.yaml").values.items()}

    assert texts == {"i": "1.10", "o": "1:30", "ref": "no"}
