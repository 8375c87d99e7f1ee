"""Each processor against its formula, written another way or worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage

from halfmap.errors import DataError
from halfmap.steps.processors.document import document
from halfmap.steps.processors.picture import Picture
from halfmap.steps.processors.registry import PROCESSORS, make_ready, process

REPOSITORY = Path(__file__).resolve().parents[3]
OTHER = np.linspace(-1.0, 2.0, 36).reshape(6, 6)


class OtherPicture:
    """Every name is the file of one image."""

    def picture(self, name: str):
        assert name
        return OTHER

    def curve(self, name: str):
        raise AssertionError(name)


def run(text: str, values, pixel_size_A: float = 2.0) -> Picture:
    picture = Picture(np.asarray(values, np.float32), pixel_size_A, (1,))
    return process(picture, make_ready([text], "preprocess", OtherPicture()))


@pytest.fixture
def image(rng) -> np.ndarray:
    return rng.normal(3.0, 2.0, (6, 6)).astype(np.float32)


def sigma(x: np.ndarray) -> float:
    return float(np.sqrt(((x - x.mean()) ** 2).sum() / (x.size - 1)))


def distance(shape: tuple[int, ...]) -> np.ndarray:
    return np.sqrt(sum((i - n // 2) ** 2 for i, n in zip(np.indices(shape), shape, strict=True)))


def border(x: np.ndarray) -> np.ndarray:
    return np.concatenate([x[0], x[-1], x[:, 0], x[:, -1]])


RING = np.array([[(i - 3) ** 2 + (j - 3) ** 2 for j in range(6)] for i in range(6)])
"""Squared distance from the pixel n // 2."""

