from pathlib import Path

import mrcfile
import numpy as np
import pytest

from halfmap.errors import DataError
from halfmap.io.mrc import read_header, read_map, write_map, write_stack


@pytest.fixture
def volume(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(6, 6, 6)).astype(np.float32)


def test_a_map_comes_back_as_it_was(tmp_path: Path, volume) -> None:
    write_map(tmp_path / "a.mrc", volume, 1.25)

    again, pixel_size_A = read_map(tmp_path / "a.mrc")

    np.testing.assert_array_equal(again, volume)
    assert pixel_size_A == pytest.approx(1.25, rel=1e-6)  # a float32 in the header


def test_the_same_map_gives_the_same_bytes(tmp_path: Path, volume) -> None:
    for name in ("a.mrc", "b.mrc"):
        write_map(tmp_path / name, volume, 1.25)

    assert (tmp_path / "a.mrc").read_bytes() == (tmp_path / "b.mrc").read_bytes()


def test_a_golden_map_is_written_again_with_relions_header(shared: Path, tmp_path: Path) -> None:
    golden = shared / "golden/relion/halves/run_it002_half1_class001.mrc"
    map_, pixel_size_A = read_map(golden)

    write_map(tmp_path / "again.mrc", map_, pixel_size_A)

    with (
        mrcfile.open(tmp_path / "again.mrc", permissive=True) as ours,
        mrcfile.open(golden, permissive=True) as theirs,
    ):
        np.testing.assert_array_equal(ours.data, theirs.data)
        for name in ("nx", "mode", "nxstart", "mx", "mz", "cella", "cellb", "mapc", "maps"):
            assert ours.header[name] == theirs.header[name], name
        for name in ("ispg", "nsymbt", "origin", "map", "nlabl", "dmin", "dmax"):
            assert ours.header[name] == theirs.header[name], name
        assert ours.header.machst.tolist() == theirs.header.machst.tolist()
        assert ours.header.rms == pytest.approx(theirs.header.rms, rel=1e-3)
        assert bytes(ours.header.label[0]).startswith(b"halfmap ")


def test_a_stack_counts_its_images_along_z(tmp_path: Path, rng) -> None:
    write_stack(tmp_path / "s.mrcs", rng.normal(size=(3, 4, 4)), 2.0)

    header = read_header(tmp_path / "s.mrcs")

    assert header.shape == (3, 4, 4)
    assert header.pixel_size_A == 2.0
    with mrcfile.open(tmp_path / "s.mrcs", header_only=True) as mrc:
        assert (int(mrc.header.mz), float(mrc.header.cella.z)) == (3, 3.0)


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "float16", "float32"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_real_mode_and_byte_order_is_read(tmp_path: Path, dtype: str, order: str) -> None:
    values = np.arange(64).reshape(4, 4, 4).astype(np.dtype(dtype).newbyteorder(order))
    with mrcfile.new(tmp_path / "a.mrc") as mrc:
        mrc.set_data(values)

    again, _ = read_map(tmp_path / "a.mrc")

    assert again.dtype == np.float32
    assert again.dtype.isnative
    np.testing.assert_array_equal(again, values.astype(np.float32))


def test_an_extended_header_is_skipped(tmp_path: Path, volume) -> None:
    with mrcfile.new(tmp_path / "a.mrc") as mrc:
        mrc.set_data(volume)
        mrc.set_extended_header(np.zeros(320, np.int8))

    np.testing.assert_array_equal(read_map(tmp_path / "a.mrc")[0], volume)


def test_a_wrong_machine_stamp_does_no_harm(tmp_path: Path, volume) -> None:
    _patch(tmp_path / "a.mrc", volume, 212, b"\x11\x11\0\0")

    np.testing.assert_array_equal(read_map(tmp_path / "a.mrc")[0], volume)


def test_a_header_without_pixel_size_says_zero(tmp_path: Path, volume) -> None:
    write_map(tmp_path / "a.mrc", volume, 0.0)

    assert read_map(tmp_path / "a.mrc")[1] == 0.0


def _patch(path: Path, volume, offset: int, content: bytes) -> None:
    """Write a map and change some bytes of its header."""
    write_map(path, volume, 1.0)
    raw = bytearray(path.read_bytes())
    raw[offset : offset + len(content)] = content
    path.write_bytes(raw)


@pytest.mark.parametrize(
    ("offset", "content", "problem"),
    [
        (12, b"\x04\0\0\0", r"mode 4 \(complex float32\); expected mode 2"),
        (12, b"\x65\0\0\0", r"mode 101 \(packed 4-bit\)"),
        (12, b"\x09\0\0\0", r"mode 9 \(unknown\)"),
        (8, b"\x07\0\0\0", r"truncated: it has 1,888 bytes, its header promises 2,032 \(6 x 6 x 7"),
        (8, b"\x05\0\0\0", "6 x 6 x 5 voxels; expected a cubic map"),
        (8, b"\xff\xff\xff\xff", "not an MRC file"),
        (44, np.float32(7.0).tobytes(), r"voxels of 1\.0000 x 1\.1667 x 1\.0000 Å"),
        (64, b"\x03\0\0\0\x02\0\0\0\x01\0\0\0", r"axes in the order \(3, 2, 1\)"),
        (1024, np.float32(np.nan).tobytes(), "1 voxels that are NaN"),
    ],
)
def test_maps_that_cannot_be_used_are_explained(
    tmp_path: Path, volume, offset: int, content: bytes, problem: str
) -> None:
    _patch(tmp_path / "a.mrc", volume, offset, content)

    with pytest.raises(DataError, match=problem):
        read_map(tmp_path / "a.mrc")


def test_a_missing_and_an_empty_file_are_explained(tmp_path: Path) -> None:
    (tmp_path / "empty.mrc").touch()

    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_map(tmp_path / "none.mrc")
    with pytest.raises(DataError, match="has 0 bytes; expected an MRC file"):
        read_map(tmp_path / "empty.mrc")
