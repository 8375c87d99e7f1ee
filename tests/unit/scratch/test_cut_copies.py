"""Copies of images that are cut: smaller, and the same wherever an image is read."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest

from halfmap.io.image_form import ImageForm
from halfmap.model.cut_images import resized

from .conftest import BOX, ONE, Reader, Store, only, spoil

CUT = 10
FORMS = {
    "cut": ImageForm(cuts=((BOX, CUT),)),
    "cut and rounded": ImageForm(rounds=True, cuts=((BOX, CUT),)),
}


def read(reader: Reader, *, cut: bool = True) -> np.ndarray:
    return reader.source.read(*ONE, BOX, cut=cut)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.float16])
def test_an_image_is_the_same_from_its_copy_and_from_its_stack(
    tmp_path: Path, store: Store, scratch: Path, dtype: type, name: str
) -> None:
    raw = np.random.default_rng(2).normal(scale=20.0, size=(5, BOX, BOX)).astype(dtype)
    path = str(tmp_path / "s.mrcs")
    mrcfile.new(path, raw).close()
    reader = Reader(store(), [path], FORMS[name])
    from_stack = read(reader)

    reader.copy(*ONE)

    spoil(path)
    np.testing.assert_array_equal(read(reader), from_stack)
    each = 2 if FORMS[name].rounds else 4
    assert only(scratch, ".images").stat().st_size == 5 * CUT * CUT * each
    assert not np.array_equal(from_stack, raw)


def test_images_are_cut_and_brought_back(paths, images, store: Store) -> None:
    reader = Reader(store(), paths[:1], FORMS["cut"])

    np.testing.assert_array_equal(read(reader), resized(resized(images[:5], CUT), BOX))


def test_whole_images_are_never_taken_from_cut_copies(paths, images, store: Store) -> None:
    reader = Reader(store(), paths[:1], FORMS["cut"])
    reader.copy(*ONE)

    np.testing.assert_array_equal(read(reader, cut=False), images[:5])


def test_copies_of_one_form_are_not_taken_for_those_of_another(
    paths, store: Store, scratch: Path
) -> None:
    forms = (*FORMS.values(), ImageForm(cuts=((BOX, CUT + 2),)), ImageForm())
    readers = [Reader(store(), paths[:1], form) for form in forms]
    expected = [read(reader) for reader in readers]

    for number, reader in enumerate(readers):
        assert reader.copy(*ONE, adds=False).n_there == 0
        assert Reader(reader.store, paths[:1], reader.source.form).copy(*ONE).n_there == 5
        assert len(list(scratch.glob("*/*.images"))) == number + 1

    for reader, own in zip(readers, expected, strict=True):
        reader.copy(*ONE)
        np.testing.assert_array_equal(read(reader), own)


def test_only_boxes_that_become_smaller_are_cut(paths, images, store: Store) -> None:
    reader = Reader(store(), paths[:1], ImageForm(cuts=((BOX + 2, CUT),)))
    reader.copy(*ONE)

    spoil(paths[0])
    np.testing.assert_array_equal(read(reader), images[:5])


def test_an_image_that_half_precision_cannot_hold_is_cut_but_not_rounded(
    tmp_path: Path, store: Store
) -> None:
    raw = np.random.default_rng(3).normal(size=(5, BOX, BOX)).astype(np.float32)
    raw[2] += 1e6
    path = str(tmp_path / "s.mrcs")
    mrcfile.new(path, raw).close()
    reader = Reader(store(), [path], FORMS["cut and rounded"])

    assert reader.copy(*ONE).n_there == 4

    np.testing.assert_array_equal(read(reader)[2], resized(resized(raw[2:3], CUT), BOX)[0])


def test_an_image_that_is_not_square_is_copied_as_it_is(tmp_path: Path, store: Store) -> None:
    raw = np.random.default_rng(3).normal(size=(5, BOX - 2, BOX)).astype(np.float32)
    path = str(tmp_path / "s.mrcs")
    mrcfile.new(path, raw).close()
    reader = Reader(store(), [path], FORMS["cut"])

    tally = reader.copy(*ONE)

    assert tally.problems == []
    assert tally.n_there == 5
