import errno
import subprocess
import sys
from pathlib import Path

import pytest

from halfmap.errors import DataError
from halfmap.io.atomic import replacing
from halfmap.io.output import check_disc_space, check_output, iteration_bytes, make_room


def _write_and_fail(path: Path, error: BaseException) -> None:
    with replacing(path) as beside:
        beside.write_text("half of the n")
        raise error


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "map.mrc"
    path.write_text("old")

    with replacing(path) as beside:
        beside.write_text("new")
        assert path.read_text() == "old"

    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_after_a_failure_the_old_file_is_there_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "map.mrc"
    path.write_text("old")

    with pytest.raises(KeyboardInterrupt):
        _write_and_fail(path, KeyboardInterrupt())

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "disc is full"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permissions"),
    ],
)
def test_errors_of_the_system_say_what_to_do(tmp_path: Path, number: int, remedy: str) -> None:
    with pytest.raises(DataError, match=remedy):
        _write_and_fail(tmp_path / "a", OSError(number, "as the system says"))


def test_an_error_that_only_hdf5_describes_is_understood(tmp_path: Path) -> None:
    message = "Can't write data (errno = 28, error message = 'No space left on device')"

    with pytest.raises(DataError, match="disc is full"):
        _write_and_fail(tmp_path / "a", OSError(message))


def test_an_unknown_error_keeps_its_own_name(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="strange"):
        _write_and_fail(tmp_path / "a", OSError(errno.EIO, "strange"))


def test_a_missing_folder_is_explained(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match="folder does not exist"),
        replacing(tmp_path / "no" / "a") as beside,
    ):
        beside.write_text("x")


def test_files_cut_off_by_the_system_leave_nothing_behind(tmp_path: Path) -> None:
    program = f"""
import resource
from pathlib import Path
import h5py, numpy as np
from halfmap.errors import DataError
from halfmap.io.atomic import replacing
from halfmap.io.star import write_star
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
folder = Path({str(tmp_path)!r})
def hdf5():
    with replacing(folder / "a.h5") as beside, h5py.File(beside, "w") as file:
        file["x"] = np.zeros(100_000)
for write in (hdf5, lambda: write_star(folder / "a.star", {{"t": {{"x": np.zeros(9999)}}}})):
    try:
        write()
    except DataError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.count("larger than this system allows") == 2
    assert list(tmp_path.iterdir()) == []


def test_the_last_folder_of_the_output_is_made_but_not_a_longer_path(tmp_path: Path) -> None:
    assert check_output(tmp_path / "job" / "run", overwrite=False) == []
    assert list(tmp_path.iterdir()) == []  # not before all else is known to be good
    make_room(tmp_path / "job")
    assert (tmp_path / "job").is_dir()

    with pytest.raises(DataError, match="does not exist, nor does"):
        check_output(tmp_path / "a" / "b" / "run", overwrite=False)
    with pytest.raises(DataError, match=r"could not be prepared\..*does not exist"):
        make_room(tmp_path / "a" / "b")


def test_an_earlier_run_is_not_overwritten_unless_asked(tmp_path: Path) -> None:
    last = (
        "run_half2_class001_unfil.mrc",
        "run_options.yaml",
        "run_quarantine.star",
        "run_timing.csv",
    )
    names = ("run_it000_data.star", "run_it001_half1_class001.mrc", *last)
    for name in (*names, "running.txt", "run2_it000_data.star"):
        (tmp_path / name).touch()

    with pytest.raises(DataError, match=r"already holds a run called 'run'.*--overwrite"):
        check_output(tmp_path / "run", overwrite=False)

    found = check_output(tmp_path / "run", overwrite=True)
    assert [file.name for file in found] == sorted(names)


def test_wildcards_in_the_root_are_letters(tmp_path: Path) -> None:
    (tmp_path / "run_it000_data.star").touch()

    assert check_output(tmp_path / "r[u]n*", overwrite=False) == []


def test_a_file_in_place_of_the_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "job").touch()

    for root in (tmp_path / "job" / "run", tmp_path / "job" / "more" / "run"):
        with pytest.raises(DataError, match="job is a file; expected a folder"):
            check_output(root, overwrite=False)


def test_a_folder_that_cannot_be_written_is_explained(tmp_path: Path, monkeypatch) -> None:
    # Not by chmod: root may write everywhere.
    monkeypatch.setattr("halfmap.io.output.os.access", lambda *_: False)

    with pytest.raises(DataError, match=r"Nothing can be written.*permissions"):
        check_output(tmp_path / "run", overwrite=False)


def test_a_disc_that_is_too_small_is_noticed_before_the_run(tmp_path: Path) -> None:
    check_disc_space(tmp_path, 1)

    with pytest.raises(DataError, match=r"GiB left; the run needs about 1073741824\.0 GiB"):
        check_disc_space(tmp_path, 2**60)


def test_an_iteration_takes_the_room_of_its_maps_at_least() -> None:
    assert iteration_bytes((256, 256), 1, 25, 2) > 2 * 4 * 256**3
