from pathlib import Path

import numpy as np
import pytest

from halfmap.cli.main import main
from halfmap.config.reconstruction.options import ReconstructOptions, parse_reconstruct
from halfmap.engine.reconstruction.judging import judged
from halfmap.engine.reconstruction.processing import Finishing, finished, finishing
from halfmap.engine.reconstruction.task import found_task
from halfmap.errors import DataError, OptionError
from halfmap.io.eman.hdf_attributes import Transform
from halfmap.io.eman.hdf_writing import EmanImage, write_hdf
from halfmap.io.eman.structure_factor import read_structure_factor
from halfmap.io.eman.volumes import read_volume
from halfmap.steps.slice_preparation import prepared_slices
from halfmap.steps.structure_factor import with_structure_factor

CURVE = "0.0 3\n0.1 2\n0.3 1\n"
VIEWS = (
    (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    (0.0, 0.0, -1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0),
)


def options(*words: str) -> ReconstructOptions:
    return parse_reconstruct(["--input", __file__, *words], judged).options


def made(*words: str) -> Finishing:
    return finishing(options(*words))


@pytest.fixture
def volume(rng) -> np.ndarray:
    return rng.normal(size=(16,) * 3).astype(np.float32)


@pytest.fixture
def projections(tmp_path: Path, rng) -> Path:
    images = [
        EmanImage(
            rng.normal(size=(16, 16)).astype(np.float32),
            2.0,
            {"xform.projection": Transform(view)},
        )
        for view in VIEWS
    ]
    write_hdf(tmp_path / "images.hdf", images)
    return tmp_path / "images.hdf"


def reconstructed(projections: Path, *words: str) -> np.ndarray:
    output = projections.with_name("map.hdf")
    command = ["reconstruct", "--input", str(projections), "--output", str(output)]
    assert main([*command, "--mode", "trilinear", "--threads", "1", *words]) == 0
    volume, _ = read_volume(output)
    output.unlink()
    return volume


def test_images_are_processed_before_they_are_inserted(projections: Path) -> None:
    plain = reconstructed(projections)

    scaled = reconstructed(
        projections, "--preprocess", "math.linear:scale=3", "--preprocess", "none"
    )

    np.testing.assert_allclose(scaled, 3.0 * plain, rtol=1e-4, atol=1e-5 * plain.max())


def test_the_noise_of_an_image_follows_from_its_number_in_the_input(projections: Path) -> None:
    words = ["--input", str(projections), "--preprocess", "math.addnoise:noise=1"]
    task = found_task(parse_reconstruct(words, judged).options)
    alike = np.zeros((2, 16, 16), np.float32)

    both = prepared_slices(alike, task.table, task.preparation).signal
    second = prepared_slices(alike[1:], task.table.only(np.array([1])), task.preparation).signal

    np.testing.assert_array_equal(second[0], both[1])
    assert not np.allclose(both[0], both[1])


def test_the_map_is_processed_in_the_end(projections: Path) -> None:
    plain = reconstructed(projections)
    twice = ("--postprocess", "math.squared", "--postprocess", "math.linear:shift=1")

    np.testing.assert_allclose(reconstructed(projections, *twice), plain**2 + 1.0, rtol=1e-6)


def test_the_map_gets_the_structure_factor_that_is_named(projections: Path) -> None:
    path = projections.with_name("sf.txt")
    path.write_text(CURVE, encoding="ascii")
    plain = reconstructed(projections)

    found = reconstructed(projections, "--setsf", str(path))

    expected = with_structure_factor(plain, read_structure_factor(path), 2.0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * expected.max())


def test_the_structure_factor_comes_before_the_processors(tmp_path: Path, volume) -> None:
    path = tmp_path / "sf.txt"
    path.write_text(CURVE, encoding="ascii")
    how = made("--setsf", str(path), "--postprocess", "math.squared")

    found = finished(volume, 2.0, how, pytest.fail)

    expected = with_structure_factor(volume, read_structure_factor(path), 2.0) ** 2
    np.testing.assert_allclose(found.values, expected, rtol=1e-6)


def test_eman_is_imitated_if_that_is_asked_for(tmp_path: Path, volume) -> None:
    path = tmp_path / "sf.txt"
    path.write_text("0.06 2\n0.3 1\n", encoding="ascii")

    found = finished(
        volume, 2.0, made("--setsf", str(path), "--compat", "eman2"), pytest.fail
    ).values

    curve = read_structure_factor(path)
    np.testing.assert_array_equal(found, with_structure_factor(volume, curve, 2.0, like_eman=True))


def test_auto_takes_the_file_of_the_usual_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    without = made("--setsf", "auto")
    Path("strucfac.txt").write_text(CURVE, encoding="ascii")

    with_it = made("--setsf", "auto")

    assert without.structure_factor is None
    assert "found no strucfac.txt" in without.warnings[0]
    assert with_it.structure_factor is not None
    assert with_it.warnings == ()


def test_a_map_is_not_lost_for_a_curve_that_does_not_fit(tmp_path: Path, volume) -> None:
    path, warnings = tmp_path / "sf.txt", []
    path.write_text("0.0 3\n0.01 2\n", encoding="ascii")
    how = made("--setsf", str(path), "--postprocess", "math.linear:shift=1")

    found = finished(volume, 2.0, how, warnings.append)

    np.testing.assert_allclose(found.values, volume + 1.0, rtol=1e-6)
    assert "--setsf: the structure factor ends at" in warnings[0]


def test_none_leaves_the_map_as_it_is(volume) -> None:
    how = made("--postprocess", "none")

    np.testing.assert_array_equal(finished(volume, 2.0, how, pytest.fail).values, volume)


@pytest.mark.parametrize("option", ["preprocess", "postprocess"])
def test_an_unknown_processor_is_said_with_all_other_options(option: str) -> None:
    wanted = f"--{option} cannot be used(.|\n)*math.squarred(.|\n)*math.squared"

    with pytest.raises(OptionError, match=wanted) as error:
        options(f"--{option}", "math.squarred", "--mode", "nothing")

    assert "nothing" in str(error.value)


def test_a_structure_factor_that_cannot_be_read_is_said_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.txt cannot be read"):
        made("--setsf", str(tmp_path / "none.txt"))
