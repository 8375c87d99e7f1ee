from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from halfmap.kernels.reference import ReferenceKernels
from halfmap.model.ctf import CtfOptions
from halfmap.model.disc import make_disc
from halfmap.model.geometry import ImageGeometry
from halfmap.model.optics import Defocus, Optics
from halfmap.model.particles import Particles, Poses
from halfmap.steps.accuracy import (
    ROTATIONS_DEG,
    SHIFTS_PX,
    Accuracy,
    TrialRules,
    Trials,
    expected_accuracy,
    make_trials,
)
from halfmap.steps.references import fourier_reference

BOX, SIZE = 32, 24
DISC = make_disc(SIZE, SIZE)


def blob(x: float, y: float, z: float) -> np.ndarray:
    gz, gy, gx = np.ogrid[-16:16, -16:16, -16:16]
    return np.exp(-((gx - x) ** 2 + (gy - y) ** 2 + (gz - z) ** 2) / 4).astype(np.float32)


def reference_of(volume: np.ndarray):
    return fourier_reference(volume, SIZE, 2.0)


def trials(n: int = 6, precision: float = 1e6, choice: float = 0.5) -> Trials:
    rng = np.random.default_rng(5)
    weight = np.where(DISC.shell > 0, precision, 0.0)
    return Trials(
        disc=DISC,
        angles_deg=rng.uniform(20, 160, size=(n, 3)),
        precision=np.tile(weight, (n, 1)),
        choice=np.full(n, choice),
        geometry=ImageGeometry.plain(BOX, 2.0),
    )


def accuracy(given: Trials, volume: np.ndarray) -> Accuracy:
    return expected_accuracy((given,), (reference_of(volume),), np.ones(1), ReferenceKernels())


def test_the_values_tried_are_those_of_relion() -> None:
    tenths = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0]
    whole = [2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6, 7, 8, 9, 10, 12]
    np.testing.assert_array_equal(
        ROTATIONS_DEG, [0.05, 0.1, 0.15, 0.2, *tenths, *whole, 14, 16, 18, 20, 25, 30, 35]
    )
    np.testing.assert_array_equal(SHIFTS_PX, [0.1, 0.2, *tenths, *whole])


def test_a_shift_is_told_apart_at_odds_of_a_hundred_to_one() -> None:
    given = trials(1)
    volume = blob(0, 0, 0)
    slice_power = abs_slice(volume) ** 2

    found = accuracy(given, volume).translation_A[0] / 2.0

    def log_odds(shift: float) -> float:
        change = np.abs(1 - np.exp(-2j * np.pi * DISC.ky * shift / BOX)) ** 2
        return float((slice_power * change * given.precision[0]).sum())

    tried = int(np.argmin(np.abs(SHIFTS_PX - found)))
    assert log_odds(SHIFTS_PX[tried]) > np.log(100)
    assert tried == 0 or log_odds(SHIFTS_PX[tried - 1]) <= np.log(100)


def abs_slice(volume: np.ndarray) -> np.ndarray:
    """The blob at the centre looks the same from everywhere: its slice is known."""
    plane = np.fft.rfftn(volume.sum(axis=0).astype(float)) / BOX**2
    return np.abs(plane[DISC.ky % BOX, DISC.kx])


def test_less_noise_makes_smaller_differences_visible() -> None:
    volume = blob(5, 3, -4) + blob(-4, 2, 1)

    noisy, clear = (accuracy(trials(precision=p), volume) for p in (1e3, 1e5))

    assert clear.best_rotation_deg < noisy.best_rotation_deg / 3
    assert clear.best_translation_A < noisy.best_translation_A / 3


def test_turning_a_round_particle_is_never_visible() -> None:
    found = accuracy(trials(precision=1e4), blob(0, 0, 0))

    assert found.best_rotation_deg == 35.0
    assert found.best_translation_A < 24.0


def test_an_in_plane_turn_of_a_stick_along_the_beam_is_not_visible() -> None:
    # Seen along z, blobs on the z axis are round: psi cannot be told, the tilt can.
    stick = blob(0, 0, 6) + blob(0, 0, -6)
    seen_from_above = replace(trials(1, 1e5), angles_deg=np.zeros((1, 3)))

    tilt = accuracy(replace(seen_from_above, choice=np.array([0.5])), stick)
    psi = accuracy(replace(seen_from_above, choice=np.array([0.9])), stick)

    assert psi.best_rotation_deg == 35.0
    assert tilt.best_rotation_deg < 20.0


def test_the_contributions_of_the_shells_sum_to_one() -> None:
    contribution = accuracy(trials(), blob(5, 3, -4)).orientability

    assert contribution.shape == (BOX // 2 + 1,)
    assert contribution.sum() == pytest.approx(1.0)
    assert contribution[0] == 0.0
    assert np.all(contribution[SIZE // 2 + 1 :] == 0.0)


def test_a_deserted_class_is_not_estimated() -> None:
    references = (reference_of(blob(5, 3, -4)),) * 2

    found = expected_accuracy((trials(),), references, np.array([0.995, 0.005]), ReferenceKernels())

    assert found.rotation_deg[1] == found.translation_A[1] == 999.0
    assert found.best_rotation_deg == found.rotation_deg[0] < 999.0


def particles(n: int = 40) -> Particles:
    optics = Optics("one", 300.0, 2.7, 0.1, 2.0, BOX)
    zeros, ones = np.zeros(n), np.ones(n)
    return Particles(
        stacks=("a.mrcs",),
        stack=np.zeros(n, int),
        slice=np.arange(n),
        optics=(optics, replace(optics, ctf_premultiplied=True)),
        optics_group=np.arange(n) % 2,
        scale_groups=("m",),
        scale_group=np.zeros(n, int),
        half=np.zeros(n, int),
        defocus=Defocus(ones * 15000, ones * 15000, zeros, zeros, zeros, ones),
    )


def made(ctf: CtfOptions | None, rows: np.ndarray, seed: int = 1) -> Trials:
    model = SimpleNamespace(noise_variance=np.full((2, BOX // 2 + 1), 0.25))
    rules = TrialRules(SIZE, seed, ctf), ImageGeometry.plain(BOX, 2.0)
    return make_trials(particles(), Poses.unknown(40), rows, model, rules)


def test_the_weight_of_a_difference_is_ctf_squared_over_twice_the_noise() -> None:
    rows = np.arange(4)
    with_ctf, without = made(CtfOptions(), rows), made(None, rows)

    assert np.all(without.precision[:, 1:] == 2.0)
    assert np.all(without.precision[:, 0] == 0.0)
    ctf_squared = with_ctf.precision[0] / 2.0
    assert 0.0 <= ctf_squared.min() < 0.1 < 0.9 < ctf_squared.max() <= 1.0
    # The second group's images were multiplied by the CTF, so its model is the CTF squared.
    np.testing.assert_allclose(with_ctf.precision[1] / 2.0, ctf_squared**2)


def test_what_is_varied_depends_on_particle_and_seed_only() -> None:
    all_rows, some = made(None, np.arange(40)), made(None, np.array([7, 3]))

    np.testing.assert_array_equal(some.choice, all_rows.choice[[7, 3]])
    assert np.any(made(None, np.arange(40), seed=2).choice != all_rows.choice)
    for low in (0.0, 1 / 3, 2 / 3):
        assert np.any((all_rows.choice >= low) & (all_rows.choice < low + 1 / 3))
