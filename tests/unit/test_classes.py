"""Several classes: where they come from, who is drawn into which, and what is held where."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from halfmap.config.options import RefineOptions
from halfmap.engine.starting.reference_files import reference_files
from halfmap.io.star import TEXT, write_star
from halfmap.model.half_model import HalfModel
from halfmap.steps.statistics_update import with_equal_classes


def options(**changes: object) -> RefineOptions:
    paths = {"particles_file": Path("p.star"), "output_root": "run"}
    return RefineOptions.model_validate(paths | {"reference_file": Path("ref.mrc")} | changes)


def test_classes_of_one_map_are_seeded_and_listed_ones_are_not() -> None:
    assert options(n_classes=3).seeds_classes
    assert not options(n_classes=1).seeds_classes
    assert not options(n_classes=3, reference_file=Path("refs.star")).seeds_classes


def test_listed_references_are_looked_for_beside_their_list(tmp_path: Path) -> None:
    (tmp_path / "a.mrc").touch()
    here = tmp_path / "elsewhere" / "b.mrc"
    here.parent.mkdir()
    here.touch()
    names = np.array(["a.mrc", str(here)], TEXT)
    write_star(tmp_path / "refs.star", {"model_classes": {"rlnReferenceImage": names}})

    found = reference_files(options(reference_file=tmp_path / "refs.star"), None)

    assert found == ((str(tmp_path / "a.mrc"), str(here)),)


def test_references_are_those_of_the_first_table_unless_one_is_for_classes(tmp_path: Path) -> None:
    path = tmp_path / "refs.star"
    for name in ("a.mrc", "b.mrc"):
        (tmp_path / name).touch()
    mine = {"": {"rlnReferenceImage": np.array(["a.mrc"], TEXT)}}
    of_classes = {"model_classes": {"rlnReferenceImage": np.array(["b.mrc"], TEXT)}}

    write_star(path, mine)
    assert reference_files(options(reference_file=path), None) == ((str(tmp_path / "a.mrc"),),)
    write_star(path, mine | of_classes)
    assert reference_files(options(reference_file=path), None) == ((str(tmp_path / "b.mrc"),),)


def test_equal_classes_share_the_first_map_and_its_particles_evenly() -> None:
    rng = np.random.default_rng(1)
    model = HalfModel.untrained(
        maps=rng.normal(size=(3, 4, 4, 4)).astype(np.float32),
        noise_variance=np.ones((1, 3)),
        data_vs_prior=rng.uniform(size=(3, 3)),
        offset_sigma_A=5.0,
        counts=(4, 1),
    )
    directions = np.zeros((3, 4))
    directions[0] = 0.1, 0.2, 0.3, 0.4
    model = replace(model, class_fraction=np.array([1.0, 0.0, 0.0]), direction_fraction=directions)

    equal = with_equal_classes(model)

    for name in ("maps", "data_vs_prior", "direction_fraction"):
        values = getattr(equal, name)
        np.testing.assert_array_equal(values, np.repeat(values[:1], 3, axis=0))
    np.testing.assert_array_equal(equal.maps[0], model.maps[0])
    np.testing.assert_allclose(equal.class_fraction, 1.0 / 3.0)
    np.testing.assert_allclose(equal.direction_fraction.sum(axis=0), directions[0])
