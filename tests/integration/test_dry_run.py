import json
import re
import sys
from pathlib import Path

import pytest

from .conftest import Launch, run_program
from .tiny_project import (
    BOX,
    MAP,
    STAR,
    N,
    Run,
    assert_one_message,
    assert_ran,
    refine,
    set_pixels,
)

DRY = ("--dry_run", "--plan_json", "plan.json", "--verb", "0", "--overwrite")
AUTO = ("--auto_refine", "--split_random_halves", "--auto_iter_max", "40")


def everything() -> set[tuple[str, bytes]]:
    return {(str(p), p.read_bytes()) for p in Path().rglob("*") if p.is_file()}


def forecast(run: Run, *more: str) -> dict:
    """The forecast of a dry run of the tiny project."""
    assert_ran(run(refine(*more, *DRY)))
    return json.loads(Path("plan.json").read_text())


@pytest.mark.usefixtures("tiny_project")
@pytest.mark.parametrize("spelling", ["--dry_run", "--dry-run"])
def test_no_file_is_written_changed_or_removed(run: Run, spelling: str) -> None:
    Path("out").mkdir()
    Path("out/run_it003_data.star").write_text("of an earlier run")
    before = everything()
    said = run(refine(spelling, "--overwrite", halves=True))
    assert_ran(said)
    assert "#SBATCH --mem=" in said.out
    assert everything() == before


@pytest.mark.usefixtures("tiny_project")
def test_the_last_iteration_is_at_nyquist_with_all_particles(run: Run) -> None:
    found = forecast(run, *AUTO)
    *earlier, last = found["iterations"]
    assert last["is_last"]
    assert not any(it["is_last"] for it in earlier)
    assert last["window_px"] == 24
    assert last["n_particles"] == 24
    steps = [it["fine_angular_step_deg"] for it in earlier]
    assert steps == sorted(steps, reverse=True)


@pytest.mark.usefixtures("tiny_project")
def test_a_classification_has_the_iterations_asked_for_and_all_classes(run: Run) -> None:
    one = forecast(run, "--iter", "3")
    four = forecast(run, "--iter", "3", "--K", "4")
    assert len(one["iterations"]) == len(four["iterations"]) == 3
    for name in ("references", "grid", "maps"):
        assert four["iterations"][0]["bytes"][name] >= 3.9 * one["iterations"][0]["bytes"][name]


@pytest.mark.usefixtures("tiny_project")
def test_more_ranks_take_less_time_and_more_memory(run: Run) -> None:
    # Cores are what more ranks use: these are of a node that has them.
    asked = [
        forecast(run, *AUTO[:2], "--plan_ranks", str(n), "--plan_nodes", "1", "--plan_cores", "16")
        for n in (3, 9)
    ]
    work = [sum(it["seconds"]["expectation"] for it in a["iterations"]) for a in asked]
    cpu = [sum(it["cpu_s"] for it in a["iterations"]) for a in asked]
    # Each forecast has trials of its own: what they took is divided out.
    assert work[1] / cpu[1] < work[0] / cpu[0]
    assert [a["ranks"] for a in asked] == [3, 9]
    nodes = [a["memory_of_nodes"][0]["bytes"] for a in asked]
    assert nodes[1] > 2 * nodes[0]


@pytest.mark.usefixtures("tiny_project")
def test_ranks_are_divided_among_the_nodes_asked_about(run: Run) -> None:
    found = forecast(run, *AUTO[:2], "--plan_ranks", "9", "--plan_nodes", "3", "--j", "2")
    assert len(found["memory_of_nodes"]) == 3
    assert found["slurm"]["lines"][:3] == [
        "#SBATCH --nodes=3",
        "#SBATCH --ntasks=9",
        "#SBATCH --cpus-per-task=2",
    ]


@pytest.mark.usefixtures("tiny_project")
def test_a_plan_that_does_not_fit_says_what_to_change(run: Run) -> None:
    ranks = (*AUTO[:2], "--plan_ranks", "17", "--plan_nodes", "1", "--plan_cores", "16")
    ample = forecast(run, *ranks, "--plan_memory", "64")
    assert ample["fits"], ample["advice"]
    narrow_GB = 0.4 * ample["memory_of_nodes"][0]["bytes"] / 1e9
    words = (*ranks, "--plan_memory", str(narrow_GB), "--dry_run")
    said = run(refine(*words))
    assert_ran(said)
    assert "the run does not fit" in said.out
    fewer = re.search(r"Start (\d+) ranks? with --j (\d+)", said.out)
    assert fewer is not None, said.out
    n_ranks, n_threads = map(int, fewer.groups())
    again = (*AUTO[:2], *ranks[4:], "--plan_ranks", str(n_ranks), "--j", str(n_threads))
    assert forecast(run, *again, "--plan_memory", str(narrow_GB))["fits"]


