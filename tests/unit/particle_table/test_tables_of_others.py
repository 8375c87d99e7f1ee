"""Tables of RELION 3.0, of real data sets, and of something else."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.errors import DataError
from halfmap.io.data_star import write_data_star
from halfmap.io.mrc import write_stack
from halfmap.io.particle_table import read_particles
from halfmap.io.star import write_star

OLD = {
    "rlnImageName": ["1@s.mrcs", "2@s.mrcs", "3@s.mrcs"],
    "rlnVoltage": [300, 200, 300],
    "rlnSphericalAberration": [2.7, 2.7, 2.7],
    "rlnAmplitudeContrast": [0.1, 0.1, 0.1],
    "rlnDetectorPixelSize": [5.0, 5.0, 5.0],
    "rlnMagnification": [38168.0, 38168.0, 38168.0],
    "rlnDefocusU": [10000.0, 11000.0, 12000.0],
    "rlnOriginX": [2.0, 0.0, -1.0],
}


def read_old(tmp_path: Path, **changed):
    write_stack(tmp_path / "s.mrcs", np.zeros((3, 8, 8)), 1.5)
    columns = {k: v for k, v in (OLD | changed).items() if v is not None}
    write_star(tmp_path / "old.star", {"images": columns})
    return read_particles(tmp_path / "old.star", ctf=True, half_seed=None)


def test_a_table_of_relion_3_0_gets_optics_groups(tmp_path: Path) -> None:
    particles, poses, table = read_old(tmp_path)

    pixel_A = 10_000 * 5.0 / 38168.0
    assert [o.voltage_kV for o in particles.optics] == [300.0, 200.0]
    assert [o.pixel_size_A for o in particles.optics] == [pixel_A, pixel_A]
    assert [o.box for o in particles.optics] == [8, 8]
    assert particles.optics_group.tolist() == [0, 1, 0]
    assert poses.offset_A[:, 0].tolist() == [2 * pixel_A, 0.0, -pixel_A]
    assert list(table.particles) == [
        "rlnImageName",
        "rlnDefocusU",
        "rlnOriginXAngst",
        "rlnOpticsGroup",
    ]


def test_a_converted_table_is_read_again_to_the_last_bit(tmp_path: Path) -> None:
    # A run that is continued must see the pixel size that it began with.
    particles, poses, table = read_old(tmp_path)
    write_data_star(tmp_path / "data.star", particles, poses, table)

    again, _, _ = read_particles(tmp_path / "data.star", ctf=True, half_seed=None)

    assert again.optics == particles.optics


def test_a_magnification_of_zero_is_no_pixel_size(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rlnImagePixelSize is 0\.0 in rows 1, 2; expected Å"):
        read_old(tmp_path, rlnMagnification=[0.0, 0.0, 0.0])


def test_a_new_table_without_its_optics_is_explained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="rlnOpticsGroup in data_images but no table data_optics"):
        read_old(tmp_path, rlnOpticsGroup=[1, 1, 1])


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("postprocess", "no rlnImageName in data_fsc"),
        ("two_basic_blocks", "has no table; expected data_optics and data_particles"),
        ("rln3.1_data_style", "rlnOpticsGroup in data_block_1 but no table data_optics"),
    ],
)
def test_a_table_of_something_else_is_explained(shared: Path, name: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        read_particles(shared / f"data/tables/{name}.star", ctf=True, half_seed=1)


def test_aberrations_of_real_tables_are_read(shared: Path) -> None:
    name = "data/tables/relion31.6opticsgroups.star"
    particles, _, _ = read_particles(shared / name, ctf=True, half_seed=None)

    first = particles.optics[0]
    assert len(particles.optics) == 6
    assert first.magnification == (1.011472, 0.004231, 0.00456, 1.008858)
    assert first.aberrations.beam_tilt_mrad == (0.657334, 0.884982)
    assert first.aberrations.odd[5] == 3.56183614819
    assert len(first.aberrations.even) == 9


@pytest.mark.parametrize(
    ("name", "n", "pixel_A", "box"),
    [
        ("empiar_10076/empiar_10076_7.star", 7, 1.3099979, 320),
        ("real_betagal/betagal_box80.star", 116, 3.415102, 80),
        ("trpv1/trpv1_small_stack.star", 10, 4.88, 48),
        ("tables/relion31.star", 5, 2.806, 256),
    ],
)
def test_real_tables_are_read(shared: Path, name: str, n: int, pixel_A: float, box: int) -> None:
    particles, _, _ = read_particles(shared / "data" / name, ctf=True, half_seed=None)

    assert len(particles) == n
    assert particles.optics[0].pixel_size_A == pytest.approx(pixel_A)
    assert particles.optics[0].box == box
