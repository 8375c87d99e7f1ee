"""``halfmap refine`` takes a ``.cs`` file as it is."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.io.cryosparc.files import read_cs, write_cs
from halfmap.io.cryosparc.to_cs import fields_of
from halfmap.io.cryosparc.to_star import read_cs_as_star
from halfmap.io.star import read_star

from .tiny_project import BOX, STACK, STAR, Run, assert_ran, pixels, refine, write

pytestmark = pytest.mark.usefixtures("tiny_project")

CS = Path("particles/particles.cs")


def without_texts(path: Path) -> None:
    """Write the tiny set as cryoSPARC would have it: no text of the STAR file in it."""
    fields = fields_of(read_star(STAR))
    write_cs(path, {name: values for name, values in fields.items() if name[:5] != "star/"})


def test_a_run_from_cs_leaves_a_table_that_becomes_cs_again(run: Run) -> None:
    without_texts(CS)

    assert_ran(run(refine("--i", str(CS))))

    before = read_cs(CS)
    found = read_star(Path("out/run_it001_data.star"))
    after = fields_of(found)
    order = np.argsort(after["uid"])
    for name in ("uid", "ctf/df1_A", "blob/path", "ctf/trefoil_A"):
        assert after[name][order].tobytes() == before[name][np.argsort(before["uid"])].tobytes()
    assert (after["alignments3D/pose"] != 0).any()
    assert int(found.tables["optics"]["rlnImageSize"][0]) == BOX


def test_aberrations_that_are_not_converted_are_mentioned(run: Run) -> None:
    without_texts(CS)
    fields = read_cs(CS)
    fields["ctf/trefoil_A"][:] = [50.0, 0.0]
    write_cs(CS, fields)

    said = run(refine("--i", str(CS), "--skip_maximize"))

    assert_ran(said)
    assert "ctf/trefoil_A is not zero: threefold astigmatism" in " ".join(said.out.split())


def test_dark_images_of_a_cs_file_give_the_map_of_bright_ones(run: Run) -> None:
    without_texts(CS)
    assert_ran(run(refine("--i", str(CS), "--o", "bright/run")))
    images = pixels(STACK)
    write(Path("particles/dark.mrcs"), -images)
    fields = read_cs(CS)
    fields["blob/sign"][:] = -1.0
    fields["blob/path"] = np.full(len(images), b"particles/dark.mrcs")
    write_cs(CS, fields)
    assert "rlnCtfScalefactor" in read_cs_as_star(CS).tables["particles"]

    assert_ran(run(refine("--i", str(CS), "--o", "dark/run")))

    bright, dark = (pixels(Path(f"{o}/run_it001_class001.mrc")) for o in ("bright", "dark"))
    # Negating numbers changes no digit of what follows from their squares and products.
    np.testing.assert_array_equal(dark, bright)


def test_a_run_from_cs_goes_on_to_the_last_bit(run: Run) -> None:
    without_texts(CS)
    assert_ran(run(refine("--i", str(CS), "--iter", "2", "--o", "whole/run")))
    assert_ran(run(refine("--i", str(CS), "--iter", "1", "--o", "half/run")))

    on = ["--continue", "half/run_it001_optimiser.star", "--iter", "2", "--o", "half/run"]
    assert_ran(run(["refine", *on]))

    for name in ("run_it002_data.star", "run_it002_class001.mrc"):
        whole, half = (Path(folder, name).read_bytes() for folder in ("whole", "half"))
        assert whole == half
