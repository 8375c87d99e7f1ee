"""Images of another box, pixel size or magnification meet the map where they show the same."""

from dataclasses import replace

import gaussian_phantom as phantom
import numpy as np
import pytest
import small_search as small
from numpy import ndarray as Array
from small_search import BOX, GLOBAL, PIXEL_A

from halfmap.kernels.registry import make_kernels
from halfmap.model.disc import counted_shells, make_disc
from halfmap.model.fourier import pixels_per_shell, shells_2d
from halfmap.model.geometry import ImageGeometry, geometries
from halfmap.model.noise import image_spectrum, on_map_grid
from halfmap.model.optics import Optics
from halfmap.model.rotations import euler_matrices
from halfmap.steps.accuracy import Accuracy, TrialRules, expected_accuracy, make_trials
from halfmap.steps.batch import make_batch
from halfmap.steps.expectation import UnitResult, Workspace, run_unit
from halfmap.steps.prepare_images import prepare_images
from halfmap.steps.references import fourier_reference
from halfmap.steps.search import Search
from halfmap.steps.search_plan import SearchPlan
from halfmap.steps.slices import coarse_axes, project_classes

STRETCH = (1.03, 0.01, -0.02, 0.96)
GEOMETRIES = {
    "own grid": ImageGeometry.plain(BOX, PIXEL_A),
    "finer pixels": ImageGeometry(32, 3.0, BOX, PIXEL_A),
    "coarser pixels": ImageGeometry(20, 5.0, BOX, PIXEL_A),
    "larger box": ImageGeometry(36, 4.0, BOX, PIXEL_A),
    "another box and pixel": ImageGeometry(30, 3.5, BOX, PIXEL_A),
    "magnified": ImageGeometry(BOX, PIXEL_A, BOX, PIXEL_A, STRETCH),
    "all at once": ImageGeometry(40, 2.8, BOX, PIXEL_A, STRETCH),
}
each = pytest.mark.parametrize("name", GEOMETRIES)


