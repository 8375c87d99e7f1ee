"""The decisions of RELION's auto-refinement of 240 particles, iteration by iteration."""

from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import starfile

from halfmap.kernels.registry import make_kernels
from halfmap.model.ctf import CtfOptions
from halfmap.model.fourier import low_pass
from halfmap.model.geometry import ImageGeometry
from halfmap.model.half_model import HalfModel
from halfmap.model.optics import Defocus, Optics
from halfmap.model.particles import Particles, Poses
from halfmap.model.sampling import Sampling
from halfmap.model.schedule import Schedule
from halfmap.model.schedule_rules import ScheduleRules
from halfmap.model.symmetry import point_group
from halfmap.steps.accuracy import TrialRules, expected_accuracy, make_trials
from halfmap.steps.convergence import count_changes, has_converged, pose_changes
from halfmap.steps.references import fourier_reference
from halfmap.steps.resolution import after_fsc, first_schedule, image_sizes, next_resolution
from halfmap.steps.sampling_schedule import next_sampling

BOX, PIXEL_A = 64, 5.0
RULES = ScheduleRules(BOX, PIXEL_A, 290.0, initial_low_pass_A=30.0)
START = Sampling(1, 30.0, 25.0, 10.0, 1, "C1")


class Golden:
    """Files of the golden run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model, self.optimiser, self.data = [], [], []
        for i in range(4):
            read = {
                name: starfile.read(folder / f"halves/run_it{i:03d}_{name}.star", always_dict=True)
                for name in ("half1_model", "optimiser", "data")
            }
            self.model.append(read["half1_model"])
            self.optimiser.append(read["optimiser"]["optimiser_general"])
            self.data.append(read["data"])

    def shells(self, i: int, column: str) -> np.ndarray:
        return self.model[i]["model_class_1"][column].to_numpy()

    def poses(self, i: int) -> Poses:
        rows = self.data[i]["particles"]
        unknown = Poses.unknown(len(rows))
        if i == 0:
            return unknown
        return replace(
            unknown,
            angles_deg=rows[["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]].to_numpy(),
            offset_A=rows[["rlnOriginXAngst", "rlnOriginYAngst"]].to_numpy(),
            class_index=rows["rlnClassNumber"].to_numpy() - 1,
        )


@pytest.fixture(scope="module")
def golden(shared: Path) -> Golden:
    return Golden(shared / "golden/relion")


def number(table: dict, label: str) -> float:
    return float(np.atleast_1d(table[label])[0])


@pytest.fixture(scope="module")
def schedules(golden: Golden) -> list[Schedule]:
    """Our schedule after each iteration, given RELION's FSC, poses and accuracies."""
    schedule = first_schedule(START, golden.shells(0, "rlnSsnrMap")[None], RULES)
    after = [schedule]
    for i in (1, 2, 3):
        assert not has_converged(schedule, RULES)
        size, coarse = image_sizes(schedule, RULES)
        optimiser = golden.optimiser[i]
        schedule = replace(
            schedule,
            iteration=i,
            current_size=size,
            coarse_size=coarse,
            accuracy_rotation_deg=number(optimiser, "rlnOverallAccuracyRotations"),
            accuracy_translation_A=number(optimiser, "rlnOverallAccuracyTranslationsAngst"),
        )
        schedule = next_sampling(schedule, RULES)
        schedule = after_fsc(schedule, golden.shells(i, "rlnGoldStandardFsc"))
        changes = pose_changes(golden.poses(i - 1), golden.poses(i), point_group("C1"))
        schedule = count_changes(schedule, changes)
        schedule = replace(
            schedule,
            mean_max_probability=number(golden.model[i]["model_general"], "rlnAveragePmax"),
        )
        schedule = next_resolution(schedule, golden.shells(i, "rlnSsnrMap")[None], RULES)
        after.append(schedule)
    return after


@pytest.mark.parametrize("i", [1, 2, 3])
def test_sizes_and_resolution_are_relions(i: int, schedules: list, golden: Golden) -> None:
    ours, theirs = schedules[i], golden.model[i]["model_general"]

    assert ours.current_size == number(theirs, "rlnCurrentImageSize")
    resolution_A = BOX * PIXEL_A / ours.resolution_shell
    assert resolution_A == pytest.approx(number(theirs, "rlnCurrentResolution"), abs=1e-5)
    assert ours.size_increment == number(golden.optimiser[i], "rlnIncrementImageSize")
    assert ours.high_fsc_at_limit == number(golden.optimiser[i], "rlnHasHighFscAtResolLimit")


