import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from halfmap.errors import DataError
from halfmap.io.mrc import write_stack
from halfmap.io.stack_check import check_stacks
from halfmap.io.stacks import ImageSource
from halfmap.model.optics import Defocus, Optics
from halfmap.model.particles import Particles

BOX = 8


@pytest.fixture
def stacks(tmp_path: Path, rng) -> tuple[list[str], list[np.ndarray]]:
    arrays = [rng.normal(size=(n, BOX, BOX)).astype(np.float32) for n in (5, 3, 7)]
    paths = [str(tmp_path / f"s{n}.mrcs") for n in range(3)]
    for path, array in zip(paths, arrays, strict=True):
        write_stack(Path(path), array, 1.0)
    return paths, arrays


def test_images_come_in_the_order_of_the_request(stacks) -> None:
    paths, arrays = stacks
    stack, slice_ = np.array([0, 0, 2, 2, 2, 1, 0]), np.array([1, 2, 6, 0, 1, 2, 1])

    images = ImageSource(paths).read(stack, slice_, BOX)

    expected = np.array([arrays[s][i] for s, i in zip(stack, slice_, strict=True)])
    np.testing.assert_array_equal(images, expected)


def test_no_images_are_an_empty_array(stacks) -> None:
    none = np.zeros(0, dtype=np.int64)

    assert ImageSource(stacks[0]).read(none, none, BOX).shape == (0, BOX, BOX)


@pytest.mark.parametrize("dtype", [">f4", "i1", "<i2", ">u2", "<f2"])
def test_other_types_are_converted(tmp_path: Path, dtype: str) -> None:
    values = np.arange(4 * BOX * BOX).reshape(4, BOX, BOX) % 100
    with mrcfile.new(tmp_path / "s.mrcs") as mrc:
        mrc.set_data(values.astype(dtype))

    images = ImageSource([str(tmp_path / "s.mrcs")]).read(np.zeros(2, int), np.array([1, 2]), BOX)

    assert images.dtype == np.float32
    np.testing.assert_array_equal(images, values[1:3])


def test_few_files_stay_open(stacks) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    source = ImageSource(stacks[0], max_open=1)

    source.read(np.array([0, 1, 2, 0]), np.array([0, 0, 0, 0]), BOX)

    assert len(list(Path("/proc/self/fd").iterdir())) == before + 1


def test_threads_may_read_while_others_close_stacks(stacks) -> None:
    paths, arrays = stacks
    source = ImageSource(paths, max_open=1)

    def read(n: int) -> bool:
        stack = np.arange(n, n + 6) % 3
        images = source.read(stack, np.full(6, n % 3), BOX)
        return all(np.array_equal(i, arrays[s][n % 3]) for i, s in zip(images, stack, strict=True))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(read, range(200)))


def test_an_image_beyond_the_stack_is_named(stacks) -> None:
    with pytest.raises(DataError, match=r"000005@.*s0.mrcs and 1 more .* has 5 images"):
        ImageSource(stacks[0]).read(np.zeros(2, int), np.array([4, 5]), BOX)


def test_a_stack_that_shrinks_while_it_is_open_is_an_error(stacks) -> None:
    source = ImageSource(stacks[0])
    source.read(np.array([0]), np.array([0]), BOX)
    os.truncate(stacks[0][0], 1024 + BOX * BOX * 4)

    with pytest.raises(DataError, match=r"000003@.*has become shorter"):
        source.read(np.array([0]), np.array([2]), BOX)


def test_a_stack_of_another_box_is_an_error(stacks) -> None:
    with pytest.raises(DataError, match="images of 8 x 8 px; expected 10 x 10"):
        ImageSource(stacks[0]).read(np.array([0]), np.array([0]), 10)


def _particles(paths: list[str], stack, slice_, box: int = BOX) -> Particles:
    n, zero = len(stack), np.zeros(len(stack), dtype=np.int64)
    return Particles(
        stacks=tuple(paths),
        stack=np.array(stack),
        slice=np.array(slice_),
        optics=(Optics("og", 300.0, 2.7, 0.1, 1.0, box),),
        optics_group=zero,
        scale_groups=("",),
        scale_group=zero,
        half=zero,
        defocus=Defocus(*(np.zeros(n) for _ in range(6))),
    )


def test_good_stacks_pass(stacks) -> None:
    check_stacks(_particles(stacks[0], [0, 0, 2], [0, 4, 6]))


def test_all_bad_stacks_are_listed_at_once(stacks, tmp_path: Path) -> None:
    paths = [*stacks[0], str(tmp_path / "none.mrcs"), str(tmp_path / "other.mrcs")]
    write_stack(Path(paths[4]), np.zeros((1, BOX, BOX + 2)), 1.0)
    os.truncate(paths[1], 1500)

    with pytest.raises(DataError) as error:
        check_stacks(_particles(paths, [0, 1, 2, 3, 4, 0], [8, 0, 7, 0, 0, 0]))

    text = str(error.value)
    assert "row 1 points to image 9 of" in text
    assert "s1.mrcs is truncated: it has 1,500 bytes" in text
    assert "row 3 points to image 8 of" in text
    assert "none.mrcs cannot be read: No such file" in text
    assert "other.mrcs holds images of 10 x 8 px; its optics group says 8 x 8" in text


def test_an_odd_box_is_refused(tmp_path: Path) -> None:
    write_stack(tmp_path / "odd.mrcs", np.zeros((1, 7, 7)), 1.0)

    with pytest.raises(DataError, match="odd box 7"):
        check_stacks(_particles([str(tmp_path / "odd.mrcs")], [0], [0], box=7))


def test_thousands_of_problems_are_counted_not_printed() -> None:
    paths = [f"none{n}.mrcs" for n in range(50)]

    with pytest.raises(DataError) as error:
        check_stacks(_particles(paths, range(50), [0] * 50))

    assert "and 30 more of this kind" in str(error.value)
    assert str(error.value).count("\n") == 21
