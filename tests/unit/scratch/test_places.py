"""What the system says of itself: file systems, free memory, and which file a stack is."""

import os
import shutil
from pathlib import Path

import pytest

from halfmap.errors import DataError
from halfmap.io.free_memory import free_memory
from halfmap.io.scratch.folder import file_system
from halfmap.io.stack_identity import identify

MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:40 / /mnt rw - tmpfs tmpfs rw
31 30 0:41 / /mnt/data\\040one rw shared:1 - nfs4 server:/x rw
32 22 0:42 / /mntx rw - lustre 10.0.0.1@tcp:/l rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/home", "ext4"), ("/mnt/a", "tmpfs"), ("/mnt/data one/b", "nfs4"), ("/mntx/a", "lustre")],
)
def test_the_file_system_is_that_of_the_nearest_mount(
    tmp_path: Path, folder: str, kind: str
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)

    assert file_system(Path(folder), mounts) == kind


def test_where_nobody_lists_mounts_the_file_system_is_unknown(tmp_path: Path) -> None:
    assert file_system(tmp_path, tmp_path / "absent") == ""


def system(tmp_path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


NODE = {"proc/meminfo": "MemTotal: 2000 kB\nMemAvailable: 1000 kB\n"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        (NODE, 1_024_000),
        (
            NODE
            | {
                "proc/self/cgroup": "0::/job/step\n",
                "sys/fs/cgroup/job/memory.max": "600000\n",
                "sys/fs/cgroup/job/memory.current": "500000\n",
                "sys/fs/cgroup/job/memory.stat": "anon 1\ninactive_file 50000\n",
                "sys/fs/cgroup/job/step/memory.max": "max\n",
                "sys/fs/cgroup/job/step/memory.current": "500000\n",
            },
            150_000,
        ),
        (
            NODE
            | {
                "proc/self/cgroup": "5:cpu,memory:/job\n0::/\n",
                "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "300000\n",
                "sys/fs/cgroup/memory/job/memory.usage_in_bytes": "310000\n",
            },
            0,
        ),
    ],
    ids=["nobody says", "of the node", "of a job", "of a job, older kernels"],
)
def test_free_memory_is_the_least_of_all_limits(
    tmp_path: Path, files: dict[str, str], expected: int | None
) -> None:
    assert free_memory(system(tmp_path, files)) == expected


def test_a_stack_has_one_identity_under_all_its_names(paths: list[str], tmp_path: Path) -> None:
    (tmp_path / "link.mrcs").symlink_to(paths[0])

    assert identify(str(tmp_path / "link.mrcs"))[0] == identify(paths[0])[0]
    assert identify(paths[0])[0] != identify(paths[1])[0]


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(1024 + 9 * 16)
        file.write(b"\x12")


def replace(path: Path) -> None:
    shutil.copy2(path, path.with_name("other"))
    path.with_name("other").replace(path)


@pytest.mark.parametrize("change", [overwrite, replace])
def test_a_change_that_keeps_the_time_changes_the_identity(paths: list[str], change) -> None:
    path = Path(paths[0])
    before, times = identify(paths[0])[0], path.stat()

    change(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    after = identify(paths[0])[0]
    assert (after.size, after.modified_ns) == (before.size, before.modified_ns)
    assert after != before
    assert not before.still_holds(path.stat())


def test_what_is_no_stack_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.mrcs").write_bytes(b"x" * 2000)

    with pytest.raises(DataError, match="not an MRC file"):
        identify(str(tmp_path / "s.mrcs"))
