from pathlib import Path

import numpy as np
import pytest

from halfmap.config.options import RefineOptions
from halfmap.engine.starting.map_masks import MapMasks, fitted_masks, read_masks, write_resampled
from halfmap.engine.telling.console import Console
from halfmap.errors import DataError
from halfmap.io.mrc import read_map, write_map
from halfmap.io.problems import Problems
from halfmap.io.run_names import RunNames
from halfmap.steps.solvent import solvent_mask

BOX, PIXEL_A = 32, 2.0


def masks_of(box: int = BOX, pixel_size_A: float = PIXEL_A, **files: Path) -> MapMasks:
    options = RefineOptions.model_construct(**files)
    problems = Problems()
    found = read_masks(options, problems)
    problems.refuse()
    return fitted_masks(found, box, pixel_size_A, Console(0))


def written(folder: Path, volume: np.ndarray, pixel_size_A: float) -> Path:
    write_map(folder / "mask.mrc", volume, pixel_size_A)
    return folder / "mask.mrc"


def test_a_mask_on_the_grid_is_taken_as_it_is(tmp_path: Path) -> None:
    sphere = solvent_mask(BOX, PIXEL_A, 30.0, 3.0)

    masks = masks_of(solvent_mask_file=written(tmp_path, sphere, PIXEL_A))

    np.testing.assert_array_equal(masks.solvent, sphere.astype(np.float32))
    assert masks.resampled == ()
    assert masks.levelled is None
    assert masks.low_pass is None


@pytest.mark.parametrize(("box", "pixel_size_A"), [(64, 1.0), (24, 2.6), (40, PIXEL_A), (25, 2.6)])
def test_a_sphere_on_another_grid_is_the_sphere_of_ours(
    tmp_path: Path, box: int, pixel_size_A: float
) -> None:
    # As many px as the pixel sizes ask for, and then even: the pixel size is met to 3 %.
    sphere = solvent_mask(box, pixel_size_A, 30.0, 8.0 / pixel_size_A)

    masks = masks_of(second_solvent_mask_file=written(tmp_path, sphere, pixel_size_A))

    assert masks.resampled == ("levelled",)
    assert masks.levelled is not None
    assert masks.levelled.min() == 0.0
    assert masks.levelled.max() == 1.0
    # A shift of a sphere with an edge of 4 px by a tenth of a px changes no value by more.
    np.testing.assert_allclose(
        masks.levelled, solvent_mask(BOX, PIXEL_A, 30.0, 8.0 / PIXEL_A), atol=0.1
    )


def test_an_odd_number_of_pixels_is_rounded_up(tmp_path: Path) -> None:
    # 100 px of 1.4 Å are 127.27 of 1.1 Å: 127, and one more (a map would lose one).
    ones = np.ones((100,) * 3)
    path = written(tmp_path, ones, 1.4)

    masks = masks_of(128, 1.1, lowpass_mask_file=path)

    assert masks.low_pass is not None
    np.testing.assert_allclose(masks.low_pass, 1.0, atol=1e-5)


def test_what_rounding_puts_beyond_one_is_cut(tmp_path: Path) -> None:
    sphere = solvent_mask(BOX, PIXEL_A, 30.0, 3.0) * (1.0 + 5e-7)

    masks = masks_of(solvent_mask_file=written(tmp_path, sphere, PIXEL_A))

    assert masks.solvent is not None
    assert masks.solvent.max() == 1.0


@pytest.mark.parametrize("spoil", [lambda m: m * 1.1, lambda m: m - 0.1, lambda m: m * 0.0])
def test_values_beyond_a_mask_are_refused(tmp_path: Path, spoil) -> None:
    path = written(tmp_path, spoil(solvent_mask(BOX, PIXEL_A, 30.0, 3.0)), PIXEL_A)

    with pytest.raises(
        DataError, match=r"mask\.mrc: found values from .*values from 0 to 1\. Make"
    ):
        masks_of(lowpass_mask_file=path)


def test_only_masks_that_were_resampled_are_written(tmp_path: Path) -> None:
    values = np.full((4,) * 3, 0.5, np.float32)

    write_resampled(
        MapMasks(solvent=values, levelled=values, resampled=("levelled",)),
        RunNames(str(tmp_path / "run")),
        3.0,
    )

    assert [file.name for file in tmp_path.iterdir()] == ["run_solvent2.mrc"]
    volume, pixel_size_A = read_map(tmp_path / "run_solvent2.mrc")
    np.testing.assert_array_equal(volume, values)
    assert pixel_size_A == pytest.approx(3.0)