def search_of(geometry: ImageGeometry, noise: float = 1.0) -> Search:
    """A search of the phantom by images of a geometry, without CTF."""
    those = small.particles(1)
    known = small.model(phantom.density(BOX, PIXEL_A)[None], GLOBAL, noise)
    images = replace(small.settings(those), geometry=geometry, ctf=None, do_scale=False)
    # White noise of the same images: a pixel of the transform is the sum over the box.
    variance = 0.5 * noise**2 * geometry.unit**2 * geometry.box**2
    known = replace(known, noise_variance=np.full((1, BOX // 2 + 1), variance))
    planned = SearchPlan(GLOBAL, images, 16, 8, small.RULES, n_particles=10)
    return small.search(known, planned, make_kernels())


def truth(search: Search, matrix: Array) -> Array:
    """What the phantom says about the pixels of a search, on the scale of its map."""
    geometry = search.plan.images.geometry
    k = np.column_stack([search.disc.kx, search.disc.ky])
    frequency = k @ np.reshape(geometry.magnification, (2, 2)).T
    frequency = frequency / (geometry.box * geometry.pixel_size_A)
    return phantom.transform(matrix, frequency) / (PIXEL_A**3 * BOX**2)


@each
def test_a_slice_is_what_an_image_of_that_grid_shows(name: str) -> None:
    search = search_of(GEOMETRIES[name])
    assert search.candidates is not None
    row = search.candidates[slice(77, 78)]
    axes = coarse_axes(search, row.direction, row.psi)
    cut = np.zeros((1, search.disc.width), np.float32)
    project_classes(search, row.class_index, axes, (search.pixels, cut))

    expected = truth(search, _matrix_of(search))

    found = cut.view(np.complex64)[0, : len(search.disc)]
    # Linear interpolation between padded voxels.
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()


def _matrix_of(search: Search) -> Array:
    assert search.candidates is not None
    row = search.candidates[slice(77, 78)]
    plain = replace(search.plan.images, geometry=GEOMETRIES["own grid"])
    axes = coarse_axes(
        replace(search, plan=replace(search.plan, images=plain)), row.direction, row.psi
    )
    x, y = axes.reshape(2, 3) / search.sphere.padding
    return np.stack([x, y, np.cross(x, y)])


@each
def test_an_image_of_that_grid_becomes_what_the_map_says(name: str) -> None:
    geometry = GEOMETRIES[name]
    search = search_of(geometry)
    matrix = euler_matrices(np.array([[30.0, 70.0, 110.0]]))[0]
    stretch = np.reshape(geometry.magnification, (2, 2))
    picture = phantom.image(matrix, (geometry.box, geometry.pixel_size_A), PIXEL_A, stretch)

    those, pose = small.particles(1), small.poses_at(np.zeros((1, 3)), np.zeros((1, 2)))
    batch = make_batch(picture[None].astype(np.float32), np.array([0]), those, pose, search)
    prepared = prepare_images(batch, those, search)

    precision = 1.0 / search.model.noise_variance[0, 0]
    found = prepared.summed.unmasked.view(np.complex64)[0, : len(search.disc)] / precision
    expected = truth(search, matrix)
    # What lies beyond the Nyquist frequency of the coarser pixels folds back.
    assert np.abs(found - expected).max() < 2e-3 * np.abs(expected).max()


@each
def test_the_grid_of_the_images_changes_neither_pose_nor_evidence_nor_weight(name: str) -> None:
    of_grid = {}
    matrix = euler_matrices(np.array([[22.0, 63.0, 15.0]]))[0]
    for key in (name, "own grid"):
        geometry = GEOMETRIES[key]
        search = search_of(geometry, noise=20.0 * geometry.model_pixel_size_A)
        stretch = np.reshape(geometry.magnification, (2, 2))
        grid = geometry.box, geometry.pixel_size_A
        picture = phantom.image(matrix, grid, PIXEL_A, stretch).astype(np.float32)
        # The same noise in a square ångström: a smaller pixel has more of it.
        per_pixel = 80.0 / geometry.pixel_size_A
        variance = 0.5 * per_pixel**2 * geometry.unit**2 * geometry.box**2
        known = replace(search.model, noise_variance=np.full((1, BOX // 2 + 1), variance))
        made = small.search(known, search.plan, make_kernels())
        of_grid[key] = run(picture[None], made)
    (found, weight), (expected, own_weight) = of_grid[name], of_grid["own grid"]

    np.testing.assert_allclose(found.angles_deg, expected.angles_deg, atol=1e-9)
    np.testing.assert_allclose(found.offset_A, expected.offset_A, atol=1e-9)
    # The disc holds whole pixels: a few per cent more or fewer of a coarser grid.
    np.testing.assert_allclose(weight, own_weight, rtol=0.1)
    assert abs(found.n_significant[0] - expected.n_significant[0]) <= 0.1 * expected.n_significant


def run(pictures: Array, search: Search) -> tuple[UnitResult, float]:
    those = small.particles(len(pictures))
    workspace, sums = Workspace(search), search.zero_sums()
    poses = small.poses_at(np.zeros((len(pictures), 3)), np.zeros((len(pictures), 2)))
    found = run_unit(pictures, np.arange(len(pictures)), those, poses, search, workspace)
    weight = float(workspace.grid.values[0, 2::3].sum())
    workspace.add_to(sums)
    return found, weight


def test_relions_numbers_of_the_remap() -> None:
    geometry = ImageGeometry(200, 1.5, 256, 1.0)

    assert geometry.scale == 1.0 / 1.171875
    assert geometry.window(100) == 118
    assert geometry.model_shell(np.array([10]), np.array([0]))[0] == 9


def test_the_disc_of_the_map_s_own_grid_has_its_shells() -> None:
    for size, box in ((16, 24), (24, 24)):
        plain = ImageGeometry.plain(box, 1.7)
        disc = make_disc(size, 8, plain)
        square = disc.kx**2 + disc.ky**2
        assert square.max() == (size // 2) ** 2
        np.testing.assert_array_equal(disc.shell, shells_2d(box)[disc.ky, disc.kx])
        np.testing.assert_array_equal(plain.pixels_per_shell(), pixels_per_shell(box))


@each
def test_no_pixel_of_the_disc_lies_outside_the_sphere(name: str) -> None:
    geometry = GEOMETRIES[name]
    disc = make_disc(BOX, 8, geometry)

    assert geometry.model_square(disc.kx, disc.ky).max() <= (BOX // 2) ** 2 * (1 + 1e-6)
    assert disc.shell.max() <= BOX // 2
    assert (disc.kx**2 + disc.ky**2).max() <= (geometry.box // 2) ** 2


@each
def test_white_noise_is_white_on_the_shells_of_the_map(name: str) -> None:
    geometry = GEOMETRIES[name]
    rng = np.random.default_rng(2)
    images = rng.standard_normal((400, geometry.box, geometry.box))

    spectrum = image_spectrum(images, geometry).mean(axis=0)

    counted = geometry.pixels_per_shell() > 0
    counted[0] = False  # a single pixel
    expected = geometry.unit**2 * geometry.box**2
    # A shell has 4 pixels or more, and there are 400 images: 2.5 %, times three.
    np.testing.assert_allclose(spectrum[counted], expected, rtol=0.08)
    assert np.all(spectrum[geometry.pixels_per_shell() == 0] == 0.0)


@pytest.mark.parametrize("name", ["own grid", "finer pixels", "larger box"])
def test_the_sum_of_images_is_brought_to_the_grid_of_the_map(name: str) -> None:
    geometry = GEOMETRIES[name]
    matrix = euler_matrices(np.array([[30.0, 70.0, 110.0]]))[0]
    picture = phantom.image(matrix, (geometry.box, geometry.pixel_size_A), PIXEL_A)

    found = on_map_grid(picture, geometry)

    expected = phantom.image(matrix, (BOX, PIXEL_A), PIXEL_A)
    # What lies beyond the Nyquist frequency of the coarser pixels folds back.
    assert np.abs(found - expected).max() < 2e-3 * expected.max()


def test_power_is_counted_up_to_the_last_shell_of_the_image_and_of_the_map() -> None:
    coarse = counted_shells(16, GEOMETRIES["coarser pixels"])
    fine = counted_shells(16, GEOMETRIES["finer pixels"])

    assert coarse.max() == 10  # 20 px of 5 Å end there
    assert fine.max() == BOX // 2 + 1  # all that is beyond the map
    # All but the half line, and (1, -8) and (2, -8): the window has the row ky = 8 only.
    disc = shells_2d(32) <= 16
    assert np.count_nonzero(fine >= 0) == np.count_nonzero(disc) - 15 - 2


def test_groups_of_equal_geometry_share_it() -> None:
    one = Optics("a", 300.0, 2.7, 0.1, 1.2, 64)
    groups = (one, replace(one, name="b", voltage_kV=200.0), replace(one, box=48), one)

    found, index = geometries(groups, np.array([0, 1, 2, 2]))

    assert found == (ImageGeometry.plain(64, 1.2), ImageGeometry(48, 1.2, 64, 1.2))
    np.testing.assert_array_equal(index, [0, 0, 1, 0])


@each
def test_accuracies_do_not_depend_on_the_grid(name: str) -> None:
    def accuracy(geometry: ImageGeometry) -> Accuracy:
        those, poses = small.particles(20), small.poses_at(ANGLES, np.zeros((20, 2)))
        variance = 2.0 * geometry.unit**2 * geometry.box**2 / geometry.pixel_size_A**2
        known = small.model(phantom.density(BOX, PIXEL_A)[None], GLOBAL, 1.0)
        known = replace(known, noise_variance=np.full((1, BOX // 2 + 1), 2.0 * variance))
        rules = TrialRules(16, 1, None), geometry
        trials = make_trials(those, poses, np.arange(20), known, rules)
        reference = fourier_reference(known.maps[0], 16, 2.0)
        return expected_accuracy((trials,), (reference,), np.ones(1), make_kernels())

    found, expected = accuracy(GEOMETRIES[name]), accuracy(GEOMETRIES["own grid"])

    # The steps that are tried are 10 to 20 % apart.
    assert found.best_rotation_deg == pytest.approx(expected.best_rotation_deg, rel=0.1)
    assert found.best_translation_A == pytest.approx(expected.best_translation_A, rel=0.15)
    assert 0.3 < expected.best_rotation_deg < 20.0


ANGLES = np.random.default_rng(8).uniform(10.0, 170.0, (20, 3))
