from io import StringIO
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from numpy import ndarray as Array

from halfmap.io.mrc import read_header, write_stack
from halfmap.io.stack_writer import stack_writer

PIXEL_A = 2.5


@pytest.fixture
def images(rng: np.random.Generator) -> Array:
    return rng.normal(size=(7, 16, 16)).astype(np.float32)


def written(path: Path, images: Array, dtype: str) -> Path:
    with stack_writer(path, PIXEL_A, dtype) as write:
        write(images[:3])
        write(images[3:])
    return path


def test_a_stack_written_in_parts_is_the_stack_written_at_once(
    tmp_path: Path, images: Array
) -> None:
    write_stack(tmp_path / "once.mrcs", images, PIXEL_A)

    written(tmp_path / "parts.mrcs", images, "float32")

    with (
        mrcfile.open(tmp_path / "once.mrcs") as once,
        mrcfile.open(tmp_path / "parts.mrcs") as parts,
    ):
        np.testing.assert_array_equal(once.data, parts.data)
        for name in once.header.dtype.names:
            a, b = once.header[name], parts.header[name]
            if name in ("dmin", "dmax", "dmean", "rms"):  # summed in another order
                np.testing.assert_allclose(a, b, atol=1e-6, err_msg=name)
            elif name != "nversion":  # that of the mrcfile installed
                np.testing.assert_array_equal(a, b, err_msg=name)


@pytest.mark.parametrize(("dtype", "mode"), [("float32", 2), ("float16", 12), ("int16", 1)])
def test_a_stack_is_valid_mrc_of_the_mode_asked_for(
    tmp_path: Path, images: Array, dtype: str, mode: int
) -> None:
    path = written(tmp_path / "s.mrcs", images, dtype)

    assert mrcfile.validate(path, print_file=StringIO())
    with mrcfile.open(path) as mrc:
        assert mrc.header.mode == mode
        assert mrc.is_image_stack()
    assert read_header(path).pixel_size_A == pytest.approx(PIXEL_A)


def test_integers_are_rounded_and_stop_at_their_limits(tmp_path: Path) -> None:
    values = np.array([0.4, 0.6, -0.6, 1e6, -1e6, 2.5], np.float32).reshape(1, 1, -1)

    path = written(tmp_path / "s.mrcs", np.tile(values, (1, 6, 1)), "int16")

    assert mrcfile.read(path).reshape(6, 6)[0].tolist() == [0, 1, -1, 32767, -32768, 2]


def test_an_interrupted_stack_leaves_nothing(tmp_path: Path, images: Array) -> None:
    path = tmp_path / "s.mrcs"

    def fail() -> None:
        with stack_writer(path, PIXEL_A, "float32") as write:
            write(images)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []
