"""Every image is read, and a mended stack is written."""

from pathlib import Path

import numpy as np

from halfmap.io.mrc import write_stack
from halfmap.io.stacks import ImageSource
from halfmap.steps.normalisation import background

from .conftest import BOX, PARTICLES, PIXEL_A, N, Project

RADIUS_PX = 0.375 * BOX


def images_of(path: str, n: int) -> np.ndarray:
    return ImageSource((path,)).read(np.zeros(n, int), np.arange(n), BOX)


def test_bad_images_are_found_only_when_they_are_read(project: Project) -> None:
    stored = np.memmap("s.mrcs", "<f4", "r+", 1024, project.images.shape)
    stored[1, 0, 0] = np.nan
    stored[3] = 7.0
    stored.flush()

    assert "bad" not in project.check().out
    said, particles, _ = project.fix("--deep")

    assert "1 images are bad: pixels are NaN, infinite or beyond 1e15 in row 2" in said.out
    assert "1 images are bad: all pixels are equal in row 4" in said.out
    kept = [PARTICLES["rlnImageName"][k] for k in (0, 2, 4, 5)]
    assert particles["rlnImageName"].tolist() == kept
    assert not Path("fixed.mrcs").exists()


def test_images_that_are_not_normalised_are_written_anew(project: Project) -> None:
    project.images[2:4] = 30.0 + 5.0 * project.images[2:4]
    write_stack(Path("s.mrcs"), project.images, PIXEL_A)
    before = Path("s.mrcs").read_bytes()

    said, particles, _ = project.fix("--deep")

    assert "2 images are not normalised" in said.out
    assert Path("s.mrcs").read_bytes() == before
    names = [f"{k + 1:06d}@fixed.mrcs" for k in range(N)]
    assert particles["rlnImageName"].tolist() == names
    assert particles["rlnImageOriginalName"].tolist() == PARTICLES["rlnImageName"]
    written = images_of("fixed.mrcs", N)
    outside = background(written, RADIUS_PX)
    # float32: 1e-7 of the values, summed over a hundred pixels.
    np.testing.assert_allclose(outside.mean[2:4], 0.0, atol=1e-5)
    np.testing.assert_allclose(outside.std[2:4], 1.0, atol=1e-5)
    np.testing.assert_array_equal(written[[0, 1, 4, 5]], project.images[[0, 1, 4, 5]])


def test_the_diameter_says_what_is_background(project: Project) -> None:
    y, x = np.indices((BOX, BOX)) - BOX // 2
    project.images[:, np.hypot(x, y) < 5] += 40.0
    write_stack(Path("s.mrcs"), project.images, PIXEL_A)

    assert "not normalised" not in project.check("--deep", "--particle_diameter", 20).out
    assert "6 images are not normalised" in project.check("--deep", "--particle_diameter", 8).out


def test_dark_images_become_bright_ones(project: Project) -> None:
    said, particles, _ = project.fix("--deep", "--dark")

    assert "rlnCtfScalefactor is multiplied by -1" in said.out
    np.testing.assert_array_equal(images_of("fixed.mrcs", N), -project.images)
    assert [float(v) for v in particles["rlnCtfScalefactor"]] == [1.0] * N


def test_dark_images_that_are_not_read_get_a_ctf_of_the_other_sign(project: Project) -> None:
    _, particles, _ = project.fix("--dark")

    assert [float(v) for v in particles["rlnCtfScalefactor"]] == [-1.0] * N
    assert particles["rlnImageName"].tolist() == PARTICLES["rlnImageName"]


def test_particles_that_look_dark_are_mentioned(project: Project) -> None:
    y, x = np.indices((BOX, BOX)) - BOX // 2
    dark = project.images.copy()
    dark[:, np.hypot(x, y) < 4] -= 2.0
    write_stack(Path("s.mrcs"), dark, PIXEL_A)

    assert "the particles look dark" in project.check("--deep").out
    assert "the particles look dark" not in project.check("--deep", "--dark").out


def test_hot_pixels_and_odd_images_are_mentioned(project: Project) -> None:
    project.images[0, 8, 8] = 50.0
    project.images[4] *= 1.8
    write_stack(Path("s.mrcs"), project.images, PIXEL_A)

    said = project.check("--deep")

    assert said.code == 0
    assert "1 images have a pixel more than 12 deviations from the mean (up to" in said.out
    assert "from the mean (up to 5" in said.out
    assert "1 images have a contrast unlike the others in row 5" in said.out


def test_images_are_not_read_while_the_table_is_wrong(project: Project) -> None:
    project.write({"rlnDefocusU": None})

    assert "the images were not read: solve the problems first" in project.check("--deep").out


def test_images_of_two_boxes_go_into_two_stacks(project: Project) -> None:
    rng = np.random.default_rng(1)
    write_stack(Path("t.mrcs"), 9 + rng.normal(size=(2, 8, 8)), 4.0)
    project.write(
        {
            "rlnImageName": [*PARTICLES["rlnImageName"][:4], "1@t.mrcs", "2@t.mrcs"],
            "rlnOpticsGroup": [1, 1, 1, 1, 2, 2],
        },
        {
            **{k: [v, v] for k, v in (("rlnVoltage", 300.0), ("rlnSphericalAberration", 2.7))},
            "rlnOpticsGroup": [1, 2],
            "rlnOpticsGroupName": ["a", "b"],
            "rlnAmplitudeContrast": [0.1, 0.1],
            "rlnImagePixelSize": [2.0, 4.0],
            "rlnImageSize": [BOX, 8],
            "rlnImageDimensionality": [2, 2],
        },
    )

    _, particles, _ = project.fix("--deep")

    assert particles["rlnImageName"].tolist() == [
        *(f"{k + 1:06d}@fixed_16.mrcs" for k in range(4)),
        *(f"{k + 1:06d}@fixed_8.mrcs" for k in range(2)),
    ]
