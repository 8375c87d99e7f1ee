import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from halfmap.errors import DataError
from halfmap.io.bild import write_bild
from halfmap.io.data_star import write_data_star
from halfmap.io.mrc import read_map
from halfmap.io.optimiser_star import LABELS, read_optimiser_star, write_optimiser_star
from halfmap.io.run_folder import RunState, read_run, write_half, write_shared
from halfmap.io.run_names import RunNames
from halfmap.io.sampling_star import read_sampling_star, write_sampling_star
from halfmap.io.star import read_star, write_star
from halfmap.model.estimated_resolution import estimated_resolution_A, overall_completeness
from halfmap.model.schedule import NO_CHANGES_YET


@pytest.fixture
def golden(shared: Path) -> Path:
    return shared / "golden/relion"


@pytest.fixture
def state(golden: Path) -> RunState:
    return read_run(golden / "halves/run_it002_optimiser.star")


def _same(ours: Path, theirs: Path, rtol: float = 0.0) -> None:
    """Compare two STAR files label by label, in order; text exactly, numbers to ``rtol``."""
    a, b = read_star(ours), read_star(theirs)
    assert list(a.lists) == list(b.lists)
    assert list(a.tables) == list(b.tables)
    for name, theirs_list in b.lists.items():
        assert list(a.lists[name]) == list(theirs_list)
        for label, value in theirs_list.items():
            _same_values(label, [a.lists[name][label]], [value], rtol)
    for name, table in b.tables.items():
        assert list(a.tables[name]) == list(table)
        for label, column in table.items():
            _same_values(label, a.tables[name][label].tolist(), column.tolist(), rtol)


def _same_values(label: str, ours: list[str], theirs: list[str], rtol: float) -> None:
    try:
        numbers = [float(value) for value in theirs]
    except ValueError:
        assert ours == theirs, label
        return
    np.testing.assert_allclose([float(v) for v in ours], numbers, rtol, err_msg=label)


def test_golden_halves_are_written_again_label_by_label(
    golden: Path, state: RunState, tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "halves").mkdir()
    monkeypatch.chdir(tmp_path)
    names = RunNames("halves/run")

    for half in (0, 1):
        write_half(names, 2, half, state)
    write_shared(names, 2, state, ["halfmap", "--i p240.star"])

    for path in (names.data(2), names.sampling(2)):
        assert path.read_text() == (golden / path).read_text()
    _same(names.optimiser(2), golden / names.optimiser(2))
    for half in (0, 1):
        # RELION computes resolutions and the mean coverage in float32.
        _same(names.model(2, half), golden / names.model(2, half), rtol=3e-5)
        ours, theirs = (read_map(root / names.map(2, half)) for root in (Path(), golden))
        np.testing.assert_array_equal(ours[0], theirs[0])
        assert ours[1] == theirs[1]


@pytest.mark.parametrize(("folder", "iteration"), [("em", 2), ("local", 1), ("em_flat", 1)])
def test_golden_runs_that_are_not_split_are_written_again(
    golden: Path, tmp_path: Path, monkeypatch, folder: str, iteration: int
) -> None:
    (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path)
    names = RunNames(f"{folder}/run")
    state = read_run(golden / names.optimiser(iteration))

    write_half(names, iteration, None, state)
    write_shared(names, iteration, state, ["halfmap", ""])

    _same(names.model(iteration, None), golden / names.model(iteration, None), rtol=3e-5)
    for path in (names.data(iteration), names.sampling(iteration), names.optimiser(iteration)):
        _same(path, golden / path)


