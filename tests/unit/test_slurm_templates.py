"""The templates for Slurm, run by bash with programs that only say how they were called."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from halfmap.io.part_folder import part_folder

SLURM = Path(__file__).parents[2] / "slurm"
PROGRAMS = {
    "activate": 'export PATH="$(dirname "${BASH_SOURCE[0]}"):$PATH"',
    "srun": """
        for dead in $DEAD; do case "$*" in *"--nodelist=$dead --overlap"*) exit 1;; esac; done
        case "$*" in *"--nodelist=${SPOILT%% *} --overlap"*) export "${SPOILT#* }";; esac
        echo "srun $SLURM_JOB_NODELIST $SLURM_TASKS_PER_NODE: $*"
        while ! command -v "$1" > /dev/null; do shift; done; exec "$@" """,
    "mpirun": """
        [ "$1" != --version ] || { echo "mpirun (Open MPI) 5.0.8"; exit; }
        echo "mpirun $SLURM_JOB_NODELIST $SLURM_TASKS_PER_NODE: $*"
        while ! command -v "$1" > /dev/null; do shift; done; exec "$@" """,
    "ompi_info": 'echo "          FT MPI support: yes"',
    "scontrol": """
        if [ "$1" = requeue ]; then echo "scontrol $*"; kill -TERM 0; sleep 0.5; kill -KILL 0; fi
        printf '%s\\n' $NODES""",
    "squeue": 'echo "$STATE"',
    "halfmap": """
        echo "halfmap $*"
        [ "$1" = refine ] || exit 0
        read -r act code < <(sed -n 1p acts); sed -i 1d acts
        case $act in
            finish) touch out/run_finished.txt;;
            part) report_part;;
            hang) touch out/run_finished.txt; exec sleep 60;;
            advance) touch "out/run_it00$(ls out | wc -l)_optimiser.star";;
            wait) trap 'echo checkpoint; exit 75' USR1; touch waiting
                for i in $(seq 200); do sleep 0.05; done;;
        esac
        exit $code""",
}
"""``halfmap`` does what the first line of the file ``acts`` says, and takes the line away."""
WORDS = ("em.yaml", "--i", "in.star", "--o", "out/run")
OPEN_MPI = "--bind-to none --with-ft ulfm"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder to submit from, with a virtual environment of talking programs."""
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, text in PROGRAMS.items():
        (programs / name).write_text(f"#!/usr/bin/env bash\n{text}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    (tmp_path / "slurm").symlink_to(SLURM)
    return tmp_path


def start(
    project: Path, *words: str, template: str = "many_nodes", acts: str = "finish 0", **more: str
) -> subprocess.Popen[str]:
    """Start a job of two nodes with two and three ranks."""
    (project / "acts").write_text(acts.replace(", ", "\n") + "\n", encoding="utf-8")
    slurm = {
        "SLURM_JOB_ID": "17",
        "SLURM_SUBMIT_DIR": str(project),
        "SLURM_JOB_NODELIST": "n[1-2]",
        "SLURM_TASKS_PER_NODE": "2,3",
        "SLURM_CPUS_PER_TASK": "4",
        "NODES": "n1 n2",
        "STATE": "RUNNING",
    }
    own = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "HALFMAP_"))}
    return subprocess.Popen(
        ["bash", str(SLURM / f"{template}.sbatch"), *(words or WORDS)],
        cwd=project,
        env=own | slurm | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def submit(project: Path, *words: str, **how: str) -> tuple[int, list[str]]:
    """Return the exit code of a job, and the lines that it said."""
    job = start(project, *words, **how)
    try:
        said, _ = job.communicate(timeout=30)
    finally:
        if job.poll() is None:
            os.killpg(job.pid, signal.SIGKILL)
    return job.returncode, said.splitlines()


def starts(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("halfmap refine")]


# --- how ranks are started


@pytest.mark.parametrize(
    ("launcher", "expected"),
    [
        ("srun --mpi=pmix", "--mpi=pmix --nodes=2 --nodelist=n1,n2 --ntasks=5 --cpus-per-task=4"),
        ("srun --mpi=pmi2", "--mpi=pmi2 --nodes=2 --nodelist=n1,n2 --ntasks=5 --cpus-per-task=4"),
        ("mpirun", f"-n 5 {OPEN_MPI}"),
    ],
)
def test_every_rank_gets_cores_for_its_threads(project: Path, launcher: str, expected: str) -> None:
    code, lines = submit(project, HALFMAP_LAUNCHER=launcher)

    bound = " --cpu-bind=cores --kill-on-bad-exit=1" if launcher.startswith("srun") else ""
    words = "refine em.yaml --i in.star --o out/run --j 4 --resume"
    assert f"{launcher.split()[0]} n1,n2 2,3: {expected}{bound} halfmap {words}" in lines
    assert f"halfmap {words}" in lines
    assert lines[-1] == "halfmap report out/run"
    assert code == 0


def test_a_node_that_does_not_answer_is_left_out(project: Path) -> None:
    _, lines = submit(project, DEAD="n1")

    assert "halfmap.sh: node n1 does not start halfmap and is left out" in lines
    assert any(line.startswith("mpirun n2 3: -n 3 ") for line in lines)


def test_without_a_node_that_answers_nothing_is_started(project: Path) -> None:
    code, lines = submit(project, DEAD="n1 n2")

    assert code == 1
    assert lines[-1] == "halfmap.sh: no node starts halfmap"


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        pytest.param("TMPDIR=/nowhere", "/nowhere/", id="no room for temporary files"),
        pytest.param("PATH=/usr/bin:/bin", "halfmap: not found", id="no halfmap"),
    ],
)
def test_a_node_that_cannot_start_halfmap_says_why_and_is_left_out(
    project: Path, spoilt: str, said: str
) -> None:
    _, lines = submit(project, SPOILT=f"n2 {spoilt}")

    told = [line for line in lines if line.startswith("halfmap.sh: n2: ")]
    assert any(said in line for line in told)
    assert "halfmap.sh: node n2 does not start halfmap and is left out" in lines
    assert any(line.startswith("mpirun n1 2: -n 2 ") for line in lines)


