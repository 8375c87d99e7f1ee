"""Jobs as the windows of RELION write them, run by halfmap under the name of RELION's program.

The lines are those of RELION 5's Refine3D, Class3D and Class2D, in its order, with its double
spaces and empty values, for a tiny data set.
"""

import os
import shlex
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from halfmap.engine import pipeline_control
from halfmap.engine.pipeline_control import Followed, followed
from halfmap.errors import OptionError, SignalledError

from .tiny_project import MAP, STAR, Run, assert_ran, refine, set_pixels

PROGRAMS = Path(__file__).parents[2] / "hpc" / "relion"
JOB = "Refine3D/job012/"
COMPUTE = "--dont_combine_weights_via_disc --no_parallel_disc_io --pool 3 --pad 2  "
SEARCH = "--oversampling 1 --healpix_order 0 {} --offset_range 3 --offset_step 4 --sym C1 {}"
RUNNING = f'--norm --scale  --j 1 --gpu ""   --pipeline_control {JOB}'
REFINE3D = (
    f"--o {JOB}run --auto_refine --split_random_halves --i {STAR} --ref {MAP} --firstiter_cc "
    f"--trust_ref_size --ini_high 40 {COMPUTE} --auto_ignore_angles --auto_resol_angles --ctf "
    "--particle_diameter 120 --flatten_solvent --zero_mask "
    + SEARCH.format("--auto_local_healpix_order 4", "--low_resol_join_halves 40")
    + f" --auto_iter_max 2 {RUNNING}"
)
"""With --auto_iter_max among the additional arguments."""
CLASS3D = (
    f"--o {JOB}run --i {STAR} --ref {MAP} --firstiter_cc --trust_ref_size --ini_high 40 {COMPUTE} "
    "--ctf --iter 2 --tau2_fudge 4 --particle_diameter 120 --K 2 --flatten_solvent --zero_mask "
    f"{SEARCH.format('', '')} {RUNNING}"
)
CLASS2D = (
    f"--o {JOB}run --iter 2 --i {STAR} {COMPUTE} --ctf  --tau2_fudge 2 --particle_diameter 120 "
    "--K 2 --flatten_solvent  --zero_mask  --center_classes  --oversampling 1 --psi_step 48 "
    f"--offset_range 3 --offset_step 4 {RUNNING}"
)
CONTINUE = (
    f"--continue {JOB}run_it001_optimiser.star --o {JOB}run {COMPUTE} --particle_diameter 120 "
    f'--j 1 --gpu "" --pipeline_control {JOB}'
)


@pytest.fixture
def job(tiny_project: Path) -> Path:
    """The folder that the windows make for a job."""
    folder = tiny_project / JOB
    folder.mkdir(parents=True)
    return folder


def markers(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("RELION_JOB_*"))


def as_windows_do(line: str, program: str = "relion_refine") -> tuple[int, str]:
    """Run a line in a shell; the program is looked for on the PATH."""
    path = f"{PROGRAMS}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"`which {program}` {line} >> {JOB}run.out 2>> {JOB}run.err"],
        env=os.environ | {"PATH": path, "HALFMAP_VENV": sys.prefix},
        timeout=300,
        check=False,
    )
    return done.returncode, Path(JOB, "run.err").read_text(encoding="utf-8")


def test_refine3d_of_the_windows_runs_and_goes_on(job: Path) -> None:
    assert as_windows_do(REFINE3D) == (0, "")
    assert markers(job) == ["RELION_JOB_EXIT_SUCCESS"]
    last = job / "run_it002_half2_class001.mrc"
    before = last.stat().st_mtime_ns

    assert as_windows_do(CONTINUE, "relion_refine_mpi") == (0, "")  # results are replaced
    assert last.stat().st_mtime_ns > before
    assert (job / "run_it001_data.star").stat().st_mtime_ns < before
    assert markers(job) == ["RELION_JOB_EXIT_SUCCESS"]


@pytest.mark.parametrize("line", [CLASS3D, CLASS2D], ids=["Class3D", "Class2D"])
def test_classifications_of_the_windows_run(job: Path, run: Run, line: str) -> None:
    assert_ran(run(["refine", *shlex.split(line), "--verb", "0"]))
    assert markers(job) == ["RELION_JOB_EXIT_SUCCESS"]
    assert (job / "run_it002_model.star").exists()


def test_options_that_are_refused_are_a_failure(job: Path, run: Run) -> None:
    line = CLASS3D.replace("--K 2", "--K none")
    assert run(["refine", *shlex.split(line)]).code == 2
    assert markers(job) == ["RELION_JOB_EXIT_FAILURE"]


def test_a_marker_of_an_earlier_start_is_removed(job: Path, run: Run) -> None:
    for name in ("SUCCESS", "ABORTED"):
        (job / f"RELION_JOB_EXIT_{name}").touch()
    set_pixels(MAP, 0, float("nan"))
    assert run(["refine", *shlex.split(CLASS3D)]).code == 3
    assert markers(job) == ["RELION_JOB_EXIT_FAILURE"]


def test_a_folder_that_is_not_there_is_warned_of(tiny_project: Path, run: Run) -> None:
    del tiny_project
    said = run(refine("--pipeline_control", "absent/", "--verb", "0"))
    assert said.code == 0
    assert "warning: --pipeline_control: found that absent/ cannot be written" in said.err


def test_a_job_stops_when_the_windows_ask_for_it(
    job: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_control, "SECONDS_BETWEEN_LOOKS", 0.01)
    line = CLASS3D.replace("--iter 2", "--iter 500")

    def ask() -> None:
        while not (job / "run_it001_optimiser.star").exists():
            time.sleep(0.01)
        (job / "RELION_JOB_ABORT_NOW").touch()

    thread = threading.Thread(target=ask)
    thread.start()
    said = run(["refine", *shlex.split(line), "--verb", "0"])
    thread.join()

    assert said.code == SignalledError.exit_code
    assert "stopped by the file RELION_JOB_ABORT_NOW" in said.err
    assert markers(job) == ["RELION_JOB_ABORT_NOW", "RELION_JOB_EXIT_ABORTED"]


def test_only_one_rank_speaks(tmp_path: Path) -> None:
    folder = str(tmp_path)
    with followed(Followed(folder), speaks=False) as quiet:
        quiet.exit_code = 0
    assert markers(tmp_path) == []

    with pytest.raises(OptionError), followed(Followed(folder), speaks=True):
        raise OptionError("no")
    assert markers(tmp_path) == ["RELION_JOB_EXIT_FAILURE"]
