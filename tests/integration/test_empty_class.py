"""A class that no particle fits stays, empty, through iterations, files and continuation."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.io.model_reading import read_model_star
from halfmap.io.mrc import read_map
from halfmap.io.star import TEXT, read_star, write_star

from .tiny_project import MAP, Run, assert_ran, pixels, refine, write

pytestmark = pytest.mark.usefixtures("one_far_too_bright")


@pytest.fixture
def one_far_too_bright(tiny_project: Path) -> None:
    """References of which the second explains nothing: it is fifty times too bright."""
    write(tiny_project / "bright.mrc", 50.0 * pixels(tiny_project / MAP))
    names = np.array([str(MAP), "bright.mrc"], TEXT)
    write_star(tiny_project / "refs.star", {"model_classes": {"rlnReferenceImage": names}})


def assert_second_is_empty(root: str) -> None:
    model, _ = read_model_star(Path(f"{root}_model.star"))
    classes = read_star(Path(f"{root}_data.star")).table("particles")["rlnClassNumber"]
    assert set(classes.tolist()) == {"1"}
    np.testing.assert_array_equal(model.class_fraction, [1.0, 0.0])
    assert not read_map(Path(f"{root}_class002.mrc"))[0].any()
    assert read_map(Path(f"{root}_class001.mrc"))[0].any()
    for values in (model.signal_variance, model.data_vs_prior, model.map_variance):
        assert np.isfinite(values).all()


@pytest.mark.parametrize("more", [(), ("--sigma_ang", "20")], ids=["global", "local"])
def test_an_empty_class_survives_and_is_named(run: Run, more: tuple[str, ...]) -> None:
    said = run(refine("--ref", "refs.star", "--iter", "2", *more))

    assert_ran(said)
    assert "classes 100, 0 %" in said.out
    assert "  empty: class 2\n" in said.out
    assert_second_is_empty("out/run_it001")
    assert_second_is_empty("out/run_it002")


def test_a_run_with_an_empty_class_goes_on(run: Run) -> None:
    assert_ran(run(refine("--ref", "refs.star")))

    said = run(["refine", "--continue", "out/run_it001_optimiser.star", "--iter", "2"])

    assert_ran(said)
    assert_second_is_empty("out/run_it002")