def test_threads_and_scratch_can_be_chosen(project: Path) -> None:
    _, lines = submit(project, *WORDS, "--j", "2", HALFMAP_SCRATCH="/local disc")

    assert starts(lines) == [
        "halfmap refine em.yaml --i in.star --o out/run --j 2 --scratch_dir /local disc --resume"
    ]


def test_halfmap_may_be_in_a_container(project: Path) -> None:
    (project / ".venv" / "bin" / "apptainer").write_text(
        '#!/bin/sh\necho "apptainer $*"\nshift 2\nexec halfmap "$@"\n', encoding="utf-8"
    )
    (project / ".venv" / "bin" / "apptainer").chmod(0o755)
    _, lines = submit(project, HALFMAP_PROGRAM="apptainer run my.sif")

    assert any(" apptainer run my.sif refine em.yaml" in line for line in lines)
    assert "apptainer run my.sif report out/run" in lines


def test_an_environment_elsewhere_can_be_named(project: Path) -> None:
    (project / ".venv").rename(project / "elsewhere")

    assert submit(project, HALFMAP_VENV=str(project / "elsewhere"))[0] == 0
    code, lines = submit(project, PATH="/usr/bin:/bin")
    assert (code, "Set HALFMAP_VENV" in lines[-1]) == (2, True)


def test_results_need_a_root(project: Path) -> None:
    code, lines = submit(project, "--i", "in.star")

    assert code == 2
    assert "found no --o" in lines[-1]


# --- when it is over


@pytest.mark.parametrize("code", ["0", "1", "137"])
def test_the_marker_decides_and_not_the_exit_code(project: Path, code: str) -> None:
    assert submit(project, acts=f"finish {code}")[0] == 0


