"""What a plan counts is what is allocated, to the byte."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from small_search import GLOBAL, LOCAL, density, model, particles, plan, search

from halfmap.kernels.numba_symmetry import n_bytes_of_symmetrising
from halfmap.kernels.registry import make_kernels
from halfmap.model.exact import sum_scales
from halfmap.model.padded_sphere import PaddedSphere
from halfmap.model.reference import FourierReference
from halfmap.model.sums import ExpectationSums
from halfmap.model.symmetry import point_group
from halfmap.model.touched_voxels import n_touched
from halfmap.steps.complete_sums import completed
from halfmap.steps.memory_plan import Volumes
from halfmap.steps.phases import alone
from halfmap.steps.reconstruction import reconstruct
from halfmap.steps.references import fourier_reference
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


@pytest.mark.parametrize("name", ["C1", "D2"])
@pytest.mark.parametrize("box", [32, 80])
def test_a_map_in_the_making_takes_no_more_than_is_planned(name: str, box: int) -> None:
    sphere, group = PaddedSphere(box // 2, 2.0), point_group(name)
    volumes = Volumes(sphere, box, 1, symmetric=len(group.right) > 0)
    scales = sum_scales(model(density()[None], GLOBAL, noise=1.0), 10)
    integers = np.full((n_touched(sphere), 3), 2**20)
    alone(completed(integers.copy(), scales, sphere, group))  # tables that are kept

    tracemalloc.start()
    sums = alone(completed(integers, scales, sphere, group))
    completing = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    reconstruct(sums, box, None)
    making = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    tables = 5 * 8 * 3 * sphere.half**2  # one number for each squared radius
    allowed = volumes.making + volumes.block + volumes.maps + tables
    assert max(completing, making) <= allowed
    assert making > volumes.lines + volumes.maps
    if group.n_operators > 1:  # two shells: of thin ones, as of small spheres, more is rim
        counted = n_bytes_of_symmetrising(sphere)
        assert 0.5 * counted < completing < volumes.sums


def test_voxels_grow_with_the_cube_of_the_window() -> None:
    small, large = (PaddedSphere(r, 2.0).n_voxels for r in (60, 120))
    assert 7.5 < large / small < 8.0
    flat = replace(PaddedSphere(60, 2.0), flat=True)
    assert flat.n_voxels == small / (2 * flat.half + 1)
