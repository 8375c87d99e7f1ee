"""What a plan counts is what is allocated, to the byte."""

from dataclasses import replace

import numpy as np
import pytest
from small_search import GLOBAL, LOCAL, density, model, particles, plan, search

from halfmap.kernels.registry import make_kernels
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.projection import fourier_reference
from halfmap.model.reference import FourierReference
from halfmap.model.sums import ExpectationSums
from halfmap.model.touched_voxels import n_touched
from halfmap.steps.slices import coarse_shape, n_bytes_of_slices
from halfmap.steps.unit_grid import n_bytes_of_unit_grid
from halfmap.steps.workspace import Workspace


@pytest.mark.parametrize(("box", "size", "padding"), [(24, 24, 2.0), (24, 16, 1.0), (32, 10, 1.5)])
@pytest.mark.parametrize("flat", [False, True])
def test_a_reference_takes_what_is_counted(box: int, size: int, padding: float, flat: bool) -> None:
    volume = np.ones((1 if flat else box, box, box), np.float32)
    made = fourier_reference(volume, size, padding)
    assert FourierReference.n_bytes_of(made.sphere) == made.values.nbytes
    assert made.sphere.n_voxels == made.values.size


@pytest.mark.parametrize("sampling", [GLOBAL, LOCAL])
@pytest.mark.parametrize("n_classes", [1, 3])
def test_sums_slices_and_grids_take_what_is_counted(sampling, n_classes: int) -> None:
    volumes = np.stack([density(seed) for seed in range(n_classes)])
    known = model(volumes, sampling, noise=1.0)
    made = search(known, plan(particles(8), sampling), make_kernels())
    sphere, noise = made.sphere, known.noise_variance.shape
    sums = made.zero_sums()
    counted = ExpectationSums.n_bytes_of(
        n_classes, n_touched(sphere), (noise[0], noise[1]), made.n_directions
    )
    assert counted == sum(array.nbytes for array in sums.arrays())
    n_rows = coarse_shape(made)[0]
    assert (n_rows == 0) == (sampling is LOCAL)
    assert made.coarse_slices is not None
    assert n_bytes_of_slices(n_rows, made.disc) == made.coarse_slices.nbytes
    assert n_bytes_of_unit_grid(sphere, n_classes) == Workspace(made).grid.values.nbytes


def test_voxels_grow_with_the_cube_of_the_window() -> None:
    small, large = (PaddedSphere(r, 2.0).n_voxels for r in (60, 120))
    assert 7.5 < large / small < 8.0
    flat = replace(PaddedSphere(60, 2.0), flat=True)
    assert flat.n_voxels == small / (2 * flat.half + 1)
