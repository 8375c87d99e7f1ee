import pickle
from pathlib import Path

import numpy as np
import pytest

from halfmap.errors import DataError, OptionError
from halfmap.io.eman.processor_files import ProcessorFiles
from halfmap.io.eman.volumes import write_volume
from halfmap.model.processor_text import parse_processor
from halfmap.model.structure_factor import StructureFactor
from halfmap.steps.processors.applied import ImageProcessing, processed_map
from halfmap.steps.processors.picture import Picture
from halfmap.steps.processors.registry import make_ready, process


class Files:
    """Remembers what was read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def picture(self, name: str) -> np.ndarray:
        self.read.append(name)
        return np.full((4, 4), 2.0)

    def curve(self, name: str) -> StructureFactor:
        raise DataError(f"{name} cannot be read")


def test_parameters_follow_the_name_behind_colons() -> None:
    found = parse_processor('mask.x:a=1:b=-2.5e1:c=True:d=false:e="text here":f=')

    assert found.name == "mask.x"
    assert found.parameters == {"a": 1, "b": -25.0, "c": 1, "d": 0, "e": "text here", "f": ""}


@pytest.mark.parametrize("text", ["normalize", "normalize:"])
def test_a_name_alone_has_no_parameters(text: str) -> None:
    assert parse_processor(text).parameters == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected name:parameter=value"),
        ("mask.sharp(outer_radius=3)", r"found the processor 'mask\.sharp\(.*expected name:"),
        ("mask.sharp:3", "found '3', expected parameter=value"),
        ("mask.sharp:value=1:value=2", "value is given twice"),
        ("mask.shrp", r"'mask\.shrp', expected one of filter\.bandpass\.gauss, .*mean mask\.sharp"),
        ("mask.sharp:radius=3", "'radius', expected outer_radius, inner_radius, value, dx, dy, dz"),
        ("normalize:a=1", "'a', expected none"),
        ("mask.sharp:value=high", "found value=high, expected number"),
        ("mask.sharp:value=nan", "found value=nan, expected number"),
        ("math.meanshrink:n=1.5", "found n=1.5, expected whole number from 1 on"),
        ("math.meanshrink:n=0", "found n=0, expected whole number from 1 on"),
        ("math.meanshrink", r"expected n= \(factor"),
        ("threshold.clampminmax:minval=0:tozero=2", "tozero=2, expected 0 or 1"),
        ("filter.radialtable:table=1,x", "table=1,x, expected numbers with commas"),
        ("threshold.clampminmax", "expected minval or maxval"),
    ],
)
def test_what_cannot_be_used_is_answered_by_what_can(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make_ready([text], "preprocess", Files())


def test_all_that_is_wrong_is_listed_at_once_before_a_file_is_read() -> None:
    files = Files()

    with pytest.raises(OptionError, match=r"--postprocess cannot be used(.|\n)*nothere(.|\n)*high"):
        make_ready(
            ["nothere", "mask.fromfile:filename=a", "math.linear:scale=high"], "postprocess", files
        )

    assert files.read == []


def test_processors_run_in_their_order_and_none_does_nothing() -> None:
    ready = make_ready(
        ["math.linear:scale=3", "none", "math.linear:shift=1"], "preprocess", Files()
    )

    found = process(Picture(np.ones((4, 4), np.float32), 1.0), ready)

    assert (found.values == 4.0).all()


def test_files_are_read_once_when_processors_are_made_ready() -> None:
    files = Files()
    (ready,) = make_ready(["mask.fromfile:filename=mask 1.mrc"], "preprocess", files)

    for _ in range(2):
        found = process(Picture(np.ones((4, 4), np.float32), 1.0), [ready])

    assert files.read == ["mask 1.mrc"]
    assert (found.values == 2.0).all()


def test_a_file_that_cannot_be_used_stops_at_once() -> None:
    with pytest.raises(DataError, match=r"sf\.txt cannot be read"):
        make_ready(["filter.setstrucfac:filename=sf.txt"], "preprocess", Files())


def test_two_processors_draw_different_numbers() -> None:
    zeros = Picture(np.zeros((4, 4), np.float32), 1.0, seed=(7,))
    once = make_ready(["math.addnoise:noise=1"], "preprocess", Files())

    first = process(zeros, once).values
    second = process(process(zeros, once), once).values - first
    both = process(zeros, [*once, *once]).values - first

    np.testing.assert_array_equal(second, first)  # the same place, the same numbers
    assert not np.allclose(both, first)


def test_pictures_and_curves_are_read_from_files(tmp_path: Path) -> None:
    write_volume(tmp_path / "mask.hdf", np.full((1, 4, 4), 3.0, np.float32), 1.0, {})
    (tmp_path / "sf.txt").write_text("0.0 1\n0.5 1\n", encoding="ascii")
    texts = [
        f"mask.fromfile:filename={tmp_path}/mask.hdf",
        f"filter.setstrucfac:strucfac={tmp_path}/sf.txt",
    ]

    first, second = make_ready(texts, "preprocess", ProcessorFiles())

    assert (process(Picture(np.ones((4, 4), np.float32), 1.0), [first]).values == 3.0).all()
    assert second.given["strucfac"].intensity.tolist() == [1.0, 1.0]


def test_images_are_processed_alike_in_any_company(rng) -> None:
    images = rng.normal(size=(5, 8, 8)).astype(np.float32)
    ready = make_ready(["math.addnoise:noise=1", "normalize"], "preprocess", Files())
    processing = pickle.loads(pickle.dumps(ImageProcessing(tuple(ready), 2.0)))

    together = processing(images, range(5))

    apart = [processing(images[i : i + 1], [i])[0] for i in (4, 2)]
    np.testing.assert_array_equal(apart, together[[4, 2]])
    assert not np.allclose(together[0] - images[0], together[1] - images[1])


def test_without_processors_images_stay_as_they_are(rng) -> None:
    images = rng.normal(size=(2, 8, 8)).astype(np.float32)

    assert ImageProcessing((), 2.0)(images, [0, 1]) is images


def test_a_processor_that_fails_on_a_map_is_left_out_with_a_warning() -> None:
    texts = ["math.linear:shift=1", "xform:alpha=5:az=5", "normalize.ramp.normvar", "math.squared"]
    warnings: list[str] = []

    found = processed_map(
        np.ones((4, 4, 4)), 1.0, make_ready(texts, "postprocess", Files()), warnings.append
    )

    assert found.values[2, 2, 2] == 4.0
    assert len(warnings) == 1
    assert "normalize.ramp.normvar: found a map, expected an image" in warnings[0]
