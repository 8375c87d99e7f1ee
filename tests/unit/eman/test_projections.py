import os
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from halfmap.errors import DataError
from halfmap.io.eman.hdf_attributes import TRANSFORM_TYPE
from halfmap.io.eman.projections import open_projections
from halfmap.io.eman.tilt_angles import read_tilt_angles
from halfmap.io.eman.volumes import read_volume
from halfmap.io.mrc import read_map
from halfmap.model.eman_orientations import centring_shifts, eman_matrices, take_apart

TRANSFORM = np.array([(1, 0, 0, 2, 0, 1, 0, 3, 0, 0, 1, 0)], TRANSFORM_TYPE)


@pytest.fixture
def eman(shared: Path) -> Path:
    return shared / "golden/eman2"


def small_stack(path: Path, n: int = 2, **attributes: object) -> Path:
    """Write images of 6 x 4 px with some attributes, as HDF5's library does."""
    with h5py.File(path, "w") as file:
        for number in range(n):
            group = file.create_group(f"MDF/images/{number}")
            group["image"] = np.full((4, 6), number, np.float32)
            for name, value in {"xform.projection": TRANSFORM, **attributes}.items():
                group.attrs[f"EMAN.{name}"] = value
        file["MDF/images"].attrs["imageid_max"] = np.array([n - 1], np.int32)
    return path


def test_projections_of_eman_have_their_pixels_orientations_and_weights(eman: Path) -> None:
    source = open_projections(eman / "proj.hdf", tilt_stack=False)

    headers = source.headers()

    rows = np.loadtxt(eman / "proj_angles.txt")
    assert (len(source), source.image_shape, source.pixel_size_A) == (500, (64, 64), 2.0)
    assert not source.projection_convention
    # Matrices are stored in single precision, with six digits.
    found = take_apart(np.stack([h.transform for h in headers]))
    np.testing.assert_allclose(found.rotation, eman_matrices(rows[:, :3]), atol=2e-6)
    assert [h.ptcl_repr for h in headers] == rows[:, 6].tolist()
    np.testing.assert_allclose([h.class_qual for h in headers], rows[:, 7], atol=1e-6)
    assert headers[0].class_ssnr is not None
    assert headers[0].class_ssnr.shape == (33,)
    assert {h.model_id for h in headers} == {0, 1}
    images = source.read([499, 0])
    with h5py.File(eman / "proj.hdf") as file:
        for image, number in zip(images, (499, 0), strict=True):
            np.testing.assert_array_equal(image, file[f"MDF/images/{number}/image"][()])


def test_a_list_and_its_stack_show_the_same_images_moved_alike(eman: Path) -> None:
    listed = open_projections(eman / "proj_shift.lst", tilt_stack=False)
    stack = open_projections(eman / "proj_shift_center.hdf", tilt_stack=False)

    assert listed.projection_convention
    assert len(listed) == len(stack)
    shifts = [
        centring_shifts(
            take_apart(np.stack([h.transform for h in source.headers()])),
            source.projection_convention,
        )
        for source in (listed, stack)
    ]
    np.testing.assert_array_equal(*shifts)
    assert np.abs(shifts[0]).max() > 1.0
    np.testing.assert_array_equal(listed.read([3]), stack.read([3]))


def test_a_tilt_stack_is_the_same_in_mrc_and_hdf(eman: Path) -> None:
    mrc = open_projections(eman / "tilt.mrc", tilt_stack=True)
    hdf = open_projections(eman / "tilt.hdf", tilt_stack=True)

    assert len(mrc) == len(hdf) == len(read_tilt_angles(eman / "tilt.tlt"))
    assert mrc.pixel_size_A == pytest.approx(2.0)
    assert mrc.headers()[0].transform is None
    np.testing.assert_array_equal(mrc.read([5]), hdf.read([5]))


def test_maps_are_the_same_in_hdf_and_mrc(eman: Path) -> None:
    volume, pixel_size_A = read_volume(eman / "truth.hdf")

    np.testing.assert_array_equal(volume, read_map(eman / "truth.mrc")[0])
    assert pixel_size_A == 2.0
    np.testing.assert_array_equal(read_volume(eman / "truth.mrc")[0], volume)