@pytest.mark.parametrize("i", [1, 2, 3])
def test_counters_are_relions(i: int, schedules: list, golden: Golden) -> None:
    ours, theirs = schedules[i], golden.optimiser[i]

    no_gain = number(theirs, "rlnNumberOfIterWithoutResolutionGain")
    no_change = number(theirs, "rlnNumberOfIterWithoutChangingAssignments")
    assert ours.iterations_without_resolution_gain == no_gain
    assert ours.iterations_without_large_changes == no_change
    best = ours.best_resolution_shell / (BOX * PIXEL_A)
    assert best == pytest.approx(number(theirs, "rlnBestResolutionThusFar"))


@pytest.mark.parametrize("i", [1, 2, 3])
def test_changes_of_the_poses_are_relions(i: int, schedules: list, golden: Golden) -> None:
    theirs = golden.optimiser[i]

    for kind in ("changes", "smallest_changes"):
        ours = getattr(schedules[i], kind)
        name = "Smallest" if kind == "smallest_changes" else ""
        tail = "Optimal" if kind == "changes" else ""
        label = f"rln{name}Changes{tail}"
        # RELION takes the arc cosine in single precision, good to 0.006°.
        orientations = number(theirs, f"{label}Orientations")
        assert ours.orientations_deg == pytest.approx(orientations, abs=0.01)
        assert ours.offsets_A == pytest.approx(number(theirs, f"{label}Offsets"), abs=1e-5)
        assert ours.classes == number(theirs, f"{label}Classes")


def test_the_sampling_stays_because_the_poses_still_move(schedules: list) -> None:
    assert all(schedule.sampling == START for schedule in schedules)
    assert not any(schedule.fine_enough for schedule in schedules)


@pytest.mark.parametrize("i", [1, 2, 3])
def test_expected_accuracies_are_relions(i: int, schedules: list, golden: Golden) -> None:
    particles, size = table_of(golden), schedules[i].current_size
    rows = np.flatnonzero(particles.half == 0)[:100]
    trials = make_trials(
        particles,
        golden.poses(i - 1),
        rows,
        model_before(golden, i),
        (TrialRules(size, 1, CtfOptions()), ImageGeometry.plain(BOX, PIXEL_A)),
    )
    reference = fourier_reference(map_before(golden, i), size, 2.0)

    found = expected_accuracy((trials,), (reference,), np.ones(1), make_kernels("reference"))

    # The axis of each trial is drawn at random, and RELION takes other 100 of the 120 particles.
    theirs = golden.optimiser[i]
    rotation_deg = number(theirs, "rlnOverallAccuracyRotations")
    translation_A = number(theirs, "rlnOverallAccuracyTranslationsAngst")
    assert found.best_rotation_deg == pytest.approx(rotation_deg, rel=0.05)
    assert found.best_translation_A == pytest.approx(translation_A, rel=0.05)
    shells = golden.shells(i, "rlnSpectralOrientabilityContribution")
    np.testing.assert_allclose(found.orientability, shells, atol=0.02)


def map_before(golden: Golden, i: int) -> np.ndarray:
    """Return the reference of the first half in iteration ``i``."""
    if i == 1:
        return low_pass(mrcfile.read(golden.folder / "ref.mrc"), PIXEL_A, 30.0)
    return mrcfile.read(golden.folder / f"halves/run_it{i - 1:03d}_half1_class001.mrc")


def model_before(golden: Golden, i: int) -> HalfModel:
    """Return a model of which only the noise is known."""
    noise = np.zeros((2, BOX // 2 + 1))
    for group in (0, 1):
        rows = golden.model[i - 1][f"model_optics_group_{group + 1}"]
        noise[group, rows["rlnSpectralIndex"]] = rows["rlnSigma2Noise"]
    nothing = dict.fromkeys(HalfModel.__slots__)
    return HalfModel(**(nothing | {"noise_variance": noise}))  # type: ignore[arg-type]


def table_of(golden: Golden) -> Particles:
    optics, rows = golden.data[0]["optics"], golden.data[0]["particles"]
    n = len(rows)
    return Particles(
        stacks=("p240.mrcs",),
        stack=np.zeros(n, int),
        slice=np.arange(n),
        optics=tuple(
            Optics(
                name=str(row["rlnOpticsGroupName"]),
                voltage_kV=row["rlnVoltage"],
                spherical_aberration_mm=row["rlnSphericalAberration"],
                amplitude_contrast=row["rlnAmplitudeContrast"],
                pixel_size_A=PIXEL_A,
                box=BOX,
            )
            for _, row in optics.iterrows()
        ),
        optics_group=rows["rlnOpticsGroup"].to_numpy() - 1,
        scale_groups=("all",),
        scale_group=np.zeros(n, int),
        half=rows["rlnRandomSubset"].to_numpy() - 1,
        defocus=Defocus(
            u_A=rows["rlnDefocusU"].to_numpy(),
            v_A=rows["rlnDefocusV"].to_numpy(),
            angle_deg=rows["rlnDefocusAngle"].to_numpy(),
            phase_shift_deg=np.zeros(n),
            b_factor_A2=np.zeros(n),
            scale=np.ones(n),
        ),
    )
