import json
from pathlib import Path

import numpy as np
import pytest

from halfmap.errors import DataError
from halfmap.io.eman.hdf_attributes import Transform
from halfmap.io.eman.image_list import read_image_list
from halfmap.io.eman.tilt_angles import check_number_of_angles, read_tilt_angles
from halfmap.model.eman_orientations import eman_matrices
from halfmap.model.rotations import euler_matrices

HEAD = "#LSX\n# a comment\n# 40\n"


def written(folder: Path, text: str, name: str = "some.lst") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_line_names_an_image_and_what_is_new_about_it(tmp_path: Path) -> None:
    matrix = "[1,0,0,2.5,0,1,0,-3,0,0,1,0]"
    said = {"score": -0.5, "xform.projection": {"__class__": "Transform", "matrix": matrix}}
    path = written(tmp_path, f"{HEAD}7\tstack.hdf\t{json.dumps(said)}      \n")

    (entry,) = read_image_list(path)

    assert (entry.number, entry.file) == (7, Path("stack.hdf"))
    assert entry.attributes["score"] == -0.5
    expected = Transform((1.0, 0.0, 0.0, 2.5, 0.0, 1.0, 0.0, -3.0, 0.0, 0.0, 1.0, 0.0))
    assert entry.attributes["xform.projection"] == expected


def test_lines_may_have_any_length_and_no_attributes(tmp_path: Path) -> None:
    path = written(tmp_path, f"{HEAD}0\ta.hdf\n# between\n12\tb c.hdf                        \n\n")

    entries = read_image_list(path)

    assert [(e.number, str(e.file), e.attributes) for e in entries] == [
        (0, "a.hdf", {}),
        (12, "b c.hdf", {}),
    ]


def test_a_file_beside_the_list_is_found(tmp_path: Path) -> None:
    (tmp_path / "only_there.hdf").touch()

    (entry,) = read_image_list(written(tmp_path, f"{HEAD}0\tonly_there.hdf\n"))

    assert entry.file == tmp_path / "only_there.hdf"


@pytest.mark.parametrize(
    ("text", "matrix"),
    [
        ("{'type':'eman','az':10,'alt':20.0,'phi':30}", eman_matrices(np.array([10, 20, 30.0]))),
        ("{'type':'spider','phi':1,'theta':2,'psi':3}", euler_matrices(np.array([1, 2, 3.0]))),
    ],
)
def test_old_lists_give_angles(tmp_path: Path, text: str, matrix) -> None:
    text = text.replace("}", ",'tx':4,'ty':-5,'score':.1}")
    (entry,) = read_image_list(written(tmp_path, f"#LST\n3 a.hdf {text}\n"))

    transform = entry.attributes["xform.projection"]

    assert isinstance(transform, Transform)
    stored = np.reshape(transform.elements, (3, 4))
    np.testing.assert_allclose(stored[:, :3], matrix, atol=1e-12)
    assert stored[:, 3].tolist() == [4.0, -5.0, 0.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0\ta.hdf\n", r"begins with '0.*expected #LSX"),
        (HEAD, "lists no images"),
        (HEAD + "x\ta.hdf\n", "line 4: found 'x.*expected a number"),
        (HEAD + "0\ta.hdf\t[1]\n", "line 4: .*expected attributes as JSON"),
        (HEAD + "0\ta.hdf\t{oh\n1\tb.hdf\t{}\n-1\tc.hdf\n", "line 4: (.|\n)*line 6: "),
        (HEAD + "0\ta.hdf\t" + "[" * 3000 + "\n", "line 4: "),
    ],
)
def test_lines_that_are_no_entries_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_image_list(written(tmp_path, text))


def test_a_tilt_file_has_one_angle_on_each_line(tmp_path: Path) -> None:
    path = written(tmp_path, "-60.00\n  0\n+2.5 \n\n", "a.tlt")

    assert read_tilt_angles(path).tolist() == [-60.0, 0.0, 2.5]


def test_lines_of_a_tilt_file_that_are_no_angles_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, "-60.00\n\nabc\n400\nnan\n2\n", "a.tlt")

    with pytest.raises(DataError, match=r"line 2: found ''(.|\n)*line 3(.|\n)*line 4(.|\n)*line 5"):
        read_tilt_angles(path)


def test_a_tilt_file_of_another_length_is_refused() -> None:
    with pytest.raises(DataError, match=r"a\.tlt has 3 angles and a\.mrc has 4 images"):
        check_number_of_angles(Path("a.tlt"), 3, Path("a.mrc"), 4)
