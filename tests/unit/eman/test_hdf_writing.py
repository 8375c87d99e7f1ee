from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from halfmap.errors import DataError
from halfmap.io.eman.bit_reduction import reduce_bits
from halfmap.io.eman.hdf_attributes import TRANSFORM_TYPE, Transform
from halfmap.io.eman.hdf_scanner import HdfScanner
from halfmap.io.eman.hdf_stack import HdfStack, open_hdf
from halfmap.io.eman.hdf_writing import LOSSLESS, PLAIN, EmanImage, write_hdf
from halfmap.io.eman.volumes import read_volume, write_volume

DERIVED = {"datatype", "changecount", "all_int"}
"""Attributes about the making of a file, not about the image."""


def opened(path: Path) -> HdfStack:
    with HdfScanner() as scanner:
        return open_hdf(path, None, scanner)


def copied(stack: HdfStack, number: int) -> EmanImage:
    said = {key: v for key, v in stack.attributes[number].items() if "stored_" not in key}
    return EmanImage(stack.read(number), float(said["apix_x"]), said)


@pytest.mark.parametrize("name", ["proj_shift_center.hdf", "rec_noisy_keep80.hdf", "tilt.hdf"])
def test_a_file_of_eman_keeps_its_values_and_attributes_when_it_is_written_again(
    shared: Path, tmp_path: Path, name: str
) -> None:
    original = shared / "golden/eman2" / name
    stack = opened(original)
    n = min(len(stack), 3)

    write_hdf(tmp_path / "again.hdf", [copied(stack, i) for i in range(n)])

    with h5py.File(original) as old, h5py.File(tmp_path / "again.hdf") as new:
        assert new["MDF/images"].attrs["imageid_max"].tolist() == [n - 1]
        for number in range(n):
            a, b = old[f"MDF/images/{number}"], new[f"MDF/images/{number}"]
            np.testing.assert_array_equal(b["image"], a["image"])
            assert b["image"].dtype == a["image"].dtype
            assert set(a.attrs) == set(b.attrs) | {"EMAN.all_int"} & set(a.attrs)
            for key in set(b.attrs) - {f"EMAN.{derived}" for derived in DERIVED}:
                x, y = (attribute_of(group, key) for group in (a, b))
                assert x == y, key


def attribute_of(group: h5py.Group, name: str) -> tuple[object, ...]:
    """Return class, size, shape, padding of strings, and value as HDF5 has them.

    EMAN reads numbers of single and double precision, and strings of any length.
    """
    attribute = h5py.h5a.open(group.id, name.encode())
    kind = attribute.get_type()
    padding = kind.get_strpad() if kind.get_class() == h5py.h5t.STRING else None
    free = kind.get_class() in (h5py.h5t.FLOAT, h5py.h5t.STRING)
    value = np.asarray(group.attrs[name]).tolist()
    return kind.get_class(), free or kind.get_size(), attribute.shape, padding, value


def test_statistics_are_those_that_eman_writes(shared: Path, tmp_path: Path) -> None:
    stack = opened(shared / "golden/eman2/proj.hdf")

    write_hdf(tmp_path / "a.hdf", [EmanImage(stack.read(0), 2.0, {})])

    said, expected = opened(tmp_path / "a.hdf").attributes[0], stack.attributes[0]
    names = ("minimum", "maximum", "mean", "sigma", "square_sum", "mean_nonzero", "sigma_nonzero")
    for name in names:  # sums of 4096 numbers in single precision there
        assert said[name] == pytest.approx(expected[name], rel=1e-5), name
    assert [said[name] for name in ("nx", "ny", "nz")] == [64, 64, 1]


def test_every_kind_of_attribute_comes_back(tmp_path: Path) -> None:
    said = {
        "n": 3,
        "half": 0.5,
        "third": 1 / 3,
        "yes": True,
        "text": "naïve",
        "curve": [0.5, 2.0],
        "rows": [1, 2, 3],
        "xform.projection": Transform(tuple(range(12))),
    }

    write_hdf(tmp_path / "a.hdf", [EmanImage(np.ones((4, 4), np.float32), 1.5, said)])

    found = opened(tmp_path / "a.hdf").attributes[0]
    assert {key: found[key] for key in said} == said
    assert found["yes"] is True
    assert found["apix_z"] == 1.5
    with h5py.File(tmp_path / "a.hdf") as file:
        stored = file["MDF/images/0"].attrs["EMAN.xform.projection"]
    assert stored.dtype == TRANSFORM_TYPE
    assert stored.shape == (1,)


def test_images_are_put_behind_those_that_are_there(tmp_path: Path, rng) -> None:
    images = rng.normal(size=(3, 12, 10)).astype(np.float32)
    path = tmp_path / "a.hdf"

    for image in images:
        write_hdf(path, [EmanImage(image, 1.0, {})], append=True)

    stack = opened(path)
    np.testing.assert_array_equal([stack.read(i) for i in range(len(stack))], images)