@pytest.mark.usefixtures("tiny_project")
def test_what_a_run_will_do_for_want_of_memory_is_said(run: Run) -> None:
    words = (*AUTO[:2], "--auto_iter_max", "2", "--plan_ranks", "5", "--plan_nodes", "1")
    ample, short = (forecast(run, *words, "--memory_GB", str(gb)) for gb in (64, 1.5))
    assert ample["stretched"] == ""
    assert "ranks share sums" in short["stretched"]


@pytest.mark.usefixtures("tiny_project")
def test_copies_of_images_are_counted_as_they_are_laid_out(run: Run) -> None:
    Path("disc").mkdir()
    on_disc = ("--scratch_dir", "disc", "--keep_free_scratch", "2")
    images, marks = N * BOX**2, 8 * N

    disc = forecast(run, *on_disc)["disc"]
    half = forecast(run, *on_disc, "--scratch_float16")["disc"]
    held, none = (forecast(run, *more) for more in (("--preread_images", *on_disc), ()))

    assert disc["scratch"] == 4 * images + marks
    assert half["scratch"] == 2 * images + marks
    assert disc["kept_free"] == 2 * 2**30
    assert held["copies_bytes"] == 4 * images + marks  # memory goes before a disc
    assert held["disc"]["scratch"] == none["copies_bytes"] == 0


@pytest.mark.usefixtures("tiny_project")
def test_copies_in_memory_leave_the_run_less(run: Run) -> None:
    words = (*AUTO[:2], "--auto_iter_max", "1", "--plan_memory", "3")
    ample, short = (forecast(run, *words, *more) for more in ((), ("--preread_images",)))
    peaks = [found["memory_of_nodes"][0]["bytes"] for found in (ample, short)]
    # Apart from the copies, what is measured differs a little from one dry run to the next.
    assert peaks[1] - peaks[0] == pytest.approx(short["copies_bytes"], abs=20e6)


@pytest.mark.usefixtures("tiny_project")
@pytest.mark.parametrize(
    "words",
    [
        ("--K", "3", "--iter", "1"),
        ("--K", "3", "--iter", "1", "--psi_step", "30"),
        ("--K", "2", "--iter", "1", "--sym", "D2"),
        (*AUTO[:2], "--auto_iter_max", "1"),
    ],
)
def test_a_run_does_for_want_of_memory_what_was_forecast(run: Run, words: tuple[str, ...]) -> None:
    """Down to the words of its notice: what is done, how much is needed, how much is there."""
    asked = [*refine(*words), "--memory_GB", "0.5"]
    if "--psi_step" in words:  # class averages, from no map
        at = asked.index("--ref")
        asked = [*asked[:at], *asked[at + 2 :]]
    before = everything()
    assert_ran(run([*asked, *DRY]))
    assert {path for path, _ in everything() - before} == {"plan.json"}
    found = json.loads(Path("plan.json").read_text())["stretched"]
    said = run(asked)
    assert_ran(said)
    _, done = found.split("from iteration 1 on, ")
    assert " ".join(done.split()) in " ".join(said.out.split())


@pytest.mark.usefixtures("tiny_project")
def test_a_resolution_that_is_expected_decides_how_far_the_run_goes(run: Run) -> None:
    coarse, fine = (
        forecast(run, *AUTO, "--plan_resolution", resolution) for resolution in ("40", "13")
    )
    widest = [max(it["window_px"] for it in a["iterations"][:-1]) for a in (coarse, fine)]
    assert widest[0] <= widest[1]
    assert len(coarse["iterations"]) < len(fine["iterations"])


@pytest.mark.usefixtures("tiny_project")
def test_errors_are_those_of_a_real_start(run: Run) -> None:
    MAP.unlink()
    real, dry = run(refine()), run(refine("--dry_run"))
    assert real.err == dry.err
    assert_one_message(dry, 2, "--ref", "no such file")