def test_bits_stand_for_values_between_the_stored_limits(eman: Path) -> None:
    volume, _ = read_volume(eman / "rec_default10bits.hdf")

    exact, _ = read_volume(eman / "rec_gauss_var.hdf")
    with h5py.File(eman / "rec_default10bits.hdf") as file:
        said = file["MDF/images/0"].attrs
        low, high = float(said["EMAN.stored_rendermin"][0]), float(said["EMAN.stored_rendermax"][0])
    # Half a step of 10 bits, and that the weights of this run were not those of the exact one.
    assert np.abs(volume - np.clip(exact, low, high)).mean() < 3e-3
    assert volume.max() == pytest.approx(high, rel=1e-6)
    assert volume.min() == pytest.approx(low, rel=1e-6)


@pytest.mark.parametrize("packing", [{}, {"chunks": (1, 3, 5), "compression": 1}])
def test_a_map_is_a_tilt_stack_only_with_angles(tmp_path: Path, packing: dict) -> None:
    path = tmp_path / "map.hdf"
    sections = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    with h5py.File(path, "w") as file:
        file.create_dataset("MDF/images/0/image", data=sections, **packing)

    source = open_projections(path, tilt_stack=True)

    np.testing.assert_array_equal(source.read([2, 0]), sections[[2, 0]])
    with pytest.raises(DataError, match=r"5 x 4 x 3 voxels, expected images.*--tlt"):
        open_projections(path, tilt_stack=False)


@pytest.mark.parametrize("options", [{"chunks": (3, 4)}, {"chunks": (2, 4), "shuffle": True}, {}])
def test_packed_values_of_any_type_are_read(tmp_path: Path, options: dict) -> None:
    values = np.arange(-12, 12, dtype=">i2").reshape(4, 6)
    packed = {"compression": 4} if options else {}
    with h5py.File(tmp_path / "a.hdf", "w") as file:
        file.create_dataset("MDF/images/0/image", data=values, **packed, **options)

    source = open_projections(tmp_path / "a.hdf", tilt_stack=False)

    np.testing.assert_array_equal(source.read([0])[0], values)


def test_a_source_can_be_sent_to_another_rank(tmp_path: Path) -> None:
    source = open_projections(small_stack(tmp_path / "a.hdf"), tilt_stack=False)
    source.read([1])

    sent = pickle.loads(pickle.dumps(source))

    assert sent.read([1]).tolist() == source.read([1]).tolist()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ptcl_repr", "many", r"image 0 has ptcl_repr 'many', expected a number.*\n.*image 1"),
        ("class_qual", np.array([np.nan], np.float32), "class_qual nan, expected a number"),
        ("model_id", np.array([0.5]), r"model_id 0\.5, expected a whole number"),
        ("class_ssnr", np.array([1.0]), "class_ssnr .* at least two numbers"),
        ("xform.projection", np.arange(12.0), "xform.projection .* expected a 3 x 4 matrix"),
        ("xform.projection", np.zeros(1, TRANSFORM_TYPE), "expected a rotation"),
        ("xform.projection", np.array([(np.inf,) * 12], TRANSFORM_TYPE), "expected finite"),
        ("ptcl_repr", np.zeros((2, 2)), r"ptcl_repr unreadable \(float64 of shape \(2, 2\)\)"),
    ],
)
def test_broken_attributes_are_named(tmp_path: Path, name: str, value, message: str) -> None:
    path = small_stack(tmp_path / "a.hdf", **{name: value})

    with pytest.raises(DataError, match=message):
        open_projections(path, tilt_stack=False).headers()


def new_image(**options: object):
    """Replace image 1 by a dataset of other options."""

    def spoil(images: h5py.Group) -> None:
        del images["1/image"]
        images.create_dataset("1/image", **options)

    return spoil


def link_elsewhere(images: h5py.Group) -> None:
    del images["1"]
    images["1"] = h5py.ExternalLink("/etc/elsewhere.h5", "/")


def attribute(image: str, name: str, value: float, dtype: type = np.int32):
    return lambda images: images[image].attrs.__setitem__(name, np.array([value], dtype))


def endless_limits(images: h5py.Group) -> None:
    new_image(data=np.zeros((4, 6), np.uint8))(images)
    for name in ("renderbits", "rendermin"):
        attribute("1", f"EMAN.stored_{name}", 8)(images)
    attribute("1", "EMAN.stored_rendermax", np.inf, np.float32)(images)


