from dataclasses import fields, replace

import numpy as np
import pytest

from halfmap.errors import DataError
from halfmap.model.ctf import CtfOptions, contrast_transfer, electron_wavelength_A
from halfmap.model.optics import Defocus, Optics

KRIOS = Optics(
    name="og1",
    voltage_kV=300.0,
    spherical_aberration_mm=2.7,
    amplitude_contrast=0.1,
    pixel_size_A=1.5,
    box=64,
)
KX, KY = np.array([0, 5, 0, 10, 20, 32, 3]), np.array([0, 0, 5, -7, 13, 0, -30])


def defocus(
    u_A: float = 15_000.0,
    v_A: float = 14_000.0,
    angle_deg: float = 25.0,
    phase_shift_deg: float = 0.0,
    b_factor_A2: float = 0.0,
    scale: float = 1.0,
) -> Defocus:
    values = (u_A, v_A, angle_deg, phase_shift_deg, b_factor_A2, scale)
    return Defocus(*(np.array([value]) for value in values))


def test_the_ctf_is_that_of_relion() -> None:
    ctf = contrast_transfer(KX, KY, defocus(), KRIOS)[0]

    expected = [0.100000, 0.528703, 0.616995, 0.991808, -0.458626, -0.541251, 0.974111]
    # RELION's phase is single precision: 1e-7 of up to 80 rad.
    np.testing.assert_allclose(ctf, expected, atol=1e-5)


def test_at_zero_frequency_the_ctf_is_plus_the_amplitude_contrast() -> None:
    ctf = contrast_transfer(np.array([0]), np.array([0]), defocus(), KRIOS)

    assert ctf[0, 0] == pytest.approx(+0.1)


def test_defocus_u_acts_along_its_own_angle() -> None:
    kx, ky = np.zeros(9, int), np.arange(9)

    astigmatic = contrast_transfer(kx, ky, defocus(20_000.0, 10_000.0, 90.0), KRIOS)
    round_ = contrast_transfer(kx, ky, defocus(20_000.0, 20_000.0), KRIOS)

    np.testing.assert_allclose(astigmatic, round_)


def test_angles_are_counted_from_x_towards_y() -> None:
    k = np.arange(9)

    along_45 = contrast_transfer(k, k, defocus(20_000.0, 10_000.0, 45.0), KRIOS)
    round_ = contrast_transfer(k, k, defocus(20_000.0, 20_000.0), KRIOS)

    np.testing.assert_allclose(along_45, round_)


def test_wavelength_agrees_with_the_physical_constants() -> None:
    # CODATA h, m_e, e, c: lambda = h / sqrt(2 m e V (1 + e V / 2 m c²)).
    assert electron_wavelength_A(100.0) == pytest.approx(0.03701, abs=1e-5)
    assert electron_wavelength_A(300.0) == pytest.approx(0.01969, abs=1e-5)


def test_a_phase_plate_of_90_degrees_turns_the_sine_into_a_cosine() -> None:
    no_amplitude = replace(KRIOS, amplitude_contrast=0.0)
    plain = contrast_transfer(KX, KY, defocus(), no_amplitude)

    shifted = contrast_transfer(KX, KY, defocus(phase_shift_deg=90.0), no_amplitude)

    np.testing.assert_allclose(shifted**2 + plain**2, 1.0)
    assert shifted[0, 0] == pytest.approx(1.0), "contrast at zero frequency"


def test_envelope_and_scale_multiply_the_ctf() -> None:
    damped = contrast_transfer(KX, KY, defocus(b_factor_A2=80.0, scale=0.5), KRIOS)

    s2 = (KX**2 + KY**2) / (64 * 1.5) ** 2
    expected = 0.5 * np.exp(-80.0 * s2 / 4.0) * contrast_transfer(KX, KY, defocus(), KRIOS)
    np.testing.assert_allclose(damped, expected)


def test_an_intact_first_peak_is_one_up_to_the_peak() -> None:
    kx, ky = np.arange(33), np.zeros(33, int)
    plain = contrast_transfer(kx, ky, defocus(), KRIOS)[0]

    intact = contrast_transfer(kx, ky, defocus(), KRIOS, CtfOptions(intact_first_peak=True))[0]

    peak = 4  # between pixels 3 and 4, 32 and 24 Å, the phase of this defocus passes 90°
    np.testing.assert_array_equal(intact[:peak], 1.0)
    np.testing.assert_array_equal(intact[peak:], plain[peak:])
    assert plain[peak - 1] < 1.0


def test_flipped_images_have_the_absolute_ctf_damped_and_scaled() -> None:
    image = defocus(b_factor_A2=80.0, scale=0.5)
    plain = contrast_transfer(KX, KY, image, KRIOS)

    flipped = contrast_transfer(KX, KY, image, KRIOS, CtfOptions(phase_flipped=True))
    signs = contrast_transfer(KX, KY, image, KRIOS, CtfOptions(only_flip_phases=True))

    np.testing.assert_array_equal(flipped, np.abs(plain))
    np.testing.assert_array_equal(signs, 0.5 * np.sign(plain))


def test_premultiplied_images_have_the_square() -> None:
    premultiplied = replace(KRIOS, ctf_premultiplied=True)

    np.testing.assert_array_equal(
        contrast_transfer(KX, KY, defocus(), premultiplied),
        contrast_transfer(KX, KY, defocus(), KRIOS) ** 2,
    )


@pytest.mark.parametrize("scale", [1e-12, -1e-12])
def test_the_ctf_never_comes_nearer_to_zero_than_1e_8(scale: float) -> None:
    tiny = contrast_transfer(KX, KY, defocus(scale=scale), KRIOS)
    plain = contrast_transfer(KX, KY, defocus(), KRIOS)

    np.testing.assert_array_equal(tiny, np.copysign(1e-8, scale * plain))


def test_images_are_computed_alone_as_in_a_batch_to_the_last_bit() -> None:
    ky, kx = np.mgrid[-8:9, 0:9]
    alone = [defocus(u, u - 300.0, a) for u, a in ((9e3, 1.0), (2e4, 60.0), (3e4, -50.0))]
    names = [field.name for field in fields(Defocus)]
    stacked = Defocus(*(np.concatenate([getattr(d, name) for d in alone]) for name in names))

    together = contrast_transfer(kx, ky, stacked, KRIOS)

    assert together.shape == (3, 17, 9)
    for i, one in enumerate(alone):
        np.testing.assert_array_equal(together[i], contrast_transfer(kx, ky, one, KRIOS)[0])


def test_an_impossible_amplitude_contrast_is_named() -> None:
    with pytest.raises(DataError, match=r"'og1' has amplitude contrast 7; .* rlnAmplitudeContrast"):
        contrast_transfer(KX, KY, defocus(), replace(KRIOS, amplitude_contrast=7.0))