def test_a_damaged_file_is_not_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "a.hdf"
    path.write_bytes(b"not HDF")

    with pytest.raises(DataError, match="is not an HDF5 file"):
        write_hdf(path, [EmanImage(np.ones((4, 4), np.float32), 1.0, {})], append=True)

    assert path.read_bytes() == b"not HDF"


@pytest.mark.parametrize("shape", [(9, 20, 10), (20, 10)])
def test_packed_values_are_the_same_values(tmp_path: Path, rng, shape: tuple[int, ...]) -> None:
    values = rng.normal(size=shape).astype(np.float32)

    write_hdf(tmp_path / "a.hdf", [EmanImage(values, 1.0, {})], LOSSLESS)

    np.testing.assert_array_equal(opened(tmp_path / "a.hdf").read(0), values)
    with h5py.File(tmp_path / "a.hdf") as file:
        stored = file["MDF/images/0/image"]
        assert (stored.chunks, stored.compression) == ((1,) * (len(shape) - 2) + (8, 10), "gzip")


@pytest.mark.parametrize(("bits", "dtype"), [(5, np.uint8), (8, np.uint8), (10, np.uint16)])
def test_values_of_few_bits_are_off_by_half_a_step_and_zero_stays_zero(
    tmp_path: Path, rng, bits: int, dtype: type
) -> None:
    values = rng.uniform(-1.0, 3.0, (20, 20, 20)).astype(np.float32)
    values[0] = 0.0

    write_volume(tmp_path / "a.hdf", values, 1.0, {}, bits)

    found, _ = read_volume(tmp_path / "a.hdf")
    step = 4.0 / (2**bits - 2)
    inside = (values > -0.99) & (values < 2.98)
    # Half a step, and what single precision makes of limits and sums.
    assert np.abs(found - values)[inside].max() <= 0.5 * step + 1e-6
    assert np.abs(found[0]).max() < 1e-6
    with h5py.File(tmp_path / "a.hdf") as file:
        assert file["MDF/images/0/image"].dtype == dtype
        assert file["MDF/images/0"].attrs["EMAN.stored_renderbits"].tolist() == [bits]


def test_few_values_of_each_tail_are_cut(rng) -> None:
    values = rng.uniform(0.0, 1.0, 200_000)
    values[:6], values[6:15] = 50.0, -50.0

    reduced = reduce_bits(values, 12)

    # 10 of a tail may go: all 6 of one, all 9 of the other; the next bin has tens of thousands.
    assert reduced.n_cut == 15
    assert reduced.high < 1.1
    assert reduced.low > -0.1


def test_limits_enclose_all_that_is_not_rare() -> None:
    values = np.repeat([-1.0, 0.1, 3.0], 50)

    reduced = reduce_bits(values, 5)

    step = (reduced.high - reduced.low) / 31
    assert reduced.n_cut == 0
    assert reduced.low <= -1.0
    assert reduced.high >= 3.0
    # Zero is a level: a whole number of steps from the limit, in single precision.
    assert reduced.low / step == pytest.approx(round(reduced.low / step), abs=1e-5)


def test_limits_of_eman_for_the_same_numbers(shared: Path) -> None:
    stack = opened(shared / "golden/eman2/rec_default10bits.hdf")
    said = SimpleNamespace(**{k.split("_")[-1]: v for k, v in stack.attributes[0].items()})
    values = stack.read(0)

    # What was cut is lost, but the limits that EMAN found are levels of its own step.
    step = (said.rendermax - said.rendermin) / 1023
    assert said.rendermin / step == pytest.approx(round(said.rendermin / step), abs=1e-3)
    assert reduce_bits(values, 10).n_cut <= 2 * max(values.size / 20_000, 8)


def test_constant_maps_can_be_written_in_few_bits(tmp_path: Path) -> None:
    write_volume(tmp_path / "a.hdf", np.full((4, 4, 4), 2.5, np.float32), 1.0, {}, 10)

    assert (read_volume(tmp_path / "a.hdf")[0] == 2.5).all()


def test_an_mrc_file_is_single_precision_whatever_the_bits(tmp_path: Path, rng) -> None:
    values = rng.normal(size=(4, 6, 8)).astype(np.float32)

    write_volume(tmp_path / "a.mrc", values, 1.25, {}, 10)

    found, pixel_size_A = read_volume(tmp_path / "a.mrc")
    np.testing.assert_array_equal(found, values)
    assert pixel_size_A == 1.25


def test_the_bytes_of_a_file_do_not_depend_on_when_it_was_written(tmp_path: Path, rng) -> None:
    image = EmanImage(rng.normal(size=(8, 8, 8)).astype(np.float32), 1.0, {"text": "x"})
    for name, bits in (("a", 10), ("b", 10), ("c", PLAIN), ("d", PLAIN)):
        write_hdf(tmp_path / name, [image], bits)

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "c").read_bytes() == (tmp_path / "d").read_bytes()
