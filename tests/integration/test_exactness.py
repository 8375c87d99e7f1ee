"""The bytes of a result do not depend on who computed it."""

from pathlib import Path

import pytest

from .conftest import Launch

REFINE = (
    *("refine", "--i", "particles/particles.star", "--ref", "particles/start.mrc"),
    *("--auto_refine", "--split_random_halves", "--ctf", "--zero_mask"),
    *("--norm", "--scale", "--flatten_solvent", "--low_resol_join_halves", 40, "--ini_high", 40),
    *("--healpix_order", 1, "--offset_range", 3, "--offset_step", 2, "--random_seed", 5),
    *("--particle_diameter", 120, "--verb", 0),
)
ABOUT_THE_MACHINE = ("_timing.csv", "_options.yaml")
"""Files that say how a run went, not what it found."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, halfmap: Launch) -> Path:
    """A folder with simulated particles in two optics groups and three micrographs."""
    folder = tmp_path_factory.mktemp("project")
    simulated = halfmap(
        folder,
        *("simulate", "--phantom", "--n", 75, "--box", 32, "--angpix", 5, "--snr", 0.5),
        *("--n_optics", 2, "--n_micrographs", 3, "--seed", 1, "--o", "particles"),
    )
    assert simulated.returncode == 0, simulated.stderr
    return folder


def results(folder: Path) -> dict[str, bytes]:
    """Return the files of a run; STAR files without their comments (the command line)."""
    found = {}
    for file in sorted(folder.iterdir()):
        if not file.name.endswith(ABOUT_THE_MACHINE):
            content = file.read_bytes()
            if file.suffix == ".star":
                content = b"\n".join(r for r in content.splitlines() if not r.startswith(b"#"))
            found[file.name] = content
    return found


@pytest.fixture(scope="module")
def alone(project: Path, halfmap: Launch) -> dict[str, bytes]:
    """The results of one process."""
    return refined(project, halfmap, "alone")


def run_in_own_folder(
    project: Path, halfmap: Launch, name: str, words: tuple[object, ...], ranks: int
) -> dict[str, bytes]:
    """Run where the root has the same name as in all other runs: it is part of the tables."""
    (project / name).mkdir()
    (project / name / "particles").symlink_to(project / "particles")
    done = halfmap(project / name, *words, "--o", "out/run", ranks=ranks)
    assert done.returncode == 0, f"{name}: {done.stderr}"
    return results(project / name / "out")


def refined(
    project: Path,
    halfmap: Launch,
    name: str,
    *more: object,
    ranks: int = 0,
    iterations: int = 3,
) -> dict[str, bytes]:
    words = (*REFINE, "--auto_iter_max", iterations, *more)
    return run_in_own_folder(project, halfmap, name, words, ranks)


def of_any_command(found: dict[str, bytes]) -> dict[str, bytes]:
    """Leave out the exact states: they keep the command line, with its --j or --auto_iter_max."""
    return {name: found[name] for name in found if not name.endswith("_halfmap.h5")}


def assert_equal(found: dict[str, bytes], expected: dict[str, bytes]) -> None:
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []


def test_three_iterations_leave_maps_tables_and_fsc(alone: dict[str, bytes]) -> None:
    for name in ("half1_class001.mrc", "half2_model.star", "data.star", "optimiser.star"):
        assert f"run_it003_{name}" in alone


@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 5])
def test_results_do_not_depend_on_the_number_of_ranks(
    project: Path, halfmap: Launch, alone: dict[str, bytes], ranks: int
) -> None:
    assert_equal(refined(project, halfmap, f"ranks{ranks}", ranks=ranks), alone)


@pytest.mark.parametrize("ranks", [0, 3])
def test_results_do_not_depend_on_the_number_of_threads(
    project: Path, halfmap: Launch, alone: dict[str, bytes], ranks: int
) -> None:
    found = refined(project, halfmap, f"threads{ranks}", "--j", 2, ranks=ranks)

    assert_equal(of_any_command(found), of_any_command(alone))


def test_a_continued_run_gives_the_bytes_of_the_uninterrupted_one(
    project: Path, halfmap: Launch, alone: dict[str, bytes]
) -> None:
    refined(project, halfmap, "stopped", iterations=2)
    done = halfmap(
        project / "stopped",
        *("refine", "--continue", "out/run_it002_optimiser.star", "--auto_iter_max", 3),
        ranks=2,
    )
    assert done.returncode == 0, done.stderr
    continued = results(project / "stopped" / "out")
    whole = of_any_command(alone)
    last = {name: content for name, content in whole.items() if name.startswith("run_it003")}

    assert_equal({name: continued[name] for name in last}, last)


# --- several classes


CLASSES = (
    *("refine", "--i", "particles/particles.star", "--ref", "particles/start.mrc", "--K", 3),
    *("--firstiter_cc", "--ctf", "--zero_mask", "--norm", "--scale", "--flatten_solvent"),
    *("--ini_high", 40, "--healpix_order", 1, "--offset_range", 3, "--offset_step", 2),
    *("--tau2_fudge", 2, "--random_seed", 5, "--particle_diameter", 120, "--verb", 0),
)
"""From one map: the first iteration by correlation with one class, the second seeds, the third is
free."""


def classified(
    project: Path, halfmap: Launch, name: str, *more: object, ranks: int = 0, iterations: int = 3
) -> dict[str, bytes]:
    words = (*CLASSES, "--iter", iterations, *more)
    return run_in_own_folder(project, halfmap, name, words, ranks)


@pytest.fixture(scope="module")
def classes(project: Path, halfmap: Launch) -> dict[str, bytes]:
    """The results of one process."""
    return classified(project, halfmap, "classes")


def test_seeded_classes_differ(classes: dict[str, bytes]) -> None:
    maps = {k: classes[f"run_it001_class00{k}.mrc"][1024:] for k in (1, 2, 3)}
    assert maps[1] == maps[2] == maps[3]  # behind the header; one class was compared
    later = {classes[f"run_it003_class00{k}.mrc"][1024:] for k in (1, 2, 3)}
    assert len(later) == 3


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_classes_do_not_depend_on_the_number_of_ranks(
    project: Path, halfmap: Launch, classes: dict[str, bytes], ranks: int
) -> None:
    assert_equal(classified(project, halfmap, f"classes{ranks}", ranks=ranks), classes)


def test_classes_do_not_depend_on_the_number_of_threads(
    project: Path, halfmap: Launch, classes: dict[str, bytes]
) -> None:
    found = classified(project, halfmap, "class_threads", "--j", 2, ranks=3)

    assert_equal(of_any_command(found), of_any_command(classes))


@pytest.mark.parametrize("after", [1, 2])
def test_a_continued_classification_gives_the_bytes_of_the_uninterrupted_one(
    project: Path, halfmap: Launch, classes: dict[str, bytes], after: int
) -> None:
    name = f"classes_stopped{after}"
    classified(project, halfmap, name, iterations=after)
    done = halfmap(
        project / name,
        *("refine", "--continue", f"out/run_it00{after}_optimiser.star", "--iter", 3),
        ranks=2,
    )
    assert done.returncode == 0, done.stderr
    continued = results(project / name / "out")
    whole = of_any_command(classes)
    last = {n: content for n, content in whole.items() if n.startswith("run_it003")}

    assert_equal({n: continued[n] for n in last}, last)


# --- class averages


AVERAGES = (
    *("refine", "--i", "particles/particles.star", "--K", 4, "--psi_step", 20),
    *("--ctf", "--zero_mask", "--norm", "--scale", "--flatten_solvent"),
    *("--offset_range", 3, "--offset_step", 2, "--tau2_fudge", 2, "--random_seed", 5),
    *("--particle_diameter", 120, "--verb", 0),
)
"""2D, from particles in drawn poses."""


def averaged(
    project: Path, halfmap: Launch, name: str, *more: object, ranks: int = 0, iterations: int = 3
) -> dict[str, bytes]:
    words = (*AVERAGES, "--iter", iterations, *more)
    return run_in_own_folder(project, halfmap, name, words, ranks)


@pytest.fixture(scope="module")
def averages(project: Path, halfmap: Launch) -> dict[str, bytes]:
    """The results of one process."""
    return averaged(project, halfmap, "averages")


@pytest.mark.parametrize(("ranks", "threads"), [(1, 1), (2, 2), (4, 1)])
def test_class_averages_do_not_depend_on_ranks_and_threads(
    project: Path, halfmap: Launch, averages: dict[str, bytes], ranks: int, threads: int
) -> None:
    name = f"averages{ranks}_{threads}"
    found = averaged(project, halfmap, name, "--j", threads, ranks=ranks)

    assert "run_unmasked_classes.mrcs" in found
    assert_equal(of_any_command(found), of_any_command(averages))


def test_continued_class_averages_are_those_of_the_uninterrupted_run(
    project: Path, halfmap: Launch, averages: dict[str, bytes]
) -> None:
    averaged(project, halfmap, "averages_stopped", iterations=2)
    words = ("refine", "--continue", "out/run_it002_optimiser.star", "--iter", 3)
    done = halfmap(project / "averages_stopped", *words, ranks=2)
    assert done.returncode == 0, done.stderr
    continued = results(project / "averages_stopped" / "out")
    last = {n: c for n, c in of_any_command(averages).items() if n.startswith("run_it003")}

    assert_equal({n: continued[n] for n in last}, last)
