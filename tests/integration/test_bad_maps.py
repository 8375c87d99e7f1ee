"""Maps and masks that cannot be used get one clear message, before any work.

Every test asks for the exit code 3, for what was found, expected and to be done, for exactly one
message, and for no traceback. One process; what ranks add is in ``test_errors_on_ranks.py``.
"""

from pathlib import Path

import numpy as np
import pytest

from halfmap.io.star import TEXT, write_star

from .spoilt_project import Spoil, nothing_in_the_map, replaced, truncated, with_map, with_mask
from .tiny_project import BOX, MAP, Run, assert_one_message, refine, set_pixels

pytestmark = pytest.mark.usefixtures("tiny_project")


def nan_in_the_map() -> list[str]:
    set_pixels(MAP, 3, np.nan)
    return refine()


def half_map_without_its_twin() -> list[str]:
    MAP.rename("half1.mrc")
    return refine("--ref", "half1.mrc", halves=True)


def listed(*maps: str, label: str = "rlnReferenceImage", halves: bool = False) -> Spoil:
    """Return what makes a run start from several references."""

    def change() -> list[str]:
        write_star(Path("refs.star"), {"model_classes": {label: np.array(maps, TEXT)}})
        return refine("--ref", "refs.star", halves=halves)

    return change


@pytest.mark.parametrize(
    ("spoil", "phrases"),
    [
        pytest.param(
            replaced(MAP, b"hello" * 999),
            ("is not an MRC file", "Check the name"),
            id="no MRC file",
        ),
        pytest.param(
            replaced(MAP, b""), ("has 0 bytes; expected an MRC file",), id="an empty file"
        ),
        pytest.param(truncated(MAP), (f"{MAP} is truncated", "Copy it again"), id="truncated map"),
        pytest.param(
            with_map(BOX, BOX, BOX, kind=np.complex64), ("has MRC mode 4",), id="complex map"
        ),
        pytest.param(
            with_map(BOX, BOX, BOX - 4),
            ("has 20 x 24 x 24 voxels; expected a cubic map", "Crop or pad it"),
            id="map that is no cube",
        ),
        pytest.param(
            nan_in_the_map, ("has 576 voxels that are NaN", "expected numbers"), id="NaN in the map"
        ),
        pytest.param(
            nothing_in_the_map, ("found 0 in all voxels, expected a map",), id="nothing in the map"
        ),
        pytest.param(
            with_map(30, 30, 30),
            (
                "found a box of 30 px of 6 Å, expected that of the particles, 24 px of 6 Å",
                "--trust_ref_size",
            ),
            id="map of another box",
        ),
        pytest.param(
            with_map(BOX, BOX, BOX, pixel_size_A=5.0),
            ("found a box of 24 px of 5 Å", "--ref_angpix"),
            id="map of another pixel size",
        ),
        pytest.param(
            with_map(BOX, BOX, BOX, pixel_size_A=0.0),
            ("found no pixel size in the header, expected one", "--ref_angpix"),
            id="map without a pixel size",
        ),
        pytest.param(
            half_map_without_its_twin,
            ("--ref half1.mrc is named like a half map: expected half2.mrc", "rename the map"),
            id="half map without its twin",
        ),
        pytest.param(
            listed(str(MAP), label="rlnMicrographName"),
            (
                "--ref refs.star: found no references (data_model_classes)",
                "expected a table data_model_classes with a column rlnReferenceImage",
            ),
            id="a list without references",
        ),
        pytest.param(
            listed(str(MAP), "other.mrc"),
            ("--ref refs.star: found no other.mrc, expected the maps that it lists",),
            id="a listed reference that is absent",
        ),
        pytest.param(
            listed(str(MAP), str(MAP), halves=True),
            ("--ref refs.star: found 2 references with --split_random_halves, expected one",),
            id="several references for halves",
        ),
        pytest.param(
            with_mask(2.0),
            ("mask.mrc: found values from 2 to 2, expected a mask",),
            id="mask beyond 1",
        ),
        pytest.param(
            with_mask(0.0),
            ("mask.mrc: found values from 0 to 0, expected a mask",),
            id="mask of nothing",
        ),
    ],
)
def test_bad_maps_end_with_one_message(run: Run, spoil: Spoil, phrases: tuple[str, ...]) -> None:
    assert_one_message(run(spoil()), 3, *phrases)
