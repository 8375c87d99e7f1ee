"""--firstiter_cc: maps are filtered again after the first iteration, and so are their spectra."""

from pathlib import Path

import numpy as np
import pytest

from halfmap.io.model_reading import read_model_star
from halfmap.io.mrc import read_map
from halfmap.model.fourier import radial_mean, shells_3d, transform_3d

from .tiny_project import BOX, PIXEL_A, Run, assert_ran, refine

pytestmark = pytest.mark.usefixtures("tiny_project")

LIMIT_A = 40.0


def test_power_and_ratio_end_where_the_map_ends(run: Run) -> None:
    assert_ran(run(refine("--firstiter_cc", "--ini_high", str(LIMIT_A))))

    model, _ = read_model_star(Path("out/run_it001_model.star"))
    limit = BOX * PIXEL_A / LIMIT_A
    shells = np.arange(BOX // 2 + 1)
    volume, _ = read_map("out/run_it001_class001.mrc")
    power = radial_mean(np.abs(transform_3d(volume)) ** 2, shells_3d(BOX), BOX // 2 + 1)
    beyond = shells >= limit + 1.0
    # written in single precision; a shell has radii up to half a shell nearer than its number
    assert power[shells >= limit + 1.5].max() < 1e-10 * power.max()
    for found in (model.signal_variance[0], model.data_vs_prior[0]):
        assert (found[beyond] == 0.0).all()
        assert (found[1 : int(limit)] > 0.0).all()