SPOILT_INSIDE = {
    "promises more": attribute(".", "imageid_max", 7),
    "link": link_elsewhere,
    "huge": new_image(shape=(1 << 20, 1 << 20), dtype="f4", chunks=(1024, 1024)),
    "external": new_image(shape=(4, 6), dtype="f4", external=[("/etc/passwd", 0, 96)]),
    "text": new_image(data=np.full((4, 6), b"x")),
    "other size": new_image(data=np.zeros((4, 4), np.float32)),
    "filter": new_image(shape=(4, 6), dtype="f4", compression="lzf"),
    "transform": attribute("0", "EMAN.is_complex", 1),
    "limits": endless_limits,
}


def spoilt(path: Path, kind: str) -> Path:
    """Make a stack that no reader should believe."""
    small_stack(path)
    with h5py.File(path, "a") as file:
        SPOILT_INSIDE.get(kind, len)(file["MDF/images"])
    if kind == "no HDF":
        path.write_bytes(b"something else")
    elif kind == "cut":
        os.truncate(path, path.stat().st_size - 100)
    elif kind == "another":
        with h5py.File(path, "w") as file:
            file["entry/data"] = 1
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("promises more", r"promises images up to number 7, and has 2 \(imageid_max\)"),
        ("link", "/MDF/images/1 is a link to somewhere else"),
        ("huge", "image 1 lacks values: 0 of 1048576 pieces"),
        ("external", "are not in the file as usual"),
        ("text", r"image 1 holds \|?S1, expected real numbers"),
        ("other size", r"different sizes: 4 x 4 px \(image 1\) and 6 x 4 px"),
        ("filter", r"image 1 is packed by HDF5's filters \(32000,\), expected deflate"),
        ("transform", "image 0 is a Fourier transform"),
        ("limits", "image 1 has the limits 8, inf, expected finite"),
        ("no HDF", "is not an HDF5 file"),
        ("cut", "is damaged"),
        ("another", "it has no /MDF"),
    ],
)
def test_a_stack_that_is_not_what_it_should_be_is_refused(
    tmp_path: Path, kind: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        open_projections(spoilt(tmp_path / "a.hdf", kind), tilt_stack=False)


def test_a_list_that_goes_beyond_its_stack_is_refused(tmp_path: Path) -> None:
    small_stack(tmp_path / "a.hdf")
    path = tmp_path / "a.lst"
    path.write_text("#LSX\n# x\n# 20\n0\ta.hdf\n5\ta.hdf\n", encoding="ascii")

    with pytest.raises(DataError, match=r"lists image 5 of .*a\.hdf, which has images 0 to 1"):
        open_projections(path, tilt_stack=False)


def test_attributes_of_a_list_stand_in_place_of_those_of_the_stack(tmp_path: Path) -> None:
    small_stack(tmp_path / "a.hdf", ptcl_repr=np.array([3], np.int32))
    path = tmp_path / "a.lst"
    path.write_text('#LSX\n# x\n# 20\n1\ta.hdf\t{"ptcl_repr": 8}\n0\ta.hdf\n', encoding="ascii")

    headers = open_projections(path, tilt_stack=False).headers()

    assert [h.ptcl_repr for h in headers] == [8.0, 3.0]
    assert headers[0].transform is not None


def test_only_attributes_that_are_wanted_are_looked_at(tmp_path: Path) -> None:
    path = small_stack(tmp_path / "a.hdf", ptcl_repr="broken", model_id=np.array([2]), apix_x=1.5)

    source = open_projections(path, tilt_stack=False, wanted=["model_id"])

    assert [(h.ptcl_repr, h.model_id) for h in source.headers()] == [(None, 2)] * 2
    assert source.pixel_size_A == 1.5


def test_the_pixel_size_of_a_list_is_that_of_its_stack(tmp_path: Path) -> None:
    small_stack(tmp_path / "a.hdf", apix_x=1.5)
    (tmp_path / "a.lst").write_text("#LSX\n# x\n# 9\n1\ta.hdf\n", encoding="ascii")

    assert open_projections(tmp_path / "a.lst", tilt_stack=False).pixel_size_A == 1.5
