"""What `halfmap reconstruct` leaves beside its map for the report."""

from pathlib import Path

import numpy as np
import pytest
from reconstruction_record import example_record

from halfmap.errors import DataError
from halfmap.io import sealed
from halfmap.io.reconstruction_record import (
    KIND,
    read_record,
    write_record,
)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "map_reconstruction.h5"
    record = example_record()

    write_record(path, record)

    found = read_record(path)
    assert np.array_equal(found.angles_deg, record.angles_deg, equal_nan=True)
    assert np.array_equal(found.section_xz, record.section_xz)
    assert found.notes == {**record.notes, "kind": KIND}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"section_xy": np.zeros(4)}, "section_xy is absent or no array of numbers with 2 axes"),
        ({"quality": np.zeros(3)}, "differ in length"),
        ({"fate": np.full(40, 9)}, "a fate that does not exist"),
        ({"angles_deg": np.full((40, 2), np.nan)}, "used has no view"),
        ({"shell_weight": np.full(17, np.inf)}, "no numbers, or out of order"),
        ({"shell_per_A": np.zeros(17)}, "no numbers, or out of order"),
        ({"operators": np.zeros((1, 2, 2))}, "wrong shape"),
    ],
)
def test_arrays_that_cannot_be_are_refused(
    tmp_path: Path, change: dict[str, np.ndarray], said: str
) -> None:
    path = tmp_path / "map_reconstruction.h5"
    write_record(path, example_record(**change))

    with pytest.raises(DataError, match=f"{said}.*make the map again"):
        read_record(path)


@pytest.mark.parametrize("name", ["facts", "seconds", "peak_bytes", "map", "largest_quality"])
def test_notes_that_cannot_be_are_refused(tmp_path: Path, name: str) -> None:
    path, record = tmp_path / "map_reconstruction.h5", example_record()
    write_record(path, example_record(notes={**record.notes, name: [1]}))

    with pytest.raises(DataError, match=r"its notes .*make the map again"):
        read_record(path)


def test_maps_without_extent_are_refused(tmp_path: Path) -> None:
    path, record = tmp_path / "map_reconstruction.h5", example_record()
    write_record(path, example_record(notes={**record.notes, "fsc_box_A": 0.0}))

    with pytest.raises(DataError, match=r"no number fsc_box_A"):
        read_record(path)


def test_a_missing_a_damaged_and_a_linked_record_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "map_reconstruction.h5"
    with pytest.raises(DataError, match=r"No such file.*make the map again"):
        read_record(path)
    write_record(path, example_record())
    whole = path.read_bytes()
    (tmp_path / "link_reconstruction.h5").symlink_to(path)
    with pytest.raises(DataError, match="is a link"):
        read_record(tmp_path / "link_reconstruction.h5")
    path.write_bytes(whole[:2000] + b"x" + whole[2001:])
    with pytest.raises(DataError, match=r"its checksum is wrong\. Expected"):
        read_record(path)


def test_an_array_that_is_larger_than_its_file_takes_no_memory(tmp_path: Path) -> None:
    import h5py

    path = tmp_path / "map_reconstruction.h5"
    with sealed.Draft() as draft, sealed.created(path) as descriptor:
        with h5py.File(draft._memory, "r+") as file:
            file.create_dataset("fsc", shape=(2**36,), dtype="f8", chunks=(1024,))
        draft.finish(descriptor, {}, {"kind": KIND})

    with pytest.raises(DataError, match="fsc is larger than the file"):
        read_record(path)