def test_ranks_that_end_early_are_started_again(project: Path) -> None:
    code, lines = submit(project, acts="die 0, advance 137, finish 0")

    assert len(starts(lines)) == 3
    assert code == 0


def test_attempts_without_progress_are_bounded(project: Path) -> None:
    code, lines = submit(project, acts="die 0, die 0, advance 0, die 0, die 0, die 9, finish 0")

    assert len(starts(lines)) == 6
    assert lines[-1] == "halfmap.sh: 3 attempts without progress: given up"
    assert code == 1


@pytest.mark.parametrize("code", [2, 3])
def test_options_and_data_that_are_refused_twice_are_not_tried_again(
    project: Path, code: int
) -> None:
    found, lines = submit(project, acts=f"die {code}, die {code}, finish 0")

    assert (found, len(starts(lines))) == (code, 2)


def test_a_launcher_that_does_not_end_with_the_run_is_ended(project: Path) -> None:
    code, lines = submit(project, acts="hang 0", HALFMAP_SECONDS_TO_END="0")

    assert "halfmap.sh: the run is over, but the launcher does not end: it is ended" in lines
    assert (code, lines[-1]) == (0, "halfmap report out/run")


def test_whether_a_run_that_was_over_goes_on_is_left_to_halfmap(project: Path) -> None:
    submit(project)

    code, lines = submit(project, acts="die 0")  # it finds nothing to do
    assert (code, len(starts(lines))) == (0, 1)

    code, lines = submit(project, acts="die 137, die 0")
    assert (code, len(starts(lines))) == (0, 2)


# --- Slurm's warning


@pytest.mark.parametrize("template", ["one_node", "many_nodes", "preemptible"])
def test_a_warning_makes_a_checkpoint(project: Path, template: str) -> None:
    code, lines = warned(project, template)

    assert "checkpoint" in lines
    if template == "preemptible":
        assert "scontrol requeue 17" in lines
        assert code == -signal.SIGKILL  # it did not leave with a code of its own
    else:
        assert code == 75
        assert lines[-1].endswith("the same sbatch line goes on from the checkpoint")


def test_a_job_that_is_cancelled_is_not_queued_again(project: Path) -> None:
    code, lines = warned(project, "preemptible", how=signal.SIGTERM, STATE="COMPLETING")

    assert code == 75
    assert not [line for line in lines if "requeue" in line]