def test_what_we_have_written_we_read_again(state: RunState, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = RunNames("run")
    for half in (0, 1):
        write_half(names, 2, half, state)
    write_shared(names, 2, state, [])

    again = read_run(names.optimiser(2))

    assert again.schedule == state.schedule
    assert again.settings == state.settings
    for ours, theirs in zip(again.halves, state.halves, strict=True):
        for name in ("maps", "noise_variance", "fsc", "direction_fraction", "group_scale"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


def test_a_golden_schedule_is_understood(state: RunState) -> None:
    schedule = state.schedule

    assert schedule.iteration == 2
    assert schedule.resolution_shell == 9  # 64 px * 5 Å / 35.556 Å
    assert schedule.best_resolution_shell == 11
    assert schedule.current_size == 40
    assert schedule.iterations_without_resolution_gain == 2
    assert schedule.accuracy_translation_A == 3.675
    assert schedule.changes.orientations_deg == 3.405441
    assert schedule.sampling.healpix_order == 1
    assert schedule.sampling.oversampling == 1
    assert schedule.sampling.prior_sigma_deg is None
    assert len(state.directions_deg) == 48


def test_the_local_priors_of_a_golden_run_are_understood(golden: Path) -> None:
    schedule = read_run(golden / "local/run_it001_optimiser.star").schedule

    assert schedule.sampling.prior_sigma_deg == (3.0, 3.0, 3.0)
    assert schedule.sampling.healpix_order == 4


def test_golden_statistics_are_understood(state: RunState) -> None:
    first, second = state.halves

    assert first.maps.shape == (1, 64, 64, 64)
    assert first.noise_variance.shape == (2, 33)
    assert first.noise_variance[1, 1] == 2.598407e-04
    assert first.fsc[9] == 0.686172
    assert first.signal_variance[0, 9] == 6.017507e-05
    assert first.map_variance[0, 9] == 2.752165e-05
    assert first.orientability[9] == 0.192659
    assert not second.orientability.any()
    assert first.accuracy_rotation_deg.tolist() == [4.135]
    assert first.group_scale.tolist() == [0.970507, 1.025624, 1.009671]
    assert first.direction_fraction.sum() == pytest.approx(1.0, abs=1e-4)  # six digits each
    assert state.particles.half[:4].tolist() == [0, 0, 1, 1]


def test_a_final_run_has_no_numbers_and_no_second_model(
    golden: Path, tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "ar").mkdir()
    monkeypatch.chdir(tmp_path)
    folder = golden.parent / "relion_real_betagal"
    # The joined map of that run is not among the golden files; its place does not matter here.
    for name in ("data", "model", "sampling", "optimiser"):
        (tmp_path / f"run_{name}.star").write_bytes((folder / f"run_{name}.star").read_bytes())
    (tmp_path / "run_class001.mrc").write_bytes(
        (folder / "run_half1_class001_unfil.mrc").read_bytes()
    )
    state = read_run(tmp_path / "run_optimiser.star")
    names = RunNames("ar/run")

    write_half(names, None, None, state)
    write_shared(names, None, state, ["halfmap", ""])

    assert state.schedule.converged
    for name in ("data", "sampling", "optimiser"):
        _same(Path(f"ar/run_{name}.star"), folder / f"run_{name}.star", rtol=1e-6)
    written = read_star(Path("ar/run_model.star"))
    assert written.table("model_groups")["rlnGroupNrParticles"].tolist() == ["116"]
    assert written.table("model_classes")["rlnEstimatedResolution"].tolist() == ["17.019230"]
    assert (tmp_path / "ar/run_class001_angdist.bild").exists()


def test_before_the_first_iteration_the_resolution_is_infinite(
    golden: Path, state: RunState, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    schedule = replace(
        state.schedule,
        iteration=0,
        current_size=0,
        best_resolution_shell=0,
        changes=NO_CHANGES_YET,
        smallest_changes=NO_CHANGES_YET,
    )
    poses = replace(state.poses, n_significant=np.zeros(240, dtype=np.int64))
    table = replace(
        state.table,
        particles={
            label: column
            for label, column in state.table.particles.items()
            if label not in ("rlnNrOfSignificantSamples", "rlnMaxValueProbDistribution")
        },
    )
    before = replace(state, schedule=schedule, poses=poses, table=table)
    write_half(RunNames("run"), 0, 0, before)
    write_shared(RunNames("run"), 0, before, [])

    general = read_star(Path("run_it000_half1_model.star")).values("model_general")
    assert general["rlnCurrentResolution"] == "inf"
    values = read_star(Path("run_it000_optimiser.star")).values("optimiser_general")
    theirs = read_star(golden / "halves/run_it000_optimiser.star").values("optimiser_general")
    for label in ("rlnBestResolutionThusFar", "rlnChangesOptimalClasses"):
        assert values[label] == theirs[label]
    assert values["rlnSmallestChangesClasses"] == "9999999"
    columns = read_star(Path("run_it000_data.star")).table("particles")
    assert "rlnMaxValueProbDistribution" not in columns
    assert "rlnLogLikeliContribution" in columns  # the input had it


def test_golden_it000_data_is_written_again(golden: Path, tmp_path: Path) -> None:
    from halfmap.io.particle_table import read_particles

    particles, poses, table = read_particles(golden / "p240.star", ctf=True, half_seed=1)

    write_data_star(tmp_path / "data.star", particles, poses, table)

    assert (tmp_path / "data.star").read_text() == (
        golden / "halves/run_it000_data.star"
    ).read_text()


def test_resolution_and_completeness_are_those_of_the_golden_models(golden: Path) -> None:
    for name in ("halves/run_it002_half1", "em/run_it002", "local/run_it001"):
        star = read_star(golden / f"{name}_model.star")
        spectra, classes = star.table("model_class_1"), star.table("model_classes")

        ratio, coverage = (
            spectra[label].astype(float) for label in ("rlnSsnrMap", "rlnFourierCompleteness")
        )
        completeness = overall_completeness(ratio, coverage)

        resolution_A = estimated_resolution_A(ratio, 64, 5.0)
        assert resolution_A == pytest.approx(float(classes["rlnEstimatedResolution"][0]))
        # spec/core-em.md 6.3: 1e-4, RELION sums in float32.
        assert completeness == pytest.approx(
            float(classes["rlnOverallFourierCompleteness"][0]), abs=1e-4
        )


def test_labels_of_the_optimiser_are_relions_in_relions_order(golden: Path) -> None:
    found = read_star(golden / "halves/run_it002_optimiser.star").values("optimiser_general")

    assert list(LABELS) == list(found)


def test_an_optimiser_file_without_a_label_is_refused_all_at_once(tmp_path: Path) -> None:
    write_star(
        tmp_path / "o.star", {"optimiser_general": {"rlnRandomSeed": "x", "rlnDoBlush": 2.5}}
    )

    with pytest.raises(DataError) as error:
        read_optimiser_star(tmp_path / "o.star")

    assert "rlnRandomSeed is 'x'; expected int" in str(error.value)
    assert "rlnDoBlush is '2.500000'; expected bool" in str(error.value)
    assert "rlnModelStarFile is missing" in str(error.value)


def test_optimiser_files_of_older_relions_get_defaults(shared: Path) -> None:
    values = read_optimiser_star(shared / "data/tables/run_it025_optimiser_3D.star")

    assert values["rlnCurrentIteration"] == 25
    assert values["rlnDoBlush"] is False


def test_an_unknown_or_missing_label_is_a_mistake_of_the_program(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown \['rlnX'\], missing \['rlnAdaptiveOversample"):
        write_optimiser_star(tmp_path / "o.star", {"rlnX": 1}, [])


def test_a_sampling_of_2d_references_is_read_and_written_back(shared: Path, tmp_path: Path) -> None:
    read = read_sampling_star(shared / "data/tables/run_it025_sampling_2D.star")

    write_sampling_star(tmp_path / "s.star", read)

    assert read.sampling.flat
    assert "sampling_directions" not in read_star(tmp_path / "s.star").tables
    again = read_sampling_star(tmp_path / "s.star")
    assert (again.sampling, again.initial) == (read.sampling, read.initial)


def test_a_map_of_another_box_is_refused(golden: Path, tmp_path: Path) -> None:
    for name in ("run_it002_optimiser.star", "run_it002_model.star", "run_it002_class001.mrc"):
        (tmp_path / name).write_bytes((golden / "em" / name).read_bytes())
    text = (tmp_path / "run_it002_model.star").read_text()
    other = re.sub(r"(_rlnOriginalImageSize +)64", r"\g<1>66", text)
    (tmp_path / "run_it002_model.star").write_text(other)

    with pytest.raises(DataError, match=r"has the box 64, but .* says 66"):
        read_run(tmp_path / "run_it002_optimiser.star")


def test_a_cylinder_points_along_its_direction_from_the_centre_of_the_map(tmp_path: Path) -> None:
    write_bild(
        tmp_path / "a.bild",
        np.array([[0.0, 90.0], [90.0, 90.0], [0.0, 0.0]]),
        np.array([0.5, 0.0, 0.25]),
        length_A=20.0,
    )

    lines = (tmp_path / "a.bild").read_text().split("\n")

    assert lines[0] == ".color 1.000 0 0.000"
    assert lines[1].startswith(".cylinder 20.000 10.000 10.000 23.000 10.000 10.000 ")
    assert lines[2] == ".color 0.500 0 0.500"
    assert lines[3].startswith(".cylinder 10.000 10.000 20.000 10.000 10.000 21.500 ")
    assert len(lines) == 5


def test_importing_the_files_imports_neither_pandas_nor_hdf5() -> None:
    program = (
        "import sys, halfmap.io.run_folder, halfmap.io.exact_state, halfmap.io.stacks\n"
        "print([m for m in ('pandas', 'starfile', 'h5py', 'matplotlib') if m in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.strip() == "[]"