@pytest.mark.usefixtures("tiny_project")
def test_bad_images_are_found_as_a_real_start_finds_them(run: Run) -> None:
    set_pixels(Path("particles/particles.mrcs"), slice(None), float("nan"))
    said = run(refine("--dry_run", "--failsafe_threshold", "3"))
    assert said.code == 3
    assert "particles.mrcs" in said.err


@pytest.mark.usefixtures("tiny_project")
@pytest.mark.parametrize(
    "words", [("--plan_ranks", "-1"), ("--plan_memory", "much"), ("--plan_resolution", "0")]
)
def test_what_is_asked_about_must_be_possible(run: Run, words: tuple[str, str]) -> None:
    said = run(refine("--dry_run", *words))
    assert_one_message(said, 2, words[0], repr(words[1]), "expected")


@pytest.mark.usefixtures("tiny_project")
def test_without_a_dry_run_its_options_are_said_to_do_nothing(run: Run) -> None:
    said = run(refine("--plan_ranks", "3"))
    assert "--plan_ranks has no effect without --dry_run" in said.out


@pytest.mark.usefixtures("tiny_project")
def test_a_run_that_goes_on_is_forecast_from_where_it_stands(run: Run) -> None:
    assert_ran(run(refine("--iter", "2", "--verb", "0")))
    before = everything()
    words = ["refine", "--continue", "out/run_it001_optimiser.star", "--iter", "4", "--overwrite"]
    assert_ran(run([*words, *DRY[:-1]]))
    found = json.loads(Path("plan.json").read_text())
    assert [it["iteration"] for it in found["iterations"]] == [2, 3, 4]
    assert {file for file in everything() if file[0] != "plan.json"} == before
    assert STAR.exists()


PEAK = """
import sys
from halfmap.cli.main import main
from halfmap.engine.process_memory import resident
code = main(sys.argv[1:])
print("peak", resident().peak, file=sys.stderr)
sys.exit(code)
"""
"""Runs a command and says how much memory the process has held at most."""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell peaks")
@pytest.mark.parametrize("words", [("--iter", "2"), (*AUTO[:2], "--auto_iter_max", "2")])
def test_a_run_takes_the_memory_that_was_forecast(words: tuple[str, ...], tmp_path: Path) -> None:
    def ran(*command: str) -> str:
        done = run_program([sys.executable, "-c", PEAK, *command], tmp_path, timeout_s=240.0)
        assert done.returncode == 0, done.stderr
        return done.stderr

    size = ("--n", "60", "--box", "96", "--angpix", "3", "--snr", "0.5", "--seed", "1")
    ran("simulate", "--phantom", *size, "--o", "p")
    # A window and classes so large that arrays, and not libraries alone, are what is counted.
    search = ("--healpix_order", "1", "--offset_range", "3", "--offset_step", "3")
    more = () if AUTO[0] in words else ("--K", "3")
    begin = ("refine", "--i", "p/particles.star", "--ref", "p/start.mrc", "--o", "out/run")
    common = (
        *begin,
        *search,
        *more,
        *words,
        "--ini_high",
        "8",
        "--ctf",
        "--particle_diameter",
        "200",
    )
    ran(*common, "--dry_run", "--plan_json", "plan.json")
    plan = json.loads((tmp_path / "plan.json").read_text())
    (rank,) = plan["memory_of_ranks"]
    real = int(ran(*common).split("peak ")[1])
    # Arrays are counted to the byte; what the allocator keeps of small ones is not.
    assert rank["bytes"] == pytest.approx(real, rel=0.15), rank
    assert sum(rank["items"].values()) > 1.3 * rank["items"]["libraries and tables"]


@pytest.mark.usefixtures("tiny_project")
def test_ranks_that_were_launched_are_those_of_the_forecast(halfmap: Launch) -> None:
    words = (*AUTO[:2], "--auto_iter_max", "3", *DRY)
    done = halfmap(Path(), *refine(*words), ranks=3)
    assert done.returncode == 0, done.stderr
    plan = json.loads(Path("plan.json").read_text())
    assert plan["ranks"] == 3
    leader, *workers = plan["memory_of_ranks"]
    assert all("references" in worker["items"] for worker in workers)
    assert "references" not in leader["items"]
