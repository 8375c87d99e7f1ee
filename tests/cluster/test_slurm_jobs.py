"""Jobs in a real Slurm: whatever happens to them, they end in the bytes of the undisturbed run."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from halfmap.io.parts import read_part

from .jobs import REFINE, SIMULATE, Job, halfmap_here, results
from .slurm import Slurm

MPICH = Path("/usr/lib/x86_64-linux-gnu/libmpich.so.12")
THREE_NODES = "--nodes=3 --ntasks-per-node=1"
N_UNITS = 6
"""Of 48 particles in two halves: units have 8."""
TWO_NODES = "--nodes=2 --ntasks-per-node=1"
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def undisturbed(slurm: Slurm) -> tuple[Path, dict[str, bytes]]:
    """A folder with particles, and what one process finds in them."""
    folder = slurm.hosts.folder / "project"
    folder.mkdir()
    halfmap_here(folder, *SIMULATE)
    (folder / "out").mkdir()
    halfmap_here(folder, "refine", *REFINE, "--o", "out/run")
    return folder, results(folder / "out")


@pytest.fixture
def job(
    slurm: Slurm, undisturbed: tuple[Path, dict[str, bytes]], request: pytest.FixtureRequest
) -> Iterator[Job]:
    """A job to be submitted; its end is compared with the undisturbed run."""
    folder = slurm.hosts.folder / f"job{abs(hash(request.node.name))}"
    folder.mkdir()
    (folder / "particles").symlink_to(undisturbed[0] / "particles")
    job = Job(slurm, folder)
    yield job
    if job.number:
        slurm.run("scancel", job.number)
        slurm.wait_until_over(job.number)
    shutil.rmtree(folder)


def assert_undisturbed(
    job: Job, undisturbed: tuple[Path, dict[str, bytes]], out: str = "out"
) -> None:
    named_out = {  # the root, which the tables name, has the same length everywhere
        name: content.replace(f"{out}/run".encode(), b"out/run")
        for name, content in results(job.folder / out).items()
    }
    found, expected = named_out, undisturbed[1]
    assert found.keys() == expected.keys(), job.log()
    assert [name for name in found if found[name] != expected[name]] == []


def test_a_job_on_one_node_finishes(job: Job, undisturbed: tuple[Path, dict[str, bytes]]) -> None:
    disc = job.slurm.hosts.disc
    job.submit(
        *("one_node", *REFINE, "--o", "out/run", "--keep_free_scratch", "0"),
        sbatch="--ntasks=3",
        HALFMAP_SCRATCH=str(disc),
        WITH_PAGE="yes",
    ).finish()

    assert job.starts() == 1
    assert_undisturbed(job, undisturbed)
    assert (job.folder / "out" / "run_report.html").exists()
    assert "copies: all 48 images" in job.log()
    assert job.slurm.hosts.on("n1", "ls", str(disc)) == ""


@pytest.mark.parametrize(
    ("launcher", "said", "starts"),
    [
        ("mpirun", "rank 1 on n2 was lost: the other 2 go on", 1),  # with --with-ft ulfm
        ("srun --mpi=pmix", "the ranks ended (code", 2),
    ],
)
def test_a_killed_rank_does_not_end_the_run(
    job: Job,
    undisturbed: tuple[Path, dict[str, bytes]],
    launcher: str,
    said: str,
    starts: int,
) -> None:
    job.submit(
        *("many_nodes", *REFINE, "--o", "out/run"), sbatch=THREE_NODES, HALFMAP_LAUNCHER=launcher
    )
    job.wait_for_iteration(2)
    os.kill(ranks(job, "n2")[0], signal.SIGKILL)

    assert said in job.finish()
    assert job.starts() == starts
    assert_undisturbed(job, undisturbed)


def test_a_host_that_is_switched_off_is_left_out(
    job: Job, undisturbed: tuple[Path, dict[str, bytes]]
) -> None:
    hosts = job.slurm.hosts
    job.submit("many_nodes", *REFINE, "--o", "out/run", sbatch=THREE_NODES)
    job.wait_for_iteration(2)
    hosts.power_off("n3")
    try:
        assert "node n3 does not start halfmap and is left out" in job.finish()
    finally:
        hosts.boot("n3")
        job.slurm.start_node("n3")
        job.slurm.wait_for(lambda: job.slurm.states().get("n3") == "idle", "n3 back")
    assert_undisturbed(job, undisturbed)


def test_a_job_that_has_to_make_room_goes_on_later(
    job: Job, undisturbed: tuple[Path, dict[str, bytes]]
) -> None:
    job.submit("preemptible", *REFINE, "--o", "out/run", sbatch=TWO_NODES)
    job.wait_for_iteration(2)
    (rank,) = ranks(job, "n2")
    os.kill(rank, signal.SIGSTOP)  # the run does not end before Slurm's scheduler has looked
    urgent = job.slurm.run(
        *("sbatch", "--parsable", "--partition=urgent", "--nodes=3", "--exclusive"),
        *("--output=/dev/null", "--wrap", "true"),
    )
    job.slurm.wait_for(lambda: "Slurm asks to stop" in job.log(), "the warning")
    os.kill(rank, signal.SIGCONT)
    assert job.slurm.wait_until_over(urgent)["JobState"] == "COMPLETED"
    job.slurm.start_now(job.number)  # not before its first start is quite over

    log = job.finish()
    assert "Slurm asks to stop" in log
    assert job.slurm.job(job.number)["Restarts"] == "1"
    assert_undisturbed(job, undisturbed)


def test_a_job_whose_time_is_nearly_up_keeps_its_sums_and_goes_on_later(
    job: Job, undisturbed: tuple[Path, dict[str, bytes]]
) -> None:
    words = ("preemptible", *REFINE, "--o", "out/run", "--checkpoint_minutes", "0.001")
    job.submit(*words, sbatch=f"{TWO_NODES} --signal=B:USR1@30")
    job.wait_for_iteration(2)
    rank = stopped_in_an_iteration(job)
    # The shortest limit that there is. Slurm looks at the clock twice a minute.
    job.slurm.run("scontrol", "update", f"JobId={job.number}", "TimeLimit=1")
    job.slurm.wait_for(lambda: "Slurm asks to stop" in job.log(), "the warning", 45)
    os.kill(rank, signal.SIGCONT)
    job.slurm.wait_for_state(job.number, "PENDING")
    kept = parts(job)
    job.slurm.start_now(job.number, "TimeLimit=30")

    log = job.finish()
    assert kept
    assert "are not used" not in log
    assert "queued again; the run goes on from its checkpoint" in log
    assert job.slurm.job(job.number)["Restarts"] == "1"
    assert_undisturbed(job, undisturbed)


def test_a_job_that_is_cancelled_does_not_come_back(job: Job) -> None:
    job.submit("preemptible", *REFINE, "--o", "out/run", sbatch=TWO_NODES)
    job.wait_for_iteration(1)
    job.slurm.run("scancel", job.number)

    assert job.slurm.wait_until_over(job.number)["JobState"] == "CANCELLED"
    assert "Slurm asks to stop" in job.log()
    assert job.slurm.job(job.number)["Restarts"] == "0"


def test_each_task_of_an_array_is_a_run(
    job: Job, undisturbed: tuple[Path, dict[str, bytes]]
) -> None:
    (job.folder / "runs.txt").write_text("--o 'one/run'\n--o two/run\n")
    job.submit("array", "runs.txt", *REFINE, sbatch="--array=1-2 --ntasks=1")

    for task, out in enumerate(("one", "two"), start=1):
        job.finish(task=f"_{task}")
        assert_undisturbed(job, undisturbed, out)


@pytest.mark.skipif(not MPICH.exists(), reason=f"no {MPICH} (Debian: libmpich12)")
def test_ranks_of_mpich_are_started_by_pmi2_and_again_when_one_is_killed(
    job: Job, undisturbed: tuple[Path, dict[str, bytes]]
) -> None:
    (job.folder / "libmpi.so.12").symlink_to(MPICH)  # its name on all other systems
    job.submit(
        *("many_nodes", *REFINE, "--o", "out/run"),
        sbatch=TWO_NODES,
        HALFMAP_LAUNCHER="srun --mpi=pmi2",
        LD_LIBRARY_PATH=str(job.folder),
        MPI4PY_LIBMPI=str(job.folder / "libmpi.so.12"),
    )
    job.wait_for_iteration(2)
    os.kill(ranks(job, "n2")[0], signal.SIGKILL)

    job.finish()
    assert job.starts() == 2
    assert_undisturbed(job, undisturbed)


def parts(job: Job) -> list[Path]:
    return sorted((job.folder / "out" / "run_parts").glob("half*_sums.h5"))


def stopped_in_an_iteration(job: Job) -> int:
    """Stop the one worker of a job when it has kept a part of an iteration; return its process."""
    (rank,) = ranks(job, "n2")
    while True:
        job.slurm.wait_for(lambda: parts(job), "a part")
        os.kill(rank, signal.SIGSTOP)
        if 0 < n_kept(job) < N_UNITS:
            return rank
        os.kill(rank, signal.SIGCONT)


def n_kept(job: Job) -> int:
    """Return how many units of an iteration are in the parts of a job."""
    of_half: dict[str, int] = {}
    for path in parts(job):
        with suppress(FileNotFoundError):
            half = path.name.partition("_")[0]
            of_half[half] = max(of_half.get(half, 0), len(read_part(path).units))
    return sum(of_half.values())


def ranks(job: Job, host: str) -> list[int]:
    """Return the processes of halfmap on a host, but not the launcher that names it too."""
    found = job.slurm.hosts.pids(host, "halfmap refine")
    return [p for p in found if "python" in Path(f"/proc/{p}/comm").read_text() + _exe(p)]


def _exe(pid: int) -> str:
    return str(Path(f"/proc/{pid}/exe").readlink())
