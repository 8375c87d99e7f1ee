"""What a number of one format means in the other."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import map_coordinates, shift

from halfmap.errors import DataError
from halfmap.io.cryosparc.files import write_cs
from halfmap.io.cryosparc.to_cs import fields_of
from halfmap.io.cryosparc.to_star import BLOCK, read_cs_as_star
from halfmap.io.mrc import read_header, read_map
from halfmap.io.particle_table import particles_of, read_particles
from halfmap.io.stacks import ImageSource
from halfmap.io.star import read_star
from halfmap.model.rotations import euler_matrices

from .conversion import small_fields


def read_fields(tmp_path: Path, *, ctf: bool = True, **changed: np.ndarray):
    untilted = np.zeros((4, 2), "<f4")
    write_cs(tmp_path / "a.cs", small_fields(ctf__tilt_A=untilted, **changed))
    return read_particles(tmp_path / "a.cs", ctf=ctf, half_seed=1)


def rotation_about(vector: np.ndarray) -> np.ndarray:
    """Return the matrix that turns by |vector| about it (Rodrigues), written out."""
    angle = float(np.linalg.norm(vector))
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def test_the_pose_is_the_vector_whose_rotation_is_the_transposed_matrix(tmp_path: Path) -> None:
    _, poses, _ = read_fields(tmp_path)

    expected = [rotation_about(v).T for v in small_fields()["alignments3D/pose"].astype(float)]
    # Angles are written in single precision: 1e-7 of 180 degrees.
    np.testing.assert_allclose(euler_matrices(poses.angles_deg), expected, atol=1e-6)


def test_the_shift_is_that_of_relion_in_pixels_of_the_alignment(tmp_path: Path) -> None:
    _, poses, _ = read_fields(tmp_path)

    expected = 2.6 * small_fields()["alignments3D/shift"].astype(float)
    np.testing.assert_allclose(poses.offset_A, expected, rtol=1e-6)


def test_without_3d_alignment_psi_and_shift_are_those_of_the_2d_alignment(tmp_path: Path) -> None:
    flat = {k: v for k, v in small_fields().items() if not k.startswith("alignments3D")}
    n = len(flat["uid"])
    flat["alignments2D/pose"] = np.full(n, 0.5, "<f4")
    flat["alignments2D/shift"] = np.full((n, 2), 2.0, "<f4")
    flat["alignments2D/psize_A"] = np.full(n, 1.3, "<f4")
    flat["ctf/tilt_A"] = np.zeros((n, 2), "<f4")
    flat["alignments2D/class"] = np.full(n, 11, "<u4")
    write_cs(tmp_path / "a.cs", flat)

    _, poses, _ = read_particles(tmp_path / "a.cs", ctf=True, half_seed=None)

    np.testing.assert_allclose(poses.angles_deg, [[0.0, 0.0, np.degrees(0.5)]] * n, rtol=1e-6)
    np.testing.assert_allclose(poses.offset_A, 2.6, rtol=1e-6)
    assert poses.class_index.tolist() == [11] * n


def test_halves_and_classes_count_from_zero(tmp_path: Path) -> None:
    particles, poses, _ = read_fields(tmp_path)

    assert particles.half.tolist() == [0, 1, 0, 1]
    assert poses.class_index.tolist() == [0, 0, 0, 0]


def test_each_exposure_group_is_an_optics_group(tmp_path: Path) -> None:
    star = read_cs_as_star(_written(tmp_path, small_fields()))

    optics = star.tables["optics"]
    assert optics["rlnOpticsGroupName"].tolist() == ["opticsGroup7", "opticsGroup9"]
    assert star.tables["particles"]["rlnOpticsGroup"].tolist() == ["1", "1", "2", "2"]
    # 0.1 mrad of 2.7 mm are 2700 Å
    assert float(optics["rlnBeamTiltX"][0]) == pytest.approx(0.1, rel=1e-6)
    matrix = [float(optics[f"rlnMagMat{k}"][0]) for k in ("00", "01", "10", "11")]
    assert matrix == pytest.approx([1.01, 0.002, 0.003, 0.99], rel=1e-6)


def _written(tmp_path: Path, fields) -> Path:
    write_cs(tmp_path / "a.cs", fields)
    return tmp_path / "a.cs"


def test_an_exposure_group_of_two_voltages_becomes_two_optics_groups(tmp_path: Path) -> None:
    voltage = np.array([300.0, 200.0, 300.0, 300.0], "<f4")
    star = read_cs_as_star(_written(tmp_path, small_fields(ctf__accel_kv=voltage)))

    names = star.tables["optics"]["rlnOpticsGroupName"].tolist()
    assert names == ["opticsGroup7_1", "opticsGroup7_2", "opticsGroup9"]


def test_dark_particles_have_a_ctf_of_the_other_sign(tmp_path: Path) -> None:
    particles, _, _ = read_fields(tmp_path)

    assert particles.defocus.scale.tolist() == [-1.0] * 4


def test_a_ctf_of_the_other_sign_is_a_dark_particle(tmp_path: Path) -> None:
    star = read_cs_as_star(_written(tmp_path, small_fields()))
    del star.tables[BLOCK]
    star.tables["particles"]["rlnCtfScalefactor"][1] = "0.5"

    fields = fields_of(star)

    assert fields["blob/sign"].tolist() == [-1.0, 1.0, -1.0, -1.0]
    assert fields["ctf/scale"].tolist() == [1.0, 0.5, 1.0, 1.0]


def test_numbers_that_cryosparc_cannot_count_travel_as_text(tmp_path: Path) -> None:
    star = read_cs_as_star(_written(tmp_path, small_fields()))
    del star.tables[BLOCK]
    star.tables["particles"]["rlnImageName"][1] = "99999999999@a.mrcs"
    star.tables["particles"]["rlnClassNumber"][2] = "-7"

    write_cs(tmp_path / "b.cs", fields_of(star))

    after = read_cs_as_star(tmp_path / "b.cs").tables["particles"]
    assert after["rlnImageName"][1] == "99999999999@a.mrcs"
    assert after["rlnClassNumber"][2] == "-7"


def test_dark_particles_need_the_ctf_that_turns_them_over(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rlnCtfScalefactor is -1\.0 in rows 1, 2, 3, 4.*--ctf"):
        read_fields(tmp_path, ctf=False)


def test_a_set_says_the_same_as_star_and_as_cs(shared: Path) -> None:
    folder = shared / "data" / "empiar_10076"

    star, _, _ = read_particles(folder / "empiar_10076_7.star", ctf=True, half_seed=None)
    cs, _, _ = read_particles(folder / "empiar_10076_7.cs", ctf=True, half_seed=None)

    assert cs.stacks == star.stacks
    assert sorted(cs.slice) == sorted(star.slice)
    a, b = np.argsort(cs.slice), np.argsort(star.slice)
    for name in ("u_A", "v_A", "angle_deg", "phase_shift_deg"):
        # The .cs file has single precision.
        ours, theirs = getattr(cs.defocus, name)[a], getattr(star.defocus, name)[b]
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
    (o,), (p,) = cs.optics, star.optics
    assert (o.box, o.voltage_kV) == (p.box, p.voltage_kV)
    for name in ("pixel_size_A", "amplitude_contrast", "spherical_aberration_mm"):
        assert getattr(o, name) == pytest.approx(getattr(p, name), rel=1e-5)


def test_the_sign_says_that_real_particles_are_dark(shared: Path) -> None:
    particles, _, _ = read_particles(
        shared / "data" / "empiar_10076" / "empiar_10076_7.cs", ctf=True, half_seed=None
    )
    images = ImageSource(particles.stacks).read(particles.stack, particles.slice, 320)
    y, x = np.indices((320, 320)) - 160
    radius = np.hypot(x, y)

    contrast = images[:, radius < 60].mean(axis=1) - images[:, radius > 140].mean(axis=1)

    assert (contrast * particles.defocus.scale > 0).all()


def correlations(volume: np.ndarray, images: np.ndarray, poses, pixel_A: float) -> list[float]:
    """Return the correlation of each centred image with its projection, within a circle."""
    box = len(volume)
    z, y, x = np.indices(volume.shape) - box // 2
    inside = np.hypot(y[0], x[0]) < 0.4 * box
    found = []
    for image, matrix, offset_A in zip(
        images, euler_matrices(poses.angles_deg), poses.offset_A, strict=True
    ):
        # The density at r is seen at the first two components of A r.
        r = np.tensordot(matrix.T, np.stack([x, y, z]), axes=1)
        turned = map_coordinates(volume, r[::-1] + box // 2, order=1)
        centred = shift(image, offset_A[::-1] / pixel_A, order=1)
        found.append(np.corrcoef(turned.sum(axis=0)[inside], centred[inside])[0, 1])
    return found


def test_poses_that_went_through_cs_put_real_particles_onto_their_map(
    shared: Path, tmp_path: Path
) -> None:
    folder = shared / "data" / "trpv1"
    fields = fields_of(read_star(folder / "trpv1_small_stack.star"))
    only = {name: values for name, values in fields.items() if not name.startswith("star/")}
    star = read_cs_as_star(_written(tmp_path, only))
    _, poses, _ = particles_of(star, ctf=True, half_seed=None)
    stack = folder / "trpv1_small_stack.mrcs"
    images = ImageSource((str(stack),)).read(
        np.zeros(10, int), np.arange(read_header(stack).shape[0]), 48
    )
    volume, pixel_A = read_map(folder / "trpv1_volume.mrc")

    assert np.mean(correlations(volume, images, poses, pixel_A)) > 0.15
    wrong = type(poses)(
        **{name: getattr(poses, name) for name in poses.__slots__} | {"offset_A": -poses.offset_A}
    )
    assert np.mean(correlations(volume, images, wrong, pixel_A)) < 0.1
