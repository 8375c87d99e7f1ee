from pathlib import Path

import numpy as np
import pytest

from halfmap.config.reconstruction.options import parse_reconstruct
from halfmap.engine.reconstruction.inputs import opened
from halfmap.io.eman.hdf_attributes import Transform
from halfmap.io.eman.hdf_writing import EmanImage, write_hdf

ALL = {
    "xform.projection": Transform((1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0)),
    "ptcl_repr": 9,
    "class_qual": 0.25,
    "class_ssnr": [4.0, 2.0, 1.0],
    "model_id": 3,
}


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    image = np.ones((8, 8), np.float32)
    write_hdf(tmp_path / "a.hdf", [EmanImage(image, 2.0, ALL)] * 2)
    return tmp_path / "a.hdf"


@pytest.mark.parametrize(("words", "weight"), [([], 9.0), (["--sqrt_wt"], 3.0), (["--no_wt"], 1.0)])
def test_weights_are_read_where_they_matter(stack: Path, words: list[str], weight: float) -> None:
    _, table = opened(parse_reconstruct(["--input", str(stack), *words]).options)

    assert table.weight.tolist() == [weight] * 2
    assert table.quality.tolist() == [0.25] * 2


def test_curves_and_models_are_read_when_they_are_asked_for(stack: Path) -> None:
    words = ["--input", str(stack), "--usessnr", "--input_model", "3"]

    _, table = opened(parse_reconstruct(words).options)

    assert table.ssnr is not None
    assert table.ssnr[1].tolist() == [4.0, 2.0, 1.0]
    assert len(table) == 2


def test_broken_attributes_that_do_not_matter_do_not_matter(tmp_path: Path) -> None:
    broken = {**ALL, "class_ssnr": "broken", "model_id": "broken"}
    write_hdf(tmp_path / "a.hdf", [EmanImage(np.ones((8, 8), np.float32), 2.0, broken)])

    _, table = opened(parse_reconstruct(["--input", str(tmp_path / "a.hdf")]).options)

    assert len(table) == 1
