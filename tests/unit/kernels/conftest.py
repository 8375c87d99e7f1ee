import numpy as np
import pytest
from numpy import ndarray as Array

from halfmap.kernels.protocol import Kernels, Pixels, Samples, Spectra, Volume
from halfmap.kernels.registry import BACKENDS, make_kernels
from halfmap.model.disc import interleaved, phase_ramps
from halfmap.model.padded_sphere import PaddedSphere

from .small_problem import DISC, PLANE, REFERENCE, SPHERE, N, some_axes


@pytest.fixture(params=[name for name in BACKENDS if name != "reference"])
def kernels(request: pytest.FixtureRequest) -> Kernels:
    return make_kernels(request.param)


@pytest.fixture
def pixels() -> Pixels:
    return Pixels(DISC.kx.astype(np.float32), DISC.ky.astype(np.float32))


@pytest.fixture(params=[SPHERE, PLANE], ids=["sphere", "plane"])
def sphere(request: pytest.FixtureRequest) -> PaddedSphere:
    """Of a map, and of a 2D reference."""
    return request.param


@pytest.fixture
def volume(rng: np.random.Generator, sphere: PaddedSphere) -> Volume:
    size = int(np.prod(sphere.shape))
    values = rng.normal(size=2 * size) * np.repeat(
        sphere.squared_radius().ravel() <= sphere.reach**2, 2
    )
    return Volume(values.astype(np.float32), sphere.half)


@pytest.fixture
def source(volume: Volume, pixels: Pixels) -> tuple[Volume, Pixels]:
    return volume, pixels


@pytest.fixture
def axes(rng: np.random.Generator, sphere: PaddedSphere) -> Array:
    return some_axes(rng, sphere)


@pytest.fixture
def slices(axes: Array, volume: Volume, pixels: Pixels) -> Array:
    out = np.empty((24, DISC.width), np.float32)
    REFERENCE.project(volume, axes, pixels, out)
    return out


@pytest.fixture
def spectra(rng: np.random.Generator) -> Spectra:
    def rows() -> Array:
        return interleaved(rng.normal(size=(3, N)) + 1j * rng.normal(size=(3, N)), DISC.width)

    def weights() -> Array:
        return rng.uniform(0.0, 2.0, (3, N)).astype(np.float32)

    return Spectra(rows(), rows(), weights(), weights())


@pytest.fixture
def ramps(rng: np.random.Generator) -> Array:
    """Five coarse shifts, each with four finer ones."""
    flat = phase_ramps(DISC, rng.uniform(-3.0, 3.0, (20, 2)), 24)
    return flat.reshape(5, 4, -1)


@pytest.fixture
def samples() -> Samples:
    """Image 0 has two orientations, image 1 none, image 2 one."""
    return Samples(
        first_group=np.array([0, 2, 2, 3]),
        orientation=np.array([4, 9, 4]),
        first_sample=np.array([0, 2, 3, 6]),
        shift=np.array([0, 3, 3, 1, 2, 4], np.int32),
    )
