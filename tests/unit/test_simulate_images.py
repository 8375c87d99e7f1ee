from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import starfile
from numpy import ndarray as Array

from halfmap.model.image_noise import WHITE, noise_amplitude
from halfmap.model.optics import Defocus, Optics
from halfmap.model.particles import Particles, Poses
from halfmap.model.spline_projection import SplineTransform, spline_transform
from halfmap.steps.acquisition import Session, draw_intensities, draw_particles, draw_poses
from halfmap.steps.simulate_images import (
    ImageFormation,
    background_pixels,
    signal_images,
    signal_variance,
    simulated_images,
)

BOX, PIXEL_A, N = 32, 4.0, 60
SESSION = Session(
    microscope=Optics("opticsGroup1", 300.0, 2.7, 0.1, PIXEL_A, BOX),
    n_optics_groups=2,
    n_micrographs=4,
    defocus_range_A=(8_000.0, 20_000.0),
    astigmatism_A=300.0,
    scale_sigma=0.3,
    norm_sigma=0.2,
)


@pytest.fixture
def volume(rng: np.random.Generator) -> Array:
    """Noise within 0.6 of the box."""
    axis = np.arange(BOX) - BOX // 2
    inside = axis**2 + axis[:, None] ** 2 + axis[:, None, None] ** 2 < (0.3 * BOX) ** 2
    return (rng.normal(size=(BOX,) * 3) * inside).astype(np.float32)


@pytest.fixture
def formation(volume: Array) -> ImageFormation:
    particles = draw_particles(SESSION, N, "p.mrcs", seed=1)
    scale, norm = draw_intensities(SESSION, particles, seed=1)
    return ImageFormation(
        reference=spline_transform(volume),
        particles=particles,
        poses=draw_poses(N, 5.0, seed=1),
        group_scale=scale,
        norm=norm,
        noise_amplitude=noise_amplitude(WHITE, BOX, PIXEL_A),
        background=background_pixels(BOX, PIXEL_A, 0.7 * BOX * PIXEL_A),
        seed=1,
    )


def test_the_background_is_what_lies_outside_the_circle() -> None:
    background = background_pixels(16, 2.0, particle_diameter_A=16.0)

    assert not background[8, 12]
    assert background[8, 13]
    assert background[0, 0]


def test_the_background_of_an_image_has_mean_zero_and_its_deviation_is_its_norm(
    formation: ImageFormation,
) -> None:
    images, _ = simulated_images(formation, np.arange(N), gain=0.1)

    outside = images[:, formation.background].astype(np.float64)
    np.testing.assert_allclose(outside.mean(axis=1), 0.0, atol=1e-6)
    np.testing.assert_allclose(outside.std(axis=1), formation.norm, rtol=1e-5)


def test_an_image_is_factor_times_signal_plus_noise(formation: ImageFormation) -> None:
    rows = np.arange(N)

    images, factor = simulated_images(formation, rows, gain=0.5)
    noise, noise_factor = simulated_images(formation, rows, gain=0.0)

    signal = images / factor[:, None, None] - noise / noise_factor[:, None, None]
    expected = 0.5 * signal_images(formation, rows)
    # The mean of the background was taken out of each.
    difference = signal - expected
    difference -= difference.mean(axis=(1, 2), keepdims=True)
    assert np.abs(difference).max() < 1e-5 * np.abs(expected).max()


def test_an_image_does_not_depend_on_its_batch(formation: ImageFormation) -> None:
    together, _ = simulated_images(formation, np.arange(N), gain=0.1)
    alone, _ = simulated_images(formation, np.array([41]), gain=0.1)

    np.testing.assert_array_equal(together[41], alone[0])


def test_no_two_images_share_their_noise(formation: ImageFormation) -> None:
    images, _ = simulated_images(formation, np.arange(N), gain=0.0)

    correlation = np.corrcoef(images.reshape(N, -1)) - np.eye(N)
    # 1,770 pairs of 1,024 independent pixels: 1/32 each, hardly ever beyond five times that.
    assert np.abs(correlation).max() < 5 / 32