def test_a_task_of_an_array_queues_itself_again_and_not_the_array(project: Path) -> None:
    (project / "runs.txt").write_text("--i in.star\n--o out/run\n", encoding="utf-8")
    array = {"SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "2", "HALFMAP_REQUEUE": "yes"}

    _, lines = warned(project, "array", "runs.txt", **array)

    assert "scontrol requeue 17_2" in lines


@pytest.mark.parametrize("how", [signal.SIGUSR1, signal.SIGKILL])
def test_a_job_that_is_queued_again_and_again_without_progress_gives_up(
    project: Path, how: signal.Signals
) -> None:
    parts = project / "out" / "run_parts"
    parts.mkdir(parents=True)

    def restarted(number: int) -> tuple[int, list[str]]:
        (parts / f".half1_{number}.part").touch()  # half a file is no progress
        more = {"SLURM_RESTART_COUNT": str(number), "HALFMAP_ATTEMPTS": "2"}
        return warned(project, "preemptible", how=how, **more)

    assert restarted(0)[0] == -signal.SIGKILL
    (parts / "half1_sums.h5").touch()  # the first start has something to show, the others not
    assert restarted(1)[0] == -signal.SIGKILL
    code, lines = restarted(2)
    if how is signal.SIGKILL:  # no time to say so before it was queued once more
        more = {"SLURM_RESTART_COUNT": "3", "HALFMAP_ATTEMPTS": "2"}
        code, lines = submit(project, template="preemptible", **more)
        assert starts(lines) == []
    assert code == 1
    assert "too short for any of the work: give the job more (sbatch --time)" in lines[-2]
    assert lines[-1] == "halfmap.sh: 2 attempts without progress: given up"
    assert not (project / "out" / "run_starts.txt").exists()


@pytest.mark.parametrize(("whose", "n_starts"), [("out/run", 3), ("other/run", 2)])
def test_parts_elsewhere_are_progress_if_they_are_of_this_run(
    project: Path, whose: str, n_starts: int
) -> None:
    parts = part_folder(project / whose, project / "fast")
    parts.mkdir(parents=True)
    (project / ".venv/bin/report_part").write_text(
        f"#!/bin/sh\n[ -e '{parts}/half1_sums.h5' ] || touch '{parts}/half1_sums.h5'\n",
        encoding="utf-8",
    )
    (project / ".venv/bin/report_part").chmod(0o755)
    words = (*WORDS, "--checkpoint_dir", "fast")

    _, lines = submit(project, *words, acts="part 1, die 1, die 1", HALFMAP_ATTEMPTS="2")

    assert len(starts(lines)) == n_starts


def test_a_job_that_is_submitted_anew_counts_anew(project: Path) -> None:
    for _ in range(2):
        assert warned(project, "preemptible", HALFMAP_ATTEMPTS="2")[0] == -signal.SIGKILL
    more = {"SLURM_RESTART_COUNT": "1", "HALFMAP_ATTEMPTS": "2"}
    assert submit(project, template="preemptible", **more)[0] == 0
    assert not (project / "out" / "run_starts.txt").exists()


def test_a_warning_before_the_ranks_are_started_starts_none(project: Path) -> None:
    (project / ".venv" / "bin" / "srun").write_text(
        '#!/bin/sh\nkill -USR1 "$(cat job)"\n', encoding="utf-8"
    )
    (project / "slurm").unlink()
    (project / "slurm").mkdir()
    text = (SLURM / "halfmap.sh").read_text(encoding="utf-8")
    (project / "slurm" / "halfmap.sh").write_text(f"echo $$ > job\n{text}", encoding="utf-8")

    code, lines = submit(project)

    assert (code, starts(lines)) == (75, [])


def warned(
    project: Path,
    template: str,
    *words: str,
    how: signal.Signals = signal.SIGUSR1,
    **more: str,
) -> tuple[int, list[str]]:
    """Send a signal to a job when its ranks wait; return exit code and lines.

    SIGKILL ends all that the job runs.
    """
    (project / "waiting").unlink(missing_ok=True)
    job = start(project, *words, template=template, acts="wait 0", **more)
    end = time.monotonic() + 20
    while not (project / "waiting").exists() and time.monotonic() < end:
        time.sleep(0.01)
    (os.killpg if how is signal.SIGKILL else os.kill)(job.pid, how)
    said, _ = job.communicate(timeout=20)
    return job.returncode, said.splitlines()


# --- arrays


def test_a_task_of_an_array_runs_its_line(project: Path) -> None:
    lines = "--o out/k2 --K 2\n--o 'out/run' --ref \"my map.mrc\" --K $(touch evil)\n"
    (project / "runs.txt").write_text(lines, encoding="utf-8")
    words = ("runs.txt", "em.yaml", "--i", "in.star")

    _, said = submit(project, *words, template="array", SLURM_ARRAY_TASK_ID="2")

    assert starts(said) == [
        "halfmap refine em.yaml --i in.star --o out/run --ref my map.mrc --K $(touch evil) "
        "--j 4 --resume"
    ]
    assert not (project / "evil").exists()


@pytest.mark.parametrize(
    ("file", "task", "message"),
    [
        ("absent.txt", "1", "found absent.txt, expected a file"),
        ("runs.txt", "3", "runs.txt has no line 3: expected one"),
    ],
)
def test_a_task_without_a_line_is_refused(
    project: Path, file: str, task: str, message: str
) -> None:
    (project / "runs.txt").write_text("--o out/run\n", encoding="utf-8")

    code, lines = submit(project, file, template="array", SLURM_ARRAY_TASK_ID=task)

    assert code == 2
    assert message in lines[-1]