FORMULAS = {
    "normalize": lambda x: (x - x.mean()) / sigma(x),
    "normalize.edgemean": lambda x: (x - border(x).mean()) / sigma(x),
    "normalize.circlemean": lambda x: (x - x[(RING >= 1) & (RING < 9)].mean()) / sigma(x),
    "normalize.circlemean:radius=-2:width=1": lambda x: (
        (x - x[(RING >= 1) & (RING < 4)].mean()) / sigma(x)
    ),
    "normalize.lredge": lambda x: (x - x[:, [0, 1, 4, 5]].mean()) / sigma(x),
    "normalize.unitlen": lambda x: x / np.sqrt((x**2).sum()),
    "normalize.unitsum": lambda x: x / x.sum(),
    "normalize.maxmin": lambda x: 2.0 * (x - x.min()) / (x.max() - x.min()) - 1.0,
    "normalize.mask:mask=m.mrc": lambda x: (x - x[OTHER > 0].mean()) / sigma(x[OTHER > 0]),
    "normalize.toimage:to=m.mrc": lambda x: np.polyval(np.polyfit(x.ravel(), OTHER.ravel(), 1), x),
    "mask.sharp:outer_radius=2:value=7": lambda x: np.where(RING >= 4, 7.0, x),
    "mask.sharp": lambda x: np.where(RING >= 9, 0.0, x),
    "mask.sharp:outer_radius=-2:inner_radius=1": lambda x: np.where(
        (RING >= 4) | (RING < 1), 0.0, x
    ),
    "mask.sharp:outer_radius=2:dx=-1": lambda x: np.where(np.roll(RING, -1, 1) >= 4, 0.0, x),
    "mask.soft:outer_radius=2:width=1.5:value=1": lambda x: (
        1.0 + (x - 1.0) * np.exp(-((np.maximum(np.sqrt(RING) - 2.0, 0.0) / 1.5) ** 2))
    ),
    "mask.soft:outer_radius=9:inner_radius=2": lambda x: (
        x * np.exp(-((np.maximum(2.0 - np.sqrt(RING), 0.0) / 4.0) ** 2))
    ),
    "mask.gaussian:outer_radius=2": lambda x: x * np.exp(-RING / 4.0),
    "mask.gaussian:outer_radius=2:exponent=4": lambda x: x * np.exp(-(RING**2) / 16.0),
    "mask.gaussian:outer_radius=2:inner_radius=1": lambda x: (
        x * np.exp(-((np.maximum(np.sqrt(RING) - 1.0, 0.0) / 2.0) ** 2))
    ),
    "mask.ringmean:outer_radius=2": lambda x: np.where(
        RING >= 4, x[(RING >= 1) & (RING <= 9)].mean(), x
    ),
    "mask.zeroedge2d:x0=1:y0=2:y1=0": lambda x: np.pad(x[2:, 1:-1], ((2, 0), (1, 1))),
    "mask.fromfile:filename=m.mrc": lambda x: x * OTHER,
    "math.linear:scale=2:shift=-1": lambda x: 2.0 * x - 1.0,
    "math.absvalue": lambda x: np.sqrt(x * x),
    "math.squared": lambda x: x**2,
    "math.sqrt": lambda x: np.where(x > 0, np.abs(x) ** 0.5, 0.0),
    "math.log": lambda x: np.where(x > 0, np.log(np.abs(x)) / np.log(10.0), 0.0),
    "math.exp:low=2:high=1": lambda x: np.e ** (x / 2.0 - 1.0),
    "math.meanshrink:n=2": lambda x: (
        (x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4.0
    ),
    "math.gausskernelfix:gauss_width=4": lambda x: x * np.exp(4.0 * RING / 36.0),
    "threshold.belowtozero:minval=3": lambda x: x * (x >= 3),
    "threshold.belowtominval:minval=3": lambda x: np.where(x < 3, 3, x),
    "threshold.belowtozero_cut:minval=3": lambda x: (x - 3) * (x > 3),
    "threshold.binary:value=3": lambda x: 1.0 * (x >= 3),
    "threshold.binaryrange:low=2:high=4": lambda x: 1.0 * ((x >= 2) & (x <= 4)),
    "threshold.clampminmax:minval=2:maxval=4": lambda x: np.sort([x, 0 * x + 2, 0 * x + 4], 0)[1],
    "threshold.clampminmax:minval=2:tozero=true": lambda x: np.where(x < 2, 0.0, x),
    "threshold.clampminmax:maxval=4:tomean=1": lambda x: np.where(x > 4, x.mean(), x),
    "threshold.clampminmax.nsigma:nsigma=1": lambda x: (
        x.mean() + sigma(x) * np.maximum(-1.0, np.minimum(1.0, (x - x.mean()) / sigma(x)))
    ),
    "threshold.compress:range=1:value=3": lambda x: np.where(
        x > 4, x - 1, np.where(x < 2, x + 1, 3.0)
    ),
    "xform.flip:axis=x": lambda x: np.pad(x[:, :0:-1], ((0, 0), (1, 0))),
    "xform.flip:axis=y": lambda x: np.pad(x[:0:-1], ((1, 0), (0, 0))),
    "xform.mirror:axis=x": lambda x: x[:, ::-1],
    "xform.phaseorigin.tocorner": lambda x: np.roll(x, (-3, -3), (0, 1)),
    "xform.phaseorigin.tocenter": lambda x: np.roll(x, (3, 3), (0, 1)),
    "xform:tx=1:ty=-2": lambda x: np.pad(x[2:, :-1], ((0, 2), (1, 0))),
}


@pytest.mark.parametrize("text", FORMULAS)
def test_a_processor_has_its_formula(text: str, image) -> None:
    # Single precision of values up to some tens.
    np.testing.assert_allclose(
        run(text, image).values, FORMULAS[text](image.astype(float)), rtol=1e-5, atol=1e-5
    )


def test_the_border_of_a_map_is_its_faces_each_voxel_once(rng) -> None:
    volume = rng.normal(size=(4, 5, 6))
    inner = np.zeros(volume.shape, bool)
    inner[1:-1, 1:-1, 1:-1] = True

    found = run("normalize.edgemean", volume).values

    expected = (volume - volume[~inner].mean()) / sigma(volume)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_slope_is_removed_and_the_circle_normalised() -> None:
    y, x = np.indices((20, 20))
    bumps = np.cos(x * 2.1) * np.sin(y * 1.3)

    found = run("normalize.ramp.normvar", bumps + 5.0 + 0.3 * x - 0.2 * y).values
    plain = run("normalize.ramp.normvar", bumps).values

    circle = found[distance((20, 20)) <= 8]
    assert circle.mean() == pytest.approx(0.0, abs=1e-5)
    assert sigma(circle) == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(found, plain, atol=1e-4)
    with pytest.raises(DataError, match="expected an image"):
        run("normalize.ramp.normvar", np.ones((4, 4, 4)))


def test_a_local_normalisation_makes_far_parts_equal() -> None:
    x = np.arange(128)
    strips = np.tile(np.where(x < 64, 1.0, 5.0), (128, 1))

    found = run("normalize.local:threshold=0.5:radius=8", strips, pixel_size_A=1.0).values

    # Far from the steps, 64 px away, every value is its own local mean.
    assert found[64, 32] == pytest.approx(1.0, abs=1e-3)
    assert found[64, 96] == pytest.approx(1.0, abs=1e-3)


def test_a_mass_is_enclosed_by_the_threshold(rng) -> None:
    volume = rng.uniform(0.1, 1.0, (10, 10, 10))

    found = run("normalize.bymass:mass=0.81:thr=2", volume, pixel_size_A=2.0).values

    # 0.81 kDa of 0.81 Da/Å³ are 1000 Å³: 125 voxels of 8 Å³.
    assert np.count_nonzero(found >= 2.0 * (1 - 1e-6)) == 125
    with pytest.raises(DataError, match=r"normalize\.bymass: .*900 kDa are .* voxels of 2 Å"):
        run("normalize.bymass:mass=900", volume)


def test_rows_of_a_map_are_cleared() -> None:
    found = run("mask.zeroedge3d:x0=1:y0=0:z0=2:z1=1", np.ones((6, 6, 6))).values

    assert (found[2:5, :, 1:5] == 1.0).all()
    assert found.sum() == 3 * 6 * 4


def test_edges_decay_in_steps() -> None:
    found = run("mask.decayedge2d:width=2", np.ones((6, 6))).values

    assert found[3].tolist() == [0.0, 0.5, 1.0, 1.0, 0.5, 0.0]
    assert found[1].tolist() == [0.0, 0.25, 0.5, 0.5, 0.25, 0.0]


def two_blobs() -> np.ndarray:
    """A ball in the middle and one of 2 px in a corner, not connected."""
    volume = np.zeros((24, 24, 24), np.float32)
    volume[distance(volume.shape) <= 4.5] = 1.0
    volume[2:4, 2:4, 2:4] = 1.5
    return volume


def test_an_automatic_mask_holds_what_is_connected_to_the_seed() -> None:
    volume = two_blobs()
    ball = distance(volume.shape) <= 4.5

    found = run("mask.auto3d:threshold=0.5:radius=2:return_mask=1", volume).values
    grown = run("mask.auto3d:threshold=0.5:radius=2:nshells=2:return_mask=1", volume).values

    np.testing.assert_array_equal(found, ball)
    faces = scipy.ndimage.generate_binary_structure(3, 1)
    once = scipy.ndimage.binary_dilation(ball, faces)
    np.testing.assert_array_equal(grown, scipy.ndimage.binary_dilation(once, faces))


def test_the_brightest_voxels_can_be_seeds() -> None:
    volume = two_blobs()

    found = run("mask.auto3d:threshold=0.5:nmaxseed=1", volume).values

    assert (found == np.where(volume == 1.5, volume, 0.0)).all()


def test_a_smooth_mask_fades_beyond_the_part() -> None:
    volume = two_blobs()

    found = run("mask.auto3d:threshold=0.5:radius=2:nshellsgauss=4:return_mask=1", volume).values

    along = found[12, 12, 12:]
    assert along[0] == pytest.approx(1.0, abs=0.02)
    # The Gaussian is cut at Nyquist, where it is exp(-4): ripples of a thousandth.
    assert (np.diff(along) <= 2e-3).all()
    # Voxels 0 to 4 grew by two; half of the weight is between 6 and 7, less as the face is round.
    assert along[6:8].mean() == pytest.approx(0.5, abs=0.1)
    assert found[2, 2, 2] == 0.0
    assert ((found == 0.0) | (found >= 0.002)).all()


def test_noise_has_the_deviation_that_was_asked_for() -> None:
    zeros, ones = np.zeros((200, 200)), np.tile([0.0, 2.0], (200, 100))

    plain = run("math.addnoise:noise=3", zeros).values
    relative = run("math.addsignoise:noise=3", ones).values - ones

    # 40 000 numbers: sigma to 0.35 %, the mean to 0.5 % of it.
    for noise in (plain, relative):
        assert sigma(noise) == pytest.approx(3.0, rel=0.02)
        assert noise.mean() == pytest.approx(0.0, abs=0.075)


@pytest.mark.parametrize("factor", [2, 0.5, 1.6])
def test_a_resampled_wave_is_the_same_wave(factor: float) -> None:
    x = np.arange(32)
    wave = np.cos(2 * np.pi * 3 * (x - 16) / 32)[None, :] + np.zeros((32, 1)) + 2.0

    found = run(f"math.fft.resample:n={factor}", wave)

    n = round(32 / factor)
    expected = np.cos(2 * np.pi * 3 * (np.arange(n) - n // 2) / n) + 2.0
    np.testing.assert_allclose(found.values[5], expected, atol=1e-5)
    assert found.pixel_size_A == pytest.approx(2.0 * factor)


def test_shrinking_by_means_makes_the_pixels_larger() -> None:
    assert run("math.meanshrink:n=2", np.ones((7, 6))).values.shape == (3, 3)
    assert run("math.meanshrink:n=2", np.ones((7, 6))).pixel_size_A == 4.0


def test_the_rotational_average_of_a_round_picture_is_itself(rng) -> None:
    linear = distance((20, 20))  # linear in the radius, as the average is between whole radii

    found = run("math.rotationalaverage", linear + 0.0).values
    again = run("math.rotationalaverage", rng.normal(size=(20, 20))).values

    ring = distance((20, 20)) == 5.0  # (5, 0), (3, 4) ...
    assert np.ptp(again[ring]) == 0.0
    # Shared between two radii, a value stays within the step between them.
    assert np.abs(found - linear).max() < 0.5


def test_content_is_turned_forward_about_the_middle() -> None:
    image = np.zeros((9, 9))
    image[4, 6] = 1.0  # (x, y) = (2, 0)

    turned = run("xform:alpha=90", image).values

    # EMAN's matrix of phi = 90° brings (1, 0) to (0, -1).
    assert np.unravel_index(turned.argmax(), turned.shape) == (2, 4)
    assert turned.max() == pytest.approx(1.0, abs=1e-6)


def test_a_map_is_turned_as_a_projection_would_be() -> None:
    volume = np.zeros((9, 9, 9))
    volume[4, 4, 6] = 1.0  # (2, 0, 0)
    volume[4, 7, 4] = 2.0  # (0, 3, 0)

    turned = run("xform:az=0:alt=90:phi=0:tz=1", volume).values

    # R of alt = 90° brings (0, 1, 0) to (0, 0, -1); then one up along z.
    assert turned[5, 4, 6] == pytest.approx(1.0, abs=1e-6)
    assert turned[2, 4, 4] == pytest.approx(2.0, abs=1e-6)


def test_half_a_pixel_is_the_mean_of_two() -> None:
    image = np.zeros((8, 8))
    image[4, 4] = 1.0

    found = run("xform:tx=0.5", image).values

    assert found[4, 4:6].tolist() == [0.5, 0.5]


def test_an_image_has_no_tilt() -> None:
    with pytest.raises(DataError, match="expected alpha="):
        run("xform:alt=10", np.ones((8, 8)))


def test_the_centre_of_mass_comes_to_the_middle() -> None:
    image = np.zeros((16, 16))
    image[3, 5], image[4, 5] = 3.0, 1.0

    whole = run("xform.centerofmass", image).values
    exact = run("xform.centerofmass:int_shift_only=0", image).values

    assert whole[8, 8] == 3.0
    assert scipy.ndimage.center_of_mass(exact) == pytest.approx((8.0, 8.0), abs=1e-5)


@pytest.mark.parametrize("sym", ["c4", "d2", "oct"])
def test_a_symmetrised_map_is_the_same_from_all_sides(rng, sym: str) -> None:
    volume = np.zeros((11, 11, 11))  # odd: turns by 90° bring voxels to voxels
    volume[2:9, 2:9, 2:9] = rng.normal(size=(7, 7, 7))

    found = run(f"xform.applysym:sym={sym}", volume).values

    np.testing.assert_allclose(found, np.rot90(found, 2, (1, 2)), atol=1e-5)
    assert found[5, 5, 5] == pytest.approx(volume[5, 5, 5], abs=1e-5)
    if sym == "c4":
        turns = [np.rot90(volume, k, (1, 2)) for k in range(4)]
        np.testing.assert_allclose(found, np.mean(turns, axis=0), atol=1e-5)
    if sym == "oct":
        np.testing.assert_allclose(found, np.rot90(found, 1, (0, 2)), atol=1e-5)


def test_pictures_of_another_size_are_refused() -> None:
    with pytest.raises(DataError, match=r"mask= has 6 x 6 px, expected 5 x 4 px"):
        run("normalize.mask:mask=m.mrc", np.ones((4, 5)))


def test_a_picture_without_contrast_stays_as_it_is() -> None:
    for text in ("normalize", "normalize.edgemean", "normalize.maxmin", "normalize.toimage:to=a"):
        assert (run(text, np.full((6, 6), 4.0)).values == 4.0).all()


def test_the_page_of_processors_is_up_to_date() -> None:
    assert (REPOSITORY / "docs/processors.md").read_text(encoding="utf-8") == document()


def test_every_processor_is_tested_here_or_with_the_filters() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    filters = Path(__file__).with_name("test_filters.py").read_text(encoding="utf-8")

    assert not [name for name in PROCESSORS if f'"{name}' not in here + filters]