def test_the_particle_stands_at_minus_its_offset(formation: ImageFormation) -> None:
    point = np.zeros((BOX,) * 3, np.float32)
    point[BOX // 2, BOX // 2, BOX // 2] = 1.0
    offset_A = np.tile([5 * PIXEL_A, -3 * PIXEL_A], (N, 1))
    poses = replace(formation.poses, offset_A=offset_A)

    images = signal_images(
        replace(formation, reference=spline_transform(point), poses=poses), np.arange(N)
    )

    # The CTF spreads the point, evenly to all sides.
    power = images**2
    y, x = np.mgrid[:BOX, :BOX] - BOX // 2
    centre_x = (power * x).sum(axis=(1, 2)) / power.sum(axis=(1, 2))
    centre_y = (power * y).sum(axis=(1, 2)) / power.sum(axis=(1, 2))
    # Fringes that leave the box come back on the other side, hence half a pixel.
    np.testing.assert_allclose(np.median(centre_x), -5.0, atol=0.5)
    np.testing.assert_allclose(np.median(centre_y), 3.0, atol=0.5)


def test_images_of_one_pose_differ_by_the_scale_of_their_micrograph(
    formation: ImageFormation,
) -> None:
    flat = replace(
        formation,
        poses=replace(formation.poses, angles_deg=np.zeros((N, 3)), offset_A=np.zeros((N, 2))),
        particles=replace(
            formation.particles,
            optics_group=np.zeros(N, int),
            defocus=formation.particles.defocus[np.zeros(N, int)],
        ),
    )

    variance = signal_variance(signal_images(flat, np.arange(N)), formation.background)

    scale = formation.group_scale[formation.particles.scale_group]
    np.testing.assert_allclose(variance / variance[0], (scale / scale[0]) ** 2)


def real_particles(shared: Path) -> tuple[Array, ImageFormation]:
    """Ten particles of TRPV1, and what makes images of their map with their refined poses."""
    folder = shared / "data" / "trpv1"
    volume = mrcfile.read(folder / "trpv1_volume.mrc")
    images = mrcfile.read(folder / "trpv1_small_stack.mrcs")
    table = starfile.read(folder / "trpv1_small_stack.star")["particles"]
    n, box, zeros = len(images), images.shape[-1], np.zeros(len(images))
    angles, origins, defoci = (
        table[list(columns)].to_numpy()
        for columns in (
            ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"),
            ("rlnOriginXAngst", "rlnOriginYAngst"),
            ("rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle"),
        )
    )
    defocus = Defocus(*defoci.T, zeros, zeros, np.ones(n))
    index = np.zeros(n, int)
    optics = (Optics("opticsGroup7", 300.0, 2.0, 0.1, 4.88, box),)
    particles = Particles(("s",), index, np.arange(n), optics, index, ("m",), index, index, defocus)
    poses = replace(Poses.unknown(n), angles_deg=angles, offset_A=origins)
    return images, ImageFormation(
        reference=spline_transform(volume),
        particles=particles,
        poses=poses,
        group_scale=np.ones(1),
        norm=np.ones(n),
        noise_amplitude=noise_amplitude(WHITE, box, 4.88),
        background=background_pixels(box, 4.88, box * 4.88),
        seed=0,
    )


def correlations(images: Array, formation: ImageFormation) -> Array:
    inside = ~formation.background
    signal = signal_images(formation, np.arange(len(images)))
    pairs = zip(images[:, inside], signal[:, inside], strict=True)
    return np.array([np.corrcoef(image, model)[0, 1] for image, model in pairs])


def test_real_particles_correlate_with_their_projections(shared: Path) -> None:
    found = correlations(*real_particles(shared))

    # The data say: +0.14 to +0.22 with every convention right; random poses give 0.07.
    assert found.min() > 0.14
    assert found.mean() > 0.19


@pytest.mark.parametrize("wrong", ["offset", "rot", "psi", "hand", "defocus"])
def test_real_particles_do_not_correlate_when_a_convention_is_turned(
    shared: Path, wrong: str
) -> None:
    images, formation = real_particles(shared)
    right = correlations(images, formation).mean()
    poses, particles = formation.poses, formation.particles
    turned = {
        "offset": replace(formation, poses=replace(poses, offset_A=-poses.offset_A)),
        "rot": replace(formation, poses=replace(poses, angles_deg=poses.angles_deg * [-1, 1, 1])),
        "psi": replace(formation, poses=replace(poses, angles_deg=poses.angles_deg * [1, 1, -1])),
        "hand": replace(formation, reference=mirrored(shared)),
        "defocus": replace(
            formation,
            particles=replace(
                particles,
                defocus=replace(
                    particles.defocus, u_A=-particles.defocus.u_A, v_A=-particles.defocus.v_A
                ),
            ),
        ),
    }

    assert correlations(images, turned[wrong]).mean() < 0.8 * right


def mirrored(shared: Path) -> SplineTransform:
    volume = mrcfile.read(shared / "data" / "trpv1" / "trpv1_volume.mrc")
    return spline_transform(np.roll(volume[::-1], 1, axis=0))
