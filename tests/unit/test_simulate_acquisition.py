from dataclasses import replace

import numpy as np
import pytest

from halfmap.model.optics import Optics
from halfmap.model.particles import Particles
from halfmap.model.rotations import direction_vectors
from halfmap.steps.acquisition import (
    Session,
    draw_intensities,
    draw_particles,
    draw_poses,
    optics_groups,
)

SESSION = Session(
    microscope=Optics("opticsGroup1", 300.0, 2.7, 0.1, 3.0, 64),
    n_optics_groups=2,
    n_micrographs=7,
    defocus_range_A=(8_000.0, 20_000.0),
    astigmatism_A=300.0,
    scale_sigma=0.2,
    norm_sigma=0.0,
)


@pytest.fixture
def particles() -> Particles:
    return draw_particles(SESSION, 101, "sim/particles.mrcs", seed=3)


def test_the_table_is_sorted_by_micrograph_as_every_reader_sorts_it(particles: Particles) -> None:
    names = [particles.scale_groups[i] for i in particles.scale_group]

    assert names == sorted(names)
    assert len(set(names)) == 7
    assert particles.name(0) == "000001@sim/particles.mrcs"


def test_a_micrograph_has_one_optics_group_and_one_astigmatism(particles: Particles) -> None:
    defocus = particles.defocus
    for micrograph in range(7):
        own = particles.scale_group == micrograph
        assert len(set(particles.optics_group[own])) == 1
        assert len(set(defocus.angle_deg[own])) == 1
        np.testing.assert_allclose(np.ptp((defocus.u_A - defocus.v_A)[own]), 0.0, atol=1e-6)
    assert set(particles.optics_group) == {0, 1}


def test_defocus_keeps_to_its_range_but_for_the_thickness_of_the_ice(particles: Particles) -> None:
    mean = (particles.defocus.u_A + particles.defocus.v_A) / 2

    assert mean.min() > 8_000.0 - 5 * 150.0
    assert mean.max() < 20_000.0 + 5 * 150.0
    assert (particles.defocus.u_A >= particles.defocus.v_A).all()


def test_the_halves_are_equal_up_to_one(particles: Particles) -> None:
    assert sorted(np.bincount(particles.half)) == [50, 51]


def test_optics_groups_differ_first_in_contrast_then_in_voltage_then_in_aberration() -> None:
    groups = optics_groups(replace(SESSION, n_optics_groups=5))

    assert [g.name for g in groups] == [f"opticsGroup{i}" for i in range(1, 6)]
    assert [g.voltage_kV for g in groups] == [300, 300, 200, 200, 300]
    np.testing.assert_allclose([g.amplitude_contrast for g in groups], [0.1, 0.07] * 2 + [0.1])
    np.testing.assert_allclose([g.spherical_aberration_mm for g in groups], [2.7] * 4 + [2.6])


def test_orientations_are_uniform_over_all_rotations() -> None:
    poses = draw_poses(4_000, offset_sigma_A=4.0, seed=1)

    z = np.sort(direction_vectors(poses.angles_deg)[:, 2])
    uniform = np.linspace(-1.0, 1.0, len(z))
    # Kolmogorov-Smirnov: 1.63 / sqrt(n) is the 1 % point; z spans 2.
    assert np.abs(z - uniform).max() < 2 * 1.63 / np.sqrt(4_000)
    for angle in (0, 2):
        mean = np.exp(1j * np.deg2rad(poses.angles_deg[:, angle])).mean()
        assert abs(mean) < 0.05
    assert poses.offset_A.std() == pytest.approx(4.0, rel=0.05)


def test_the_mean_scale_of_the_particles_is_one(particles: Particles) -> None:
    scale, norm = draw_intensities(SESSION, particles, seed=3)

    assert scale[particles.scale_group].mean() == pytest.approx(1.0)
    assert np.ptp(scale) > 0.1
    np.testing.assert_array_equal(norm, 1.0)


def test_what_is_drawn_does_not_change_with_what_else_is_drawn(particles: Particles) -> None:
    other = replace(SESSION, n_optics_groups=1, scale_sigma=0.0, astigmatism_A=0.0)

    again = draw_particles(other, 101, "sim/particles.mrcs", seed=3)

    np.testing.assert_array_equal(again.half, particles.half)
    mean, mean_again = ((p.defocus.u_A + p.defocus.v_A) / 2 for p in (particles, again))
    np.testing.assert_allclose(mean_again, mean)
